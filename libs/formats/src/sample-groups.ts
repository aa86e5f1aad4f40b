import {
  INT64_HI,
  KilnError,
  SPILL,
  type ExactColumn,
  type SampleGroup,
  type SampleType,
  type SpanColumns,
} from '@kiln/model';
import type { LabelMeaning } from './sample-labels.ts';
import type { SampleColumns } from './samples.ts';

/** A group's samples summed by stack; its series is not known here. */
export type SummedGroup = Omit<SampleGroup, 'series'>;

/**
 * Hot: the samples of each series, equal stacks summed exactly, stacks ascending.
 * @param seriesOf series number of each group of labels; groups with labels that lose against the series' own share one.
 * @param stacks number of stack rows.
 * @returns by series number; undefined for a series without samples.
 * @throws KilnError `out_of_range` when a series' sum is beyond int64.
 */
export function sumSamples(
  samples: SampleColumns,
  seriesOf: Uint32Array,
  series: number,
  stacks: number,
  types: readonly SampleType[],
): (SummedGroup | undefined)[] {
  const { start, rows } = sortBySeries(samples, seriesOf, series);
  const slotOf = new Int32Array(stacks);
  const stamp = new Uint32Array(stacks);
  const distinct = new Uint32Array(Math.min(stacks, samples.length));
  const summed: (SummedGroup | undefined)[] = [];
  for (let s = 0; s < series; s++) {
    const from = start[s]!;
    const to = start[s + 1]!;
    if (from === to) {
      summed.push(undefined);
      continue;
    }
    let count = 0;
    for (let i = from; i < to; i++) {
      const stack = samples.stack[rows[i]!]!;
      if (stamp[stack] === s + 1) continue;
      stamp[stack] = s + 1;
      distinct[count++] = stack;
    }
    const stack = distinct.slice(0, count);
    stack.sort();
    for (let i = 0; i < count; i++) slotOf[stack[i]!] = i;
    const values = types.map((type, t) => sumColumn(samples, t, rows, from, to, slotOf, count, type));
    summed.push({ length: count, stack, values, spans: spansOf(samples, rows, from, to) });
  }
  return summed;
}

/** Sample rows by series, in the order of the file within each. */
function sortBySeries(
  { length, group }: SampleColumns,
  seriesOf: Uint32Array,
  series: number,
): { start: Uint32Array; rows: Uint32Array } {
  const start = new Uint32Array(series + 1);
  for (let row = 0; row < length; row++) {
    const s = seriesOf[group[row]!]!;
    start[s + 1] = start[s + 1]! + 1;
  }
  for (let s = 0; s < series; s++) start[s + 1] = start[s + 1]! + start[s]!;
  const next = start.slice();
  const rows = new Uint32Array(length);
  for (let row = 0; row < length; row++) {
    const s = seriesOf[group[row]!]!;
    const at = next[s]!;
    rows[at] = row;
    next[s] = at + 1;
  }
  return { start, rows };
}

function sumColumn(
  samples: SampleColumns,
  t: number,
  rows: Uint32Array,
  from: number,
  to: number,
  slotOf: Int32Array,
  count: number,
  type: SampleType,
): ExactColumn {
  const stack = samples.stack;
  const lo = samples.lo[t]!;
  const hi = samples.hi[t]!;
  const sumLo = new Float64Array(count);
  const sumHi = new Float64Array(count);
  let totalLo = 0;
  let totalHi = 0;
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const slot = slotOf[stack[row]!]!;
    let low = sumLo[slot]! + lo[row]!;
    let high = hi[row]!;
    totalLo += lo[row]!;
    totalHi += high;
    if (low >= SPILL) {
      low -= SPILL;
      high += 1;
    }
    if (totalLo >= SPILL) {
      totalLo -= SPILL;
      totalHi += 1;
    }
    sumLo[slot] = low;
    if (high !== 0) sumHi[slot] = sumHi[slot]! + high;
  }
  if (totalHi >= INT64_HI) {
    throw new KilnError(
      'out_of_range',
      `the profile's values of ${type.type}/${type.unit} sum to ${(BigInt(totalHi) << 52n) + BigInt(totalLo)}: a sum must lie within int64, -9223372036854775808 to 9223372036854775807`,
      { reason: 'malformed_profile' },
    );
  }
  return { lo: sumLo, hi: totalHi === 0 ? undefined : sumHi };
}

function spansOf(samples: SampleColumns, rows: Uint32Array, from: number, to: number): SpanColumns | undefined {
  if (samples.ids.size === 0) return undefined;
  const marked: number[] = [];
  const meanings: LabelMeaning[] = [];
  for (let i = from; i < to; i++) {
    const meaning = samples.ids.get(rows[i]!);
    if (meaning === undefined) continue;
    marked.push(rows[i]!);
    meanings.push(meaning);
  }
  if (marked.length === 0) return undefined;
  const pick = (column: Float64Array): Float64Array => Float64Array.from(marked, (row) => column[row]!);
  return {
    length: marked.length,
    stack: Uint32Array.from(marked, (row) => samples.stack[row]!),
    spanId: BigUint64Array.from(meanings, ({ spanId }) => spanId),
    traceIdHi: BigUint64Array.from(meanings, ({ traceIdHi }) => traceIdHi),
    traceIdLo: BigUint64Array.from(meanings, ({ traceIdLo }) => traceIdLo),
    values: samples.lo.map((lo, t) => {
      const hi = pick(samples.hi[t]!);
      return { lo: pick(lo), hi: hi.some((part) => part !== 0) ? hi : undefined };
    }),
  };
}
