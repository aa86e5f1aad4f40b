import { ExactSums, SPILL, type Label } from '@kiln/model';
import { compareLabelLists } from './label-codec.ts';
import type { PointTable } from './point-table.ts';
import type { SelectSeriesQuery } from './query.ts';

/** One group of SelectSeries. */
export interface TimeSeries {
  /** In the order of `groupBy`. */
  readonly labels: readonly Label[];
  /** Right edges of time steps, Unix milliseconds, ascending. */
  readonly timeMs: Float64Array;
  /** Sum, or mean over rows, of each step. */
  readonly value: Float64Array;
}

/** Points as series in the order of contract/pyroscope.md §5.11, cut to the query's limit. */
export function toTimeSeries(
  query: SelectSeriesQuery,
  lists: readonly (readonly Label[])[],
  points: PointTable,
): TimeSeries[] {
  const first = new Uint32Array(lists.length + 1);
  for (let point = 0; point < points.length; point++)
    first[points.group[point]! + 1] = first[points.group[point]! + 1]! + 1;
  for (let group = 0; group < lists.length; group++) first[group + 1] = first[group + 1]! + first[group]!;
  const order = orderPoints(points, first);
  const total = sumGroups(query, points, order, lists.length);
  const groups = lists
    .map((_, group) => group)
    .filter((group) => first[group]! < first[group + 1]!)
    .toSorted(
      (a, b) => total.hi[b]! - total.hi[a]! || total.lo[b]! - total.lo[a]! || compareLabelLists(lists[a]!, lists[b]!),
    );
  const kept = query.limit > 0 ? groups.slice(0, query.limit) : groups;
  return kept.map((group) => pointsOf(query, lists[group]!, points, order.subarray(first[group]!, first[group + 1]!)));
}

/** Point numbers, group by group, each in order of time. They mostly come in that order, so only groups out of it are sorted. */
function orderPoints({ length, group, bucket }: PointTable, first: Uint32Array): Uint32Array {
  const order = new Uint32Array(length);
  const next = first.slice();
  for (let point = 0; point < length; point++) {
    const at = next[group[point]!]!;
    order[at] = point;
    next[group[point]!] = at + 1;
  }
  for (let g = 0; g + 1 < first.length; g++) {
    const run = order.subarray(first[g]!, first[g + 1]!);
    let sorted = true;
    for (let i = 1; i < run.length && sorted; i++) sorted = bucket[run[i - 1]!]! < bucket[run[i]!]!;
    if (!sorted) run.sort((a, b) => bucket[a]! - bucket[b]!);
  }
  return order;
}

/** What groups are ordered by: the exact sum, or for averages the sum of the values shown, always added in order of time. */
function sumGroups(
  query: SelectSeriesQuery,
  { group, sums, count }: PointTable,
  order: Uint32Array,
  groups: number,
): ExactSums {
  const total = new ExactSums(groups);
  if (query.aggregation === 'sum') {
    for (const point of order) total.add(group[point]!, sums.lo[point]!, sums.hi[point]!);
  } else {
    for (const point of order) {
      const at = group[point]!;
      total.lo[at] = total.lo[at]! + (sums.hi[point]! * SPILL + sums.lo[point]!) / count[point]!;
    }
  }
  return total;
}

function pointsOf(
  query: SelectSeriesQuery,
  labels: readonly Label[],
  { bucket, sums, count }: PointTable,
  order: Uint32Array,
): TimeSeries {
  const timeMs = new Float64Array(order.length);
  const value = new Float64Array(order.length);
  for (let i = 0; i < order.length; i++) {
    const point = order[i]!;
    const sum = sums.hi[point]! * SPILL + sums.lo[point]!;
    timeMs[i] = query.startMs + bucket[point]! * query.stepMs;
    value[i] = query.aggregation === 'sum' ? sum : sum / count[point]!;
  }
  return { labels, timeMs, value };
}
