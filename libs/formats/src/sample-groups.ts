import {
  INT64_HI,
  KilnError,
  SPILL,
  type ExactColumn,
  type LabelSet,
  type SampleGroup,
  type SpanColumns,
} from '@kiln/model';
import type { PprofSamples } from './pprof/pprof.ts';
import { ID_WORDS } from './sample-labels.ts';
import { room } from './scratch.ts';

/** The kept samples of a profile in the order of the file. */
export interface KeptSamples {
  readonly length: number;
  /** Row in the file's samples. */
  readonly sample: Int32Array;
  readonly stack: Int32Array;
  readonly group: Int32Array;
  /** Row of `idWords`, -1 for none. */
  readonly idEntry: Int32Array;
  readonly hasIds: boolean;
  /** How many stacks there are. */
  readonly stacks: number;
}

/** Where the values of a file's types go: types that are named twice share a column. */
export interface ValueColumns {
  /** Column of each of the file's types; -1 for one that is dropped. */
  readonly of: Int32Array;
  /** How an error names each column. */
  readonly names: readonly string[];
}

/** Arranges samples by group and stack and sums equal ones, exactly. Reused from profile to profile; what it returns is not. */
export class SampleGroups {
  /** Kept samples by (group, stack). */
  #order = new Int32Array(64);
  #byStack = new Int32Array(64);
  /** The row of the result that each kept sample goes to. */
  #row = new Int32Array(64);
  #starts = new Int32Array(64);
  #hi = new Float64Array(64);

  /**
   * One group per series, stacks strictly increasing.
   * @throws KilnError `out_of_range` when the sum of a stack, or of the profile, is above int64.
   */
  sum(
    kept: KeptSamples,
    samples: PprofSamples,
    columns: ValueColumns,
    series: readonly LabelSet[],
    idWords: Int32Array,
  ): SampleGroup[] {
    const isPlain = series.length === 1 && isIdentity(kept);
    if (isPlain) this.#number(kept.length);
    else this.#sort(kept, series.length);
    const rowStart = new Int32Array(series.length + 1);
    const stack = isPlain ? identity(kept.length) : this.#assignRows(kept, rowStart);
    if (isPlain) rowStart[1] = kept.length;
    const values = columns.names.map((name, column) =>
      this.#sumColumn(kept, samples, columns, column, name, stack.length, rowStart),
    );
    const spans = kept.hasIds ? this.#spans(kept, samples, columns, series.length, idWords) : undefined;
    return series.map((labels, group) => {
      const from = rowStart[group]!;
      const to = rowStart[group + 1]!;
      const isAll = to - from === stack.length;
      return {
        series: labels,
        length: to - from,
        stack: isAll ? stack : stack.subarray(from, to),
        values: isAll ? values : values.map((column) => slice(column, from, to)),
        spans: spans?.[group],
      };
    });
  }

  /** Every stack is new: the samples are in order already. */
  #number(length: number): void {
    this.#order = room(this.#order, length);
    this.#row = room(this.#row, length);
    for (let i = 0; i < length; i++) this.#order[i] = this.#row[i] = i;
  }

  /** Hot: two counting sorts, by stack and then by group. */
  #sort({ length, stack, group, stacks }: KeptSamples, groups: number): void {
    this.#order = room(this.#order, length);
    this.#byStack = room(this.#byStack, length);
    this.#row = room(this.#row, length);
    this.#starts = room(this.#starts, Math.max(stacks, groups) + 1);
    const starts = this.#starts;
    const byStack = groups > 1 ? this.#byStack : this.#order;
    starts.fill(0, 0, stacks + 1);
    for (let i = 0; i < length; i++) starts[stack[i]! + 1]!++;
    for (let s = 0; s < stacks; s++) starts[s + 1]! += starts[s]!;
    for (let i = 0; i < length; i++) byStack[starts[stack[i]!]!++] = i;
    if (groups === 1) return;
    starts.fill(0, 0, groups + 1);
    for (let i = 0; i < length; i++) starts[group[i]! + 1]!++;
    for (let g = 0; g < groups; g++) starts[g + 1]! += starts[g]!;
    for (let k = 0; k < length; k++) {
      const i = byStack[k]!;
      this.#order[starts[group[i]!]!++] = i;
    }
  }

  /** Hot: once per sample. Equal stacks of a group share a row. @returns the stack of each row; `rowStart` gets the first row of each group. */
  #assignRows({ length, stack, group }: KeptSamples, rowStart: Int32Array): Uint32Array {
    const order = this.#order;
    const stacks = new Uint32Array(length);
    let rows = 0;
    let lastGroup = -1;
    let lastStack = -1;
    for (let k = 0; k < length; k++) {
      const i = order[k]!;
      if (group[i] !== lastGroup || stack[i] !== lastStack) {
        lastGroup = group[i]!;
        lastStack = stack[i]!;
        stacks[rows++] = lastStack;
        rowStart[lastGroup + 1] = rows;
      }
      this.#row[i] = rows - 1;
    }
    return rows === length ? stacks : stacks.slice(0, rows);
  }

  #sumColumn(
    kept: KeptSamples,
    samples: PprofSamples,
    columns: ValueColumns,
    column: number,
    name: string,
    rows: number,
    rowStart: Int32Array,
  ): ExactColumn {
    const types = columns.of.length;
    const lo = new Float64Array(rows);
    this.#hi = room(this.#hi, rows);
    const hi = this.#hi;
    hi.fill(0, 0, rows);
    let isWide = false;
    for (let type = 0; type < types; type++) {
      if (columns.of[type] !== column) continue;
      if (this.#addType(kept, samples, type, types, lo, hi)) isWide = true;
    }
    for (let group = 0; group + 1 < rowStart.length; group++) {
      checkTotal(lo, hi, rowStart[group]!, rowStart[group + 1]!, name);
    }
    return { lo, hi: isWide ? hi.slice(0, rows) : undefined };
  }

  /** Hot: once per value. @returns whether a sum needed its high part. */
  #addType(
    kept: KeptSamples,
    samples: PprofSamples,
    type: number,
    types: number,
    lo: Float64Array,
    hi: Float64Array,
  ): boolean {
    const rows = this.#row;
    const sample = kept.sample;
    const length = kept.length;
    const sampleLo = samples.lo;
    const sampleHi = samples.hi;
    let isWide = false;
    for (let i = 0; i < length; i++) {
      const at = sample[i]! * types + type;
      const value = sampleLo[at]!;
      const row = rows[i]!;
      let sum = lo[row]! + value;
      let carry = sampleHi === undefined ? 0 : sampleHi[at]!;
      if (sum >= SPILL) {
        sum -= SPILL;
        carry += 1;
      }
      lo[row] = sum;
      if (carry !== 0) {
        hi[row] = hi[row]! + carry;
        isWide = true;
      }
    }
    return isWide;
  }

  /** Samples that carry an id, with their own values, by group. */
  #spans(
    kept: KeptSamples,
    samples: PprofSamples,
    columns: ValueColumns,
    groups: number,
    idWords: Int32Array,
  ): (SpanColumns | undefined)[] {
    const order = this.#order;
    const starts = new Int32Array(groups + 1);
    let count = 0;
    for (let k = 0; k < kept.length; k++) {
      const i = order[k]!;
      if (kept.idEntry[i]! >= 0) starts[kept.group[i]! + 1] = ++count;
    }
    const stack = new Uint32Array(count);
    const ids = [0, 1, 2].map(() => new BigUint64Array(count));
    const words = ids.map(({ buffer }) => new Int32Array(buffer));
    const values = columns.names.map(() => ({ lo: new Float64Array(count), hi: new Float64Array(count) }));
    let row = 0;
    for (let k = 0; k < kept.length; k++) {
      const i = order[k]!;
      const entry = kept.idEntry[i]!;
      if (entry < 0) continue;
      stack[row] = kept.stack[i]!;
      for (let word = 0; word < ID_WORDS; word++)
        words[word >> 1]![row * 2 + (word & 1)] = idWords[entry * ID_WORDS + word]!;
      addValues(values, columns.of, samples, kept.sample[i]!, row);
      row++;
    }
    for (let group = 0; group < groups; group++) starts[group + 1] = Math.max(starts[group + 1]!, starts[group]!);
    const [spanId, traceIdHi, traceIdLo] = ids as [BigUint64Array, BigUint64Array, BigUint64Array];
    return Array.from({ length: groups }, (_, group) => {
      const from = starts[group]!;
      const to = starts[group + 1]!;
      if (from === to) return undefined;
      return {
        length: to - from,
        stack: stack.subarray(from, to),
        spanId: spanId.subarray(from, to),
        traceIdHi: traceIdHi.subarray(from, to),
        traceIdLo: traceIdLo.subarray(from, to),
        values: values.map((column) => slice(column, from, to)),
      };
    });
  }
}

function addValues(
  into: readonly { lo: Float64Array; hi: Float64Array }[],
  columnOf: Int32Array,
  samples: PprofSamples,
  sample: number,
  row: number,
): void {
  const types = columnOf.length;
  for (let type = 0; type < types; type++) {
    const column = columnOf[type]!;
    if (column < 0) continue;
    const { lo, hi } = into[column]!;
    const sum = lo[row]! + samples.lo[sample * types + type]!;
    const carry = sum >= SPILL ? 1 : 0;
    lo[row] = sum - carry * SPILL;
    hi[row] = hi[row]! + carry + (samples.hi === undefined ? 0 : samples.hi[sample * types + type]!);
  }
}

/** Whether every sample has a stack of its own, in order: true of most CPU profiles without labels. */
function isIdentity({ length, stack, stacks }: KeptSamples): boolean {
  if (length !== stacks) return false;
  for (let i = 0; i < length; i++) if (stack[i] !== i) return false;
  return true;
}

function identity(length: number): Uint32Array {
  const rows = new Uint32Array(length);
  for (let i = 0; i < length; i++) rows[i] = i;
  return rows;
}

function slice({ lo, hi }: ExactColumn, from: number, to: number): ExactColumn {
  return { lo: lo.subarray(from, to), hi: hi?.subarray(from, to) };
}

/** Hot: once per row of a column. Refuses a series whose values, all together, are above int64. */
function checkTotal(lo: Float64Array, hi: Float64Array, from: number, to: number, name: string): void {
  let totalLo = 0;
  let totalHi = 0;
  for (let row = from; row < to; row++) {
    totalLo += lo[row]!;
    totalHi += hi[row]!;
    if (totalLo >= SPILL) {
      totalLo -= SPILL;
      totalHi += 1;
    }
  }
  if (totalHi < INT64_HI) return;
  throw new KilnError(
    'out_of_range',
    `sum of the ${name} values of one series is ${(BigInt(totalHi) << 52n) + BigInt(totalLo)}: allowed is int64, -9223372036854775808 to 9223372036854775807`,
    { reason: 'malformed_profile' },
  );
}
