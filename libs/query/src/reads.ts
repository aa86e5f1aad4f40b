import type { SectionSet, StoredPage, StoredTables } from '@kiln/block';
import { rowRange, type Query } from './query.ts';
import {
  compileDiscovery,
  compileProfileSelection,
  compileRange,
  matchTypes,
  type DatasetHead,
  type Selection,
} from './selection.ts';
import { isRolledUp, needsFineRollups, planStacks } from './stack-sums.ts';

/** What a query reads of stored datasets, so that a reader fetches no more. What it leaves out does not change the query's partial. */
export interface Reads {
  readonly sections: SectionSet;
  /** Whether the dataset can add to the answer, as far as its table of contents tells. */
  wants(dataset: DatasetHead): boolean;
  /** Whether finer roll-ups are read of a dataset whose `sections` are at hand. */
  needsFineRollups(tables: StoredTables): boolean;
  /** Whether rows are read of a dataset whose roll-ups are at hand as far as they are needed, beside its roll-ups: then its rows and pages are needed too. */
  needsRows(tables: StoredTables): boolean;
  /** The pages that are read of a dataset whose rows are at hand. */
  pages(tables: StoredTables): readonly StoredPage[];
}

/** @throws KilnError `invalid_argument` for a selector that does not parse. */
export function readsOf(query: Query): Reads {
  const selection = selectionOf(query);
  const stacks = query.kind === 'stacktraces' || query.kind === 'pprof';
  return {
    sections: stacks ? 'stacks' : 'series',
    wants: (dataset) => matchTypes(dataset, selection).length > 0,
    needsFineRollups: (tables) => stacks && needsFineRollups(tables, selection),
    needsRows: (tables) => stacks && !isRolledUp(tables, selection),
    pages: (tables) => (stacks ? (planStacks(tables, selection)?.pages ?? []) : []),
  };
}

function selectionOf(query: Query): Selection {
  if ('profileType' in query) return compileProfileSelection(query, rowRange(query));
  return 'matchers' in query ? compileDiscovery(query) : compileRange(query);
}
