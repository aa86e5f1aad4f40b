import { mergePage, type DatasetTables } from '@kiln/block';
import { ExactSums } from '@kiln/model';
import { matchRows, matchSeries, matchTypes, type Selection } from './selection.ts';

/** Exact sums by stack row over the rows and value types that a selection wants; undefined when it wants none of them. */
export function sumByStack(tables: DatasetTables, selection: Selection): ExactSums | undefined {
  const types = matchTypes(tables, selection);
  if (types.length === 0) return undefined;
  const wanted = matchRows(tables, selection, matchSeries(tables, selection));
  if (wanted === 'none') return undefined;
  const sums = new ExactSums(tables.symbols.stacks.length);
  for (const page of tables.pages) {
    if (wanted !== undefined && !anyWanted(wanted, page.firstRow, page.rows)) continue;
    for (const type of types) mergePage(page, type, wanted, sums);
  }
  return sums;
}

function anyWanted(wanted: Uint8Array, firstRow: number, rows: number): boolean {
  const at = wanted.indexOf(1, firstRow);
  return at >= 0 && at < firstRow + rows;
}
