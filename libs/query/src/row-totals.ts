import { PageRows, type DatasetTables } from '@kiln/block';
import { ExactSums, type ExactColumn } from '@kiln/model';
import { matchStacks } from './call-site.ts';
import { matchRows, matchSeries, type Selection } from './selection.ts';

/**
 * One value type of each row, summed over the samples that a selection wants: the stored totals, or with a call site the sums of its stacktraces. Rows that
 * the selection does not want may be 0.
 */
export function rowTotals(tables: DatasetTables, type: number, selection: Selection): ExactColumn {
  const { callSite } = selection.samples;
  if (callSite.length === 0) return tables.rows.totals[type]!;
  const kept = matchStacks(tables.symbols, callSite);
  const sums = new ExactSums(tables.rows.length);
  for (const page of pagesOfRows(tables, selection)) {
    const rows = new PageRows(page, tables.types.length, tables.symbols.stacks.length);
    for (let row = page.firstRow; row < page.firstRow + page.rows; row++) {
      rows.next();
      addRow(sums, row, rows, type, kept);
    }
    rows.next(); // behind the last row: all streams of the page end where they should
  }
  return sums;
}

/** Hot: once per sample. */
function addRow(
  sums: ExactSums,
  row: number,
  { length, stack, values }: PageRows,
  type: number,
  kept: Uint8Array,
): void {
  const { lo, hi } = values[type]!;
  for (let i = 0; i < length; i++) if (kept[stack[i]!] !== 0) sums.add(row, lo[i]!, hi === undefined ? 0 : hi[i]!);
}

/** The pages that have rows which a selection wants. */
export function pagesOfRows<T extends DatasetTables>(tables: T, selection: Selection): T['pages'][number][] {
  const wanted = matchRows(tables, selection, matchSeries(tables, selection));
  if (wanted === 'none') return [];
  return tables.pages.filter(
    ({ firstRow, rows }) => wanted === undefined || wanted.subarray(firstRow, firstRow + rows).includes(1),
  );
}
