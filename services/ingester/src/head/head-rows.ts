import type { RowColumns } from '@kiln/block';

/** Bytes of a profile id that a row keeps. */
export const ROW_ID_BYTES = 8;

const FIRST_CAPACITY = 2;
/** Beyond this, columns grow by a quarter instead of doubling: less memory held twice while copying. */
const LARGE = 16_384;

/**
 * The rows of one dataset of the head, columns that only ever grow at the end. A snapshot is therefore free: it keeps the arrays as they are
 * and its own length.
 */
export class HeadRows {
  readonly #types: number;
  length = 0;
  #capacity = FIRST_CAPACITY;
  #series: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  #timeMs: Float64Array = new Float64Array(FIRST_CAPACITY);
  #id: Uint8Array = new Uint8Array(FIRST_CAPACITY * ROW_ID_BYTES);
  #offset: Float64Array = new Float64Array(FIRST_CAPACITY);
  readonly #lo: Float64Array[] = [];
  readonly #hi: (Float64Array | undefined)[] = [];

  /** @param types how many value types the dataset has. */
  constructor(types: number) {
    this.#types = types;
    for (let t = 0; t < types; t++) {
      this.#lo.push(new Float64Array(FIRST_CAPACITY));
      this.#hi.push(undefined);
    }
  }

  get byteLength(): number {
    let hi = 0;
    for (const column of this.#hi) if (column !== undefined) hi++;
    return 128 + this.#capacity * (4 + 8 + ROW_ID_BYTES + 8 + (this.#types + hi) * 8);
  }

  /** Adds a row whose totals are zero until `setTotal`; `ids` holds its profile id at `idAt`. */
  add(series: number, timeMs: number, ids: Uint8Array, idAt: number, offset: number): number {
    if (this.length === this.#capacity) this.#grow();
    const row = this.length++;
    this.#series[row] = series;
    this.#timeMs[row] = timeMs;
    this.#offset[row] = offset;
    for (let i = 0, at = row * ROW_ID_BYTES; i < ROW_ID_BYTES; i++) this.#id[at + i] = ids[idAt + i]!;
    return row;
  }

  /** The sum over the row's samples of one value type, as the two parts of an exact integer. */
  setTotal(row: number, type: number, lo: number, hi: number): void {
    this.#lo[type]![row] = lo;
    if (hi === 0) return;
    this.#hi[type] ??= new Float64Array(this.#capacity);
    this.#hi[type][row] = hi;
  }

  /** The offset of all rows; undefined when they have several, or there are none. */
  get onlyOffset(): number | undefined {
    const first = this.#offset[0];
    return this.length > 0 && this.#offset[this.length - 1] === first ? first : undefined;
  }

  /** Rows [from, length) as they are now. */
  snapshot(from = 0): RowColumns {
    return {
      length: this.length - from,
      series: this.#series.subarray(from),
      timeMs: this.#timeMs.subarray(from),
      id: this.#id.subarray(from * ROW_ID_BYTES),
      offset: this.#offset.subarray(from),
      totals: this.#lo.map((lo, t) => ({ lo: lo.subarray(from), hi: this.#hi[t]?.subarray(from) })),
    };
  }

  /** The first row whose offset is above `offset`; `length` when there is none. Offsets never go down. */
  firstAbove(offset: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#offset[middle]! > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #grow(): void {
    const capacity = this.#capacity < LARGE ? this.#capacity * 2 : this.#capacity + (this.#capacity >> 2);
    this.#series = copied(this.#series, new Uint32Array(capacity));
    this.#timeMs = copied(this.#timeMs, new Float64Array(capacity));
    this.#id = copied(this.#id, new Uint8Array(capacity * ROW_ID_BYTES));
    this.#offset = copied(this.#offset, new Float64Array(capacity));
    for (let t = 0; t < this.#types; t++) {
      this.#lo[t] = copied(this.#lo[t]!, new Float64Array(capacity));
      const hi = this.#hi[t];
      if (hi !== undefined) this.#hi[t] = copied(hi, new Float64Array(capacity));
    }
    this.#capacity = capacity;
  }
}

/** `into` with the content of `from` at its start: what growing a column is. */
export function copied<A extends { set(from: A): void }>(from: A, into: A): A {
  into.set(from);
  return into;
}
