import { INT64_HI, SPILL, type Annotation, type Label } from '@kiln/model';
import { LargestValues, type Exemplar } from './exemplars.ts';
import { refuseAboveInt64 } from './int64.ts';
import { compareLabelLists } from './label-codec.ts';
import type { PointAnnotations } from './point-annotations.ts';
import type { CHUNK, PointTable } from './point-table.ts';
import type { SelectSeriesQuery } from './query.ts';
import type { ValueTable } from './value-table.ts';

/** One group of SelectSeries. */
export interface TimeSeries {
  /** In the order of `groupBy`. */
  readonly labels: readonly Label[];
  /** Right edges of time steps, Unix milliseconds, ascending. */
  readonly timeMs: Float64Array;
  /** Sum, or mean over rows, of each step. */
  readonly value: Float64Array;
  /** Of each point the largest value, where exemplars are asked for. */
  readonly exemplars?: readonly (Exemplar | undefined)[];
  /** Of each point what the server says of its profiles, where it says anything of any series. */
  readonly annotations?: readonly (readonly Annotation[])[];
}

/* Constants for the loops of this module: one that is imported is not part of the compiled code but looked up and checked at each use. */
const STEPS = 8 satisfies typeof CHUNK;
const LIMIT: number = SPILL;
const TOO_HIGH: number = INT64_HI;

type Points = Pick<TimeSeries, 'timeMs' | 'value'>;

/** Points as series in the order of contract/pyroscope.md §5.11, cut to the query's limit. */
export function toTimeSeries(
  query: SelectSeriesQuery,
  lists: readonly (readonly Label[])[],
  points: PointTable,
  annotations: PointAnnotations,
  values?: ValueTable,
): TimeSeries[] {
  const best = values === undefined ? undefined : new LargestValues(values, query);
  const annotationsOf = annotations.size === 0 ? undefined : annotations.finder();
  const chunks = chunksOfGroups(lists.length, points);
  const groups = lists.map((labels, group) => ({
    labels,
    group,
    chunks: chunks[group]!,
    total: query.aggregation === 'sum' ? exactTotal(points, chunks[group]!) : totalOfMeans(points, chunks[group]!),
  }));
  const sorted = groups
    .filter((group) => group.chunks.length > 0)
    .toSorted((a, b) => b.total.hi - a.total.hi || b.total.lo - a.total.lo || compareLabelLists(a.labels, b.labels));
  const kept = query.limit > 0 ? sorted.slice(0, query.limit) : sorted;
  const columns = new PointColumns(kept.reduce((sum, group) => sum + group.chunks.length, 0));
  return kept.map(({ labels, group, chunks: own }) => {
    const series = { labels, ...columns.add(query, points, own, labels) };
    const { timeMs: times } = series;
    return {
      ...series,
      ...(best !== undefined && { exemplars: Array.from(times, (timeMs) => best.of(group, timeMs)) }),
      ...(annotationsOf !== undefined && {
        annotations: Array.from(times, (timeMs) => annotationsOf(group, (timeMs - query.startMs) / query.stepMs)),
      }),
    };
  });
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
  for (let i = 1; i < run.length; i++) if (key[run[i]!]! < key[run[i - 1]!]!) return false;
  return true;
}

interface Total {
  readonly lo: number;
  readonly hi: number;
}

function exactTotal({ lo, hi }: PointTable, chunks: Uint32Array): Total {
  let totalLo = 0;
  let totalHi = 0;
  for (let i = 0; i < chunks.length; i++) {
    const first = chunks[i]! * STEPS;
    for (let at = first; at < first + STEPS; at++) {
      totalLo += lo[at]!;
      if (hi !== undefined) totalHi += hi[at]!;
      if (totalLo < LIMIT) continue;
      totalLo -= LIMIT;
      totalHi += 1;
    }
  }
  return { lo: totalLo, hi: totalHi };
}

/** The values shown, added in order of time, so that the order of series does not depend on that of partials. */
function totalOfMeans({ lo, hi, rows }: PointTable, chunks: Uint32Array): Total {
  let total = 0;
  for (let i = 0; i < chunks.length; i++) {
    const first = chunks[i]! * STEPS;
    for (let at = first; at < first + STEPS; at++) {
      if (rows![at]! > 0) total += ((hi === undefined ? 0 : hi[at]! * LIMIT) + lo[at]!) / rows![at]!;
    }
  }
  return { lo: total, hi: 0 };
}

/** The points of an answer's series one behind the other: a column for all is much cheaper to make than two per series. */
class PointColumns {
  readonly #timeMs: Float64Array;
  readonly #value: Float64Array;
  /** Entries of each column that are in use. */
  #times = 0;
  #values = 0;
  /** The series whose times were written last. */
  #lastChunks: Uint32Array = new Uint32Array(0);
  #lastTimes: Float64Array = new Float64Array(0);

  constructor(chunks: number) {
    this.#timeMs = new Float64Array(chunks * STEPS);
    this.#value = new Float64Array(chunks * STEPS);
  }

  /** @throws KilnError `out_of_range` for a point above int64, though a double could hold it: all answers keep one rule. */
  add(query: SelectSeriesQuery, points: PointTable, chunks: Uint32Array, labels: readonly Label[]): Points {
    const value = this.#addValues(query, points, chunks, labels);
    if (!haveSameSteps(points, this.#lastChunks, chunks)) {
      this.#lastTimes = this.#addTimes(query, points, chunks);
      this.#lastChunks = chunks;
    }
    return { timeMs: this.#lastTimes, value };
  }

  /** Hot: once per point of the answer. */
  #addValues(
    query: SelectSeriesQuery,
    { mask, lo, hi, rows }: PointTable,
    chunks: Uint32Array,
    labels: readonly Label[],
  ): Float64Array {
    const value = this.#value;
    const begin = this.#values;
    let length = begin;
    for (let i = 0; i < chunks.length; i++) {
      const chunk = chunks[i]!;
      const first = chunk * STEPS;
      const points = mask[chunk]!;
      for (let k = 0; k < STEPS; k++) {
        if ((points & (1 << k)) === 0) continue;
        const high = hi === undefined ? 0 : hi[first + k]!;
        if (high >= TOO_HIGH) refuseAboveInt64(lo[first + k]!, high, query, labels);
        const sum = high * LIMIT + lo[first + k]!;
        value[length++] = rows === undefined ? sum : sum / rows[first + k]!;
      }
    }
    this.#values = length;
    return value.subarray(begin, length);
  }

  #addTimes(
    { startMs, stepMs }: SelectSeriesQuery,
    { chunkNumber, mask }: PointTable,
    chunks: Uint32Array,
  ): Float64Array {
    const timeMs = this.#timeMs;
    const begin = this.#times;
    let length = begin;
    for (let i = 0; i < chunks.length; i++) {
      const chunk = chunks[i]!;
      const bucket = chunkNumber[chunk]! * STEPS;
      const points = mask[chunk]!;
      for (let k = 0; k < STEPS; k++) if ((points & (1 << k)) !== 0) timeMs[length++] = startMs + (bucket + k) * stepMs;
    }
    this.#times = length;
    return timeMs.subarray(begin, length);
  }
}

/** Whether two series have points at the same times, as those that are scraped together do: then they share one column. */
function haveSameSteps({ chunkNumber, mask }: PointTable, one: Uint32Array, other: Uint32Array): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) {
    const a = one[i]!;
    const b = other[i]!;
    if (mask[a] !== mask[b] || chunkNumber[a] !== chunkNumber[b]) return false;
  }
  return true;
}
