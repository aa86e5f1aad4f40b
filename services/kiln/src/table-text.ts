import { withoutControls } from './clipped.ts';

/** Columns side by side: the first row is the head; numbers and amounts are set to the right. */
export function tableText(content: readonly (readonly string[])[]): string {
  const rows = content.map((row) => row.map(withoutControls));
  const widths = (rows[0] ?? []).map((_, column) =>
    rows.reduce((most, row) => Math.max(most, (row[column] ?? '').length), 0),
  );
  const numeric = widths.map(
    (_, column) => rows.length > 1 && rows.slice(1).every((row) => AMOUNT.test(row[column] ?? '')),
  );
  return rows
    .map((row) =>
      row.map((cell, column) => (numeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))),
    )
    .map((row) => `${row.join('  ').trimEnd()}\n`)
    .join('');
}

/** `1,234`, `+12.3 s`, `45.0%`, `-` or nothing. */
const AMOUNT = /^([-+]?[\d,]+(\.\d+)?(%| \S+)?|-)?$/;

/** `2026-11-25T05:17:13.000Z` without what is zero; `-` for no time. */
export function timeText(ms: number): string {
  return ms <= 0 || ms > 8.64e15 ? '-' : new Date(ms).toISOString().replace('.000Z', 'Z');
}
