import { MAX_PROBES, refuseCollisions, slotCount } from '../scratch.ts';

/**
 * From the 64-bit ids of a pprof table to row numbers. Ids are mostly 1 to n: then a plain table; sparse ones go to open addressing. Of a repeated id
 * the last row counts. Lookups allocate nothing; `build` reuses its table.
 */
export class IdIndex {
  /** By id when `isDense`: row + 1, 0 for none. Only entries below `size` count. */
  slots: Int32Array = new Int32Array(64);
  size = 0;
  isDense = true;
  #lo: Int32Array = new Int32Array(0);
  #hi: Int32Array = new Int32Array(0);

  /** @param lo @param hi the halves of the id of each row, `length` of them. */
  build(lo: Int32Array, hi: Int32Array, length: number): void {
    this.#lo = lo;
    this.#hi = hi;
    let largest = 0;
    let wide = 0;
    for (let row = 0; row < length; row++) {
      const id = lo[row]!;
      wide |= hi[row]! | (id & 0x80000000);
      if (id > largest) largest = id;
    }
    this.isDense = wide === 0 && largest <= length * 16 + 64;
    this.size = this.isDense ? largest + 1 : slotCount(length);
    if (this.slots.length >= this.size) this.slots.fill(0, 0, this.size);
    else this.slots = new Int32Array(Math.max(this.size, this.slots.length * 2));
    const slots = this.slots;
    if (this.isDense) for (let row = 0; row < length; row++) slots[lo[row]!] = row + 1;
    else for (let row = 0; row < length; row++) slots[this.#slotOf(lo[row]!, hi[row]!)] = row + 1;
  }

  /** The row, -1 when no row has the id. */
  row(lo: number, hi: number): number {
    if (!this.isDense) return this.slots[this.#slotOf(lo, hi)]! - 1;
    return hi === 0 && lo >= 0 && lo < this.size ? this.slots[lo]! - 1 : -1;
  }

  #slotOf(lo: number, hi: number): number {
    const mask = this.size - 1;
    let hash = Math.imul(lo ^ Math.imul(hi, 0x85ebca6b), 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
    let slot = (hash ^ (hash >>> 13)) & mask;
    for (let probes = 0; ; probes++) {
      const row = this.slots[slot]! - 1;
      if (row < 0 || (this.#lo[row] === lo && this.#hi[row] === hi)) return slot;
      if (probes > MAX_PROBES) refuseCollisions('ids');
      slot = (slot + 1) & mask;
    }
  }
}
