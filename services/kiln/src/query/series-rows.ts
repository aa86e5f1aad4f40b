import { tableText, timeText } from '../table-text.ts';
import { sparkline } from './sparkline.ts';
import { stepAt, type Steps } from './steps.ts';

/** One series: the values of the labels asked for, '' for one that it has not, and its points. */
export interface Line {
  readonly labels: readonly string[];
  readonly points: readonly { readonly timeMs: number; readonly value: number }[];
}

/** How a value is written. */
type Show = (value: number) => string;

/** A shorter sparkline shows no shape. */
export const MIN_CELLS = 20;

/** A row for each point: labels, time, value. */
export function pointRows(lines: readonly Line[], by: readonly string[], show: Show): string[][] {
  const rows = lines.flatMap(({ labels, points }) =>
    points.map(({ timeMs, value }) => [...labels, timeText(timeMs), show(value)]),
  );
  return [[...by, 'time', 'value'], ...rows];
}

/** What `sparklineRows` is told of all lines. */
export interface SparklineOptions {
  readonly by: readonly string[];
  readonly show: Show;
  readonly steps: Steps;
  /** Characters of a sparkline at most. */
  readonly cells: number;
}

/** A row for each series: labels, a sparkline, the sum of its points, the largest and the last one. */
export function sparklineRows(lines: readonly Line[], { by, show, steps, cells }: SparklineOptions): string[][] {
  return rowsWith(lines, by, show, (line) => sparkline(byStep(line, steps), steps.count, cells));
}

/** How many of so many columns are left for a sparkline. */
export function sparklineRoom(lines: readonly Line[], by: readonly string[], show: Show, columns: number): number {
  const [head = ''] = tableText(rowsWith(lines, by, show, () => '')).split('\n', 1);
  return columns - head.length + SPARKLINE.length;
}

const SPARKLINE = 'over time';

function rowsWith(lines: readonly Line[], by: readonly string[], show: Show, draw: (line: Line) => string): string[][] {
  const rows = lines.map((line) => {
    let sum = 0;
    let largest = 0;
    for (const { value } of line.points) {
      sum += value;
      largest = Math.max(largest, value);
    }
    return [...line.labels, draw(line), show(sum), show(largest), show(line.points.at(-1)?.value ?? 0)];
  });
  return [[...by, SPARKLINE, 'sum', 'largest', 'last'], ...rows];
}

function byStep({ points }: Line, steps: Steps): [step: number, value: number][] {
  return points.map(({ timeMs, value }) => [stepAt(steps, timeMs), value]);
}
