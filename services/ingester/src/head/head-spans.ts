import type { DatasetSpans } from '@kiln/block';
import { SPILL, type ExactColumn, type SpanColumns } from '@kiln/model';
import { copied } from './head-rows.ts';

const FIRST_CAPACITY = 16;

/** The span entries of one dataset of the head: columns that only grow at the end, as HeadRows. */
export class HeadSpans {
  readonly #types: number;
  length = 0;
  #capacity = FIRST_CAPACITY;
  #row: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  #stack: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  #spanId: BigUint64Array = new BigUint64Array(FIRST_CAPACITY);
  #traceHi: BigUint64Array = new BigUint64Array(FIRST_CAPACITY);
  #traceLo: BigUint64Array = new BigUint64Array(FIRST_CAPACITY);
  #lo: Float64Array[];
  #hi: (Float64Array | undefined)[];

  constructor(types: number) {
    this.#types = types;
    this.#lo = Array.from({ length: types }, () => new Float64Array(FIRST_CAPACITY));
    this.#hi = Array.from({ length: types }, () => undefined);
  }

  get byteLength(): number {
    let hi = 0;
    for (const column of this.#hi) if (column !== undefined) hi++;
    return 128 + this.#capacity * (4 + 4 + 24 + (this.#types + hi) * 8);
  }

  /** Takes entry `i` of `from` as one of `row`, its stack renumbered. Rows never go down. */
  add(row: number, stack: number, from: SpanColumns, i: number): void {
    if (this.length === this.#capacity) this.#grow();
    const at = this.length++;
    this.#row[at] = row;
    this.#stack[at] = stack;
    this.#spanId[at] = from.spanId[i]!;
    this.#traceHi[at] = from.traceIdHi[i]!;
    this.#traceLo[at] = from.traceIdLo[i]!;
    for (let t = 0; t < this.#types; t++) {
      const { lo, hi } = from.values[t]!;
      this.#lo[t]![at] = lo[i]!;
      if (hi !== undefined && hi[i] !== 0) (this.#hi[t] ??= new Float64Array(this.#capacity))[at] = hi[i]!;
    }
  }

  /** Adds the values of entry `i` of `from` to the entry `at`, which no snapshot has yet. */
  sum(at: number, from: SpanColumns, i: number): void {
    for (let t = 0; t < this.#types; t++) {
      const { lo, hi } = from.values[t]!;
      let low = this.#lo[t]![at]! + lo[i]!;
      let high = (this.#hi[t]?.[at] ?? 0) + (hi?.[i] ?? 0);
      if (low >= SPILL) {
        low -= SPILL;
        high++;
      }
      this.#lo[t]![at] = low;
      if (high > 0) (this.#hi[t] ??= new Float64Array(this.#capacity))[at] = high;
    }
  }

  /** The entries of rows from `fromRow` on, counted from it; undefined when there are none. */
  snapshot(fromRow = 0): DatasetSpans | undefined {
    const from = this.#firstOf(fromRow);
    if (from === this.length) return undefined;
    const row = this.#row.slice(from, this.length);
    if (fromRow > 0) for (let i = 0; i < row.length; i++) row[i] = row[i]! - fromRow;
    return {
      length: row.length,
      row,
      stack: this.#stack.subarray(from, this.length),
      spanId: this.#spanId.subarray(from, this.length),
      traceIdHi: this.#traceHi.subarray(from, this.length),
      traceIdLo: this.#traceLo.subarray(from, this.length),
      values: this.#lo.map((lo, t): ExactColumn => ({
        lo: lo.subarray(from, this.length),
        hi: this.#hi[t]?.subarray(from, this.length),
      })),
    };
  }

  #firstOf(row: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#row[middle]! >= row) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #grow(): void {
    const capacity = this.#capacity * 2;
    this.#row = copied(this.#row, new Uint32Array(capacity));
    this.#stack = copied(this.#stack, new Uint32Array(capacity));
    this.#spanId = copied(this.#spanId, new BigUint64Array(capacity));
    this.#traceHi = copied(this.#traceHi, new BigUint64Array(capacity));
    this.#traceLo = copied(this.#traceLo, new BigUint64Array(capacity));
    this.#lo = this.#lo.map((lo) => copied(lo, new Float64Array(capacity)));
    this.#hi = this.#hi.map((hi) => hi && copied(hi, new Float64Array(capacity)));
    this.#capacity = capacity;
  }
}
