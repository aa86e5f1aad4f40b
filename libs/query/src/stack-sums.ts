import { mergePage, type DatasetTables } from '@kiln/block';
import { ExactSums } from '@kiln/model';
import { matchRows, matchSeries, matchTypes, type Selection } from './selection.ts';

/** Where the sums of a selection come from in one dataset. */
export interface StackPlan<Page> {
  /** Numbers of the value types. */
  readonly types: readonly number[];
  /** Pages that have wanted rows. */
  readonly pages: readonly Page[];
  /** A byte per row, not 0 where it is wanted; undefined when all are. */
  readonly wanted: Uint8Array | undefined;
}

/** What `sumByStack` reads; undefined when the selection wants nothing of the dataset. No page's bytes are asked for. */
export function planStacks<T extends DatasetTables>(
  tables: T,
  selection: Selection,
): StackPlan<T['pages'][number]> | undefined {
  const types = matchTypes(tables, selection);
  if (types.length === 0) return undefined;
  const wanted = matchRows(tables, selection, matchSeries(tables, selection));
  if (wanted === 'none') return undefined;
  const pages = tables.pages.filter(({ firstRow, rows }) => wanted === undefined || anyWanted(wanted, firstRow, rows));
  return { types, pages, wanted };
}

/** Exact sums by stack row over the rows and value types that a selection wants; undefined when it wants none of them. */
export function sumByStack(tables: DatasetTables, selection: Selection): ExactSums | undefined {
  const plan = planStacks(tables, selection);
  if (plan === undefined) return undefined;
  const sums = new ExactSums(tables.symbols.stacks.length);
  for (const page of plan.pages) for (const type of plan.types) mergePage(page, type, plan.wanted, sums);
  return sums;
}

function anyWanted(wanted: Uint8Array, firstRow: number, rows: number): boolean {
  return wanted.subarray(firstRow, firstRow + rows).includes(1);
}
