import type { SectionSet, StoredPage, StoredTables } from '@kiln/block';
import { averagePages } from './average-stacks.ts';
import { asksForSpans, pprofQueries, rowRange, type Query } from './query.ts';
import { reachesOut } from './profile-stats.ts';
import { pagesOfRows } from './row-totals.ts';
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
  readonly sections: readonly SectionSet[];
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
  if (query.kind === 'pprofTypes') return readsTogether(pprofQueries(query).map(readsOf));
  const selection = selectionOf(query);
  const common = { wants: (dataset: DatasetHead) => matchTypes(dataset, selection).length > 0 };
  const ids = readsIds(query, selection) ? (['ids'] as const) : [];
  const noRows = { needsFineRollups: () => false, needsRows: () => false, pages: () => [] };
  if (query.kind === 'stacktraces' || query.kind === 'pprof') {
    if (asksForSpans(query)) return { ...common, ...noRows, sections: ['series', 'symbols', 'spans', ...ids] };
    return {
      ...common,
      sections: ['stacks', ...ids],
      needsFineRollups: (tables) => needsFineRollups(tables, selection),
      needsRows: (tables) => !isRolledUp(tables, selection),
      pages: (tables) => planStacks(tables, selection)?.pages ?? [],
    };
  }
  if (query.kind === 'averageStacks') {
    return {
      ...common,
      ...noRows,
      sections: ['stacks', ...ids],
      needsRows: () => true,
      pages: (tables) => averagePages(tables, selection),
    };
  }
  if (query.kind === 'profileStats')
    return { ...common, ...noRows, sections: [], needsRows: (tables) => reachesOut(query, tables) };
  const spans = readsSpans(query) ? (['spans'] as const) : [];
  if (readsRowSamples(query)) {
    return {
      ...common,
      ...noRows,
      sections: ['series', 'rows', 'symbols', ...ids, ...spans],
      needsRows: () => true,
      pages: (tables) => pagesOfRows(tables, selection),
    };
  }
  return { ...common, ...noRows, sections: ['series', ...ids, ...spans] };
}

/** What any of some queries reads. */
function readsTogether(all: readonly Reads[]): Reads {
  return {
    sections: [...new Set(all.flatMap(({ sections }) => sections))],
    wants: (dataset) => all.some((reads) => reads.wants(dataset)),
    needsFineRollups: (tables) => all.some((reads) => reads.needsFineRollups(tables)),
    needsRows: (tables) => all.some((reads) => reads.needsRows(tables)),
    pages: (tables) => [...new Set(all.flatMap((reads) => reads.pages(tables)))],
  };
}

/** Whether the totals of rows do not answer a query about totals. */
function readsRowSamples(query: Query): boolean {
  return query.kind === 'selectSeries' && query.callSite !== undefined && query.callSite.length > 0;
}

/** Whether it matters which profile a row is of. */
function readsIds(query: Query, { samples }: Selection): boolean {
  const shown = query.kind === 'heatmap' ? query.of : query.kind === 'selectSeries' ? query.exemplars : undefined;
  return samples.profiles !== undefined || shown === 'profiles';
}

function readsSpans(query: Query): boolean {
  return query.kind === 'heatmap' ? query.of === 'spans' : query.kind === 'selectSeries' && query.exemplars === 'spans';
}

function selectionOf(query: Query): Selection {
  if ('profileType' in query) return compileProfileSelection(query, rowRange(query));
  return 'matchers' in query ? compileDiscovery(query) : compileRange(query);
}
