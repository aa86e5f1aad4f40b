import { timeText } from '../table-text.ts';
import { stepAt, type Steps } from './steps.ts';

/** One time step of a series: how many values lie in each row of cells, from below. */
export interface Slot {
  readonly timeMs: number;
  readonly counts: readonly number[];
}

/** Values by row of cells, from below, and by character of a line, from left to right. */
export type Grid = readonly (readonly number[])[];

/** From few to many: of a screen without colours, and of one with 256, from dark blue to light yellow. */
const SHADES = '.:-=+*#%@';
const COLOURS = [17, 19, 56, 91, 127, 162, 203, 215, 229];
const MIN_CELLS = 10;

/** How many characters of `room` a line of cells takes: a whole number a step, or all of them where a character shows several steps. */
export function gridWidth({ count }: Steps, room: number): number {
  const cells = Math.max(MIN_CELLS, room);
  return count > cells ? cells : Math.floor(cells / count) * count;
}

/** The cells of a series, drawn `cells` wide: a step fills all its characters, a character adds up all its steps. */
export function gridOf(slots: readonly Slot[], rows: number, steps: Steps, cells: number): Grid {
  const grid = Array.from({ length: rows }, () => Array.from({ length: cells }, () => 0));
  for (const { timeMs, counts } of slots) {
    const step = stepAt(steps, timeMs);
    const from = Math.floor((step * cells) / steps.count);
    const to = Math.max(from + 1, Math.floor(((step + 1) * cells) / steps.count));
    for (const [row, line] of grid.entries()) for (let cell = from; cell < to; cell++) line[cell]! += counts[row] ?? 0;
  }
  return grid;
}

/** The fullest cell. */
export function fullest(grids: readonly Grid[]): number {
  let most = 0;
  for (const grid of grids) for (const line of grid) for (const count of line) most = Math.max(most, count);
  return most;
}

/**
 * A line for each row of cells, the largest values at the top, and the times below.
 * @param labels of the rows, from below. @param most values that the last shade stands for.
 */
export function gridText(
  grid: Grid,
  labels: readonly string[],
  steps: Steps,
  { most, colours }: { readonly most: number; readonly colours: boolean },
): string {
  const width = Math.max(0, ...labels.map((label) => label.length));
  const lines = grid.map((line, row) => {
    const cells = line.map((count) => cellText(count, most, colours)).join('');
    return `${labels[row]!.padStart(width)} ${cells}`.trimEnd();
  });
  const last = steps.firstMs + (steps.count - 1) * steps.stepMs;
  const [left, right] = [timeText(steps.firstMs - steps.stepMs), timeText(last)];
  const gap = (grid[0]?.length ?? 0) - left.length - right.length;
  lines.unshift(`${' '.repeat(width)} ${gap < 1 ? left : `${left}${' '.repeat(gap)}${right}`}`);
  return lines
    .toReversed()
    .map((line) => `${line}\n`)
    .join('');
}

/** What the shades mean: `. 1 or more  : 3  …  @ 17 values`. */
export function legendText(most: number, colours: boolean): string {
  const shown: string[] = [];
  let before = 0;
  for (let level = 0; level < SHADES.length; level++) {
    const least = Math.floor((level * most) / SHADES.length) + 1;
    const until = Math.floor(((level + 1) * most) / SHADES.length);
    if (until === before || least > until) continue;
    before = until;
    shown.push(`${shadeText(level, colours)} ${least === until ? least : `${least}-${until}`}`);
  }
  return `values a cell: ${shown.join('  ')}\n`;
}

function cellText(count: number, most: number, colours: boolean): string {
  return count === 0 ? ' ' : shadeText(Math.min(SHADES.length, Math.ceil((count / most) * SHADES.length)) - 1, colours);
}

function shadeText(level: number, colours: boolean): string {
  return colours ? `\u001b[48;5;${COLOURS[level]}m \u001b[0m` : SHADES[level]!;
}
