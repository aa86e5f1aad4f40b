/**
 * From the 64-bit ids of a pprof table to row numbers. Ids are mostly 1 to n: then a plain table; sparse ones go to open addressing. Of a repeated id
 * the last row counts. Lookups allocate nothing.
 */
export class IdIndex {
  readonly #lo: Uint32Array;
  readonly #hi: Uint32Array;
  readonly #slots: Int32Array;
  readonly #isDense: boolean;

  /** @param lo @param hi the halves of the id of each row, `length` of them. */
  constructor(lo: Uint32Array, hi: Uint32Array, length: number) {
    this.#lo = lo;
    this.#hi = hi;
    let largest = 0;
    let wide = 0;
    for (let row = 0; row < length; row++) {
      wide |= hi[row]!;
      if (lo[row]! > largest) largest = lo[row]!;
    }
    this.#isDense = wide === 0 && largest <= length * 16 + 64;
    if (this.#isDense) {
      this.#slots = new Int32Array(largest + 1).fill(-1);
      for (let row = 0; row < length; row++) this.#slots[lo[row]!] = row;
      return;
    }
    let size = 16;
    while (size < length * 2) size *= 2;
    this.#slots = new Int32Array(size).fill(-1);
    for (let row = 0; row < length; row++) this.#slots[this.#slotOf(lo[row]!, hi[row]!)] = row;
  }

  /** The plain table, where there is one: row by id, -1 for none. */
  get dense(): Int32Array | undefined {
    return this.#isDense ? this.#slots : undefined;
  }

  /** Hot: once per location of a sample. The row, -1 when no row has the id. */
  row(lo: number, hi: number): number {
    if (this.#isDense) return hi === 0 && lo < this.#slots.length ? this.#slots[lo]! : -1;
    return this.#slots[this.#slotOf(lo, hi)]!;
  }

  #slotOf(lo: number, hi: number): number {
    const mask = this.#slots.length - 1;
    let slot = (Math.imul(lo ^ Math.imul(hi, 0x85ebca6b), 0x9e3779b1) >>> 7) & mask;
    for (;;) {
      const row = this.#slots[slot]!;
      if (row < 0 || (this.#lo[row] === lo && this.#hi[row] === hi)) return slot;
      slot = (slot + 1) & mask;
    }
  }
}
