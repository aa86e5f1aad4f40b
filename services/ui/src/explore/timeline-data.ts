import type { TimeSeries } from '../api/calls.ts';
import type { TimeRange } from '../app/time-range.ts';

/** Values of one group, a column for each step. */
export interface TimelineGroup {
  readonly name: string;
  readonly total: number;
  /** NaN = no profile in the step. */
  readonly values: Float64Array;
}

/** What a timeline draws. */
export interface TimelineData {
  readonly stepMs: number;
  /** Right edges of the steps, which are at multiples of a step: a step at T holds (T - step, T]. */
  readonly edgesMs: Float64Array;
  /** The largest first; of sums, the rest of many are one group at the end. */
  readonly groups: readonly TimelineGroup[];
  /** How many are in that rest. */
  readonly rest: number;
  /** How many are left out: means have no sum that says anything. */
  readonly leftOut: number;
}

/** Series as columns over all steps of a range. @param most groups to keep apart. */
export function timelineData(
  series: readonly TimeSeries[],
  { fromMs, untilMs }: TimeRange,
  stepMs: number,
  most: number,
  aggregation: 'sum' | 'average',
): TimelineData {
  const first = Math.ceil(fromMs / stepMs);
  const count = Math.ceil(untilMs / stepMs) - first + 1;
  const edgesMs = Float64Array.from({ length: count }, (_, i) => (first + i) * stepMs);
  const groups = series
    .map(({ group, timesMs, values }) => ({
      name: group,
      total: values.reduce((sum, value) => sum + value, 0),
      values: columnOf(timesMs, values, first, stepMs, count),
    }))
    .toSorted((a, b) => b.total - a.total);
  const shown = { stepMs, edgesMs, groups: groups.slice(0, most), rest: 0, leftOut: Math.max(0, groups.length - most) };
  if (aggregation === 'average' || shown.leftOut === 0) return shown;
  const rest = groups.slice(most - 1);
  const summed = { name: '', total: 0, values: new Float64Array(count).fill(Number.NaN) };
  for (const group of rest) {
    summed.total += group.total;
    group.values.forEach((value, i) => {
      if (!Number.isNaN(value)) summed.values[i] = (Number.isNaN(summed.values[i]!) ? 0 : summed.values[i]!) + value;
    });
  }
  return { ...shown, groups: [...groups.slice(0, most - 1), summed], rest: rest.length, leftOut: 0 };
}

function columnOf(
  timesMs: readonly number[],
  values: readonly number[],
  first: number,
  stepMs: number,
  count: number,
): Float64Array {
  const column = new Float64Array(count).fill(Number.NaN);
  timesMs.forEach((timeMs, i) => {
    const step = Math.round(timeMs / stepMs) - first;
    if (step >= 0 && step < count) column[step] = values[i]!;
  });
  return column;
}

/** Each group on top of those before it; where nothing is, null, as uPlot wants it. */
export function stacked(groups: readonly TimelineGroup[]): (number | null)[][] {
  const below = new Float64Array(groups[0]?.values.length ?? 0);
  return groups.map(({ values }) =>
    Array.from(values, (value, i) => {
      if (Number.isNaN(value)) return null;
      below[i] = below[i]! + value;
      return below[i];
    }),
  );
}

/** The range of whole steps between two times: what their bars hold. Undefined when there is none between them. */
export function rangeOfSteps(data: TimelineData, aMs: number, bMs: number): TimeRange | undefined {
  const { stepMs, edgesMs } = data;
  const low = Math.max(Math.min(aMs, bMs), edgesMs[0]! - stepMs);
  const high = Math.min(Math.max(aMs, bMs), edgesMs.at(-1)!);
  if (high <= low) return undefined;
  return { fromMs: Math.floor(low / stepMs) * stepMs + 1, untilMs: Math.ceil(high / stepMs) * stepMs };
}
