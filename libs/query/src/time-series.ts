import { INT64_HI, SPILL, type Label } from '@kiln/model';
import { refuseAboveInt64 } from './int64.ts';
import { compareLabelLists } from './label-codec.ts';
import { CHUNK, type PointTable } from './point-table.ts';
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
  const chunks = chunksOfGroups(lists.length, points);
  const groups = lists.map((labels, group) => ({
    labels,
    chunks: chunks[group]!,
    total: query.aggregation === 'sum' ? exactTotal(points, chunks[group]!) : totalOfMeans(points, chunks[group]!),
  }));
  const sorted = groups
    .filter((group) => group.chunks.length > 0)
    .toSorted((a, b) => b.total.hi - a.total.hi || b.total.lo - a.total.lo || compareLabelLists(a.labels, b.labels));
  const kept = query.limit > 0 ? sorted.slice(0, query.limit) : sorted;
  return kept.map((group) => pointsOf(query, group.labels, points, group.chunks));
}

/** The chunks of each group in order of time. They mostly come in that order, so only groups out of it are sorted. */
function chunksOfGroups(groups: number, { chunks, chunkGroup, chunkNumber }: PointTable): Uint32Array[] {
  const first = new Uint32Array(groups + 1);
  for (let chunk = 0; chunk < chunks; chunk++) first[chunkGroup[chunk]! + 1] = first[chunkGroup[chunk]! + 1]! + 1;
  for (let group = 0; group < groups; group++) first[group + 1] = first[group + 1]! + first[group]!;
  const order = new Uint32Array(chunks);
  const next = first.slice();
  for (let chunk = 0; chunk < chunks; chunk++) {
    const group = chunkGroup[chunk]!;
    order[next[group]!] = chunk;
    next[group] = next[group]! + 1;
  }
  return Array.from({ length: groups }, (_, group) => {
    const run = order.subarray(first[group], first[group + 1]);
    return isAscending(run, chunkNumber) ? run : run.toSorted((a, b) => chunkNumber[a]! - chunkNumber[b]!);
  });
}

function isAscending(run: Uint32Array, key: Float64Array): boolean {
  let before = -1;
  for (const row of run) {
    if (key[row]! < before) return false;
    before = key[row]!;
  }
  return true;
}

interface Total {
  readonly lo: number;
  readonly hi: number;
}

function exactTotal({ sums }: PointTable, chunks: Uint32Array): Total {
  let lo = 0;
  let hi = 0;
  for (let i = 0; i < chunks.length; i++) {
    const first = chunks[i]! * CHUNK;
    for (let at = first; at < first + CHUNK; at++) {
      lo += sums.lo[at]!;
      hi += sums.hi[at]!;
      if (lo < SPILL) continue;
      lo -= SPILL;
      hi += 1;
    }
  }
  return { lo, hi };
}

/** The values shown, added in order of time, so that the order of series does not depend on that of partials. */
function totalOfMeans({ sums, count }: PointTable, chunks: Uint32Array): Total {
  let total = 0;
  for (const chunk of chunks) {
    for (let at = chunk * CHUNK; at < (chunk + 1) * CHUNK; at++) {
      if (count[at]! > 0) total += (sums.hi[at]! * SPILL + sums.lo[at]!) / count[at]!;
    }
  }
  return { lo: total, hi: 0 };
}

/** Hot: once per point of the answer. @throws KilnError `out_of_range` for a point above int64, though a double could hold it: all answers keep one rule. */
function pointsOf(
  query: SelectSeriesQuery,
  labels: readonly Label[],
  { chunkNumber, sums, count }: PointTable,
  chunks: Uint32Array,
): TimeSeries {
  const timeMs = new Float64Array(chunks.length * CHUNK);
  const value = new Float64Array(chunks.length * CHUNK);
  let length = 0;
  const { lo, hi } = sums;
  const { startMs, stepMs } = query;
  const isSum = query.aggregation === 'sum';
  for (let i = 0; i < chunks.length; i++) {
    const first = chunks[i]! * CHUNK;
    const bucket = chunkNumber[chunks[i]!]! * CHUNK;
    for (let k = 0; k < CHUNK; k++) {
      const rows = count[first + k]!;
      if (rows === 0) continue;
      if (hi[first + k]! >= INT64_HI) refuseAboveInt64(lo[first + k]!, hi[first + k]!, query);
      const sum = hi[first + k]! * SPILL + lo[first + k]!;
      timeMs[length] = startMs + (bucket + k) * stepMs;
      value[length] = isSum ? sum : sum / rows;
      length++;
    }
  }
  return { labels, timeMs: timeMs.subarray(0, length), value: value.subarray(0, length) };
}
