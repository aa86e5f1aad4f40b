import type { Baseline } from './baseline.ts';
import type { Row } from './measure.ts';

/** Widths of name, median, unit, range, target and baseline; the note takes the rest. */
const WIDTHS = [58, 9, 14, 19, 14, 9] as const;

export function tableHead(): string {
  return line(['', 'median', '', 'range', 'target', 'baseline', '']);
}

/** One line of the table. */
export function tableLine({ name, median, min, max, unit, target, note }: Row, baseline: Baseline): string {
  const before = baseline.rows[name.trim()];
  return line([
    name,
    show(median),
    unit,
    min === max ? '' : `${show(min)} … ${show(max)}`,
    target === undefined ? '' : `≤ ${target} ${median <= target ? 'met' : 'MISSED'}`,
    before === undefined ? '' : show(before),
    note ?? '',
  ]);
}

function line(cells: readonly string[]): string {
  return cells
    .map((cell, i) => (i === 1 || i === 5 ? cell.padStart(WIDTHS[i]) : cell.padEnd(WIDTHS[i] ?? 0)))
    .join(' ')
    .trimEnd();
}

/** A number with as many digits as mean something. */
export function show(value: number): string {
  return value >= 1_000 ? value.toFixed(0) : value >= 100 ? value.toFixed(1) : value.toFixed(2);
}
