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

/** How lines are written. */
export interface LineOptions {
  readonly by: readonly string[];
  readonly show: Show;
  /** Whether points are means: those are not added up. */
  readonly isMean: boolean;
}

/** What `sparklineRows` is told of all lines. */
export interface SparklineOptions extends LineOptions {
  readonly steps: Steps;
  /** Characters of a sparkline at most. */
  readonly cells: number;
}

/** A row for each series: labels, a sparkline, the sum of its points (of means the smallest), the largest and the last one. */
export function sparklineRows(lines: readonly Line[], options: SparklineOptions): string[][] {
  const { steps, cells } = options;
  return rowsWith(lines, options, (line) => sparkline(byStep(line, steps), steps.count, cells));
}

/** How many of so many columns are left for a sparkline. */
export function sparklineRoom(lines: readonly Line[], options: LineOptions, columns: number): number {
  const [head = ''] = tableText(rowsWith(lines, options, () => '')).split('\n', 1);
  return columns - head.length + SPARKLINE.length;
}

const SPARKLINE = 'over time';

function rowsWith(lines: readonly Line[], { by, show, isMean }: LineOptions, draw: (line: Line) => string): string[][] {
  const rows = lines.map((line) => {
    const values = line.points.map(({ value }) => value);
    const first = isMean ? values.reduce((a, b) => Math.min(a, b), values[0] ?? 0) : values.reduce((a, b) => a + b, 0);
    const largest = values.reduce((a, b) => Math.max(a, b), 0);
    return [...line.labels, draw(line), show(first), show(largest), show(values.at(-1) ?? 0)];
  });
  return [[...by, SPARKLINE, isMean ? 'smallest' : 'sum', 'largest', 'last'], ...rows];
}

function byStep({ points }: Line, steps: Steps): [step: number, value: number][] {
  return points.map(({ timeMs, value }) => [stepAt(steps, timeMs), value]);
}
