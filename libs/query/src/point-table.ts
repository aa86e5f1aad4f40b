import { ExactSums } from '@kiln/model';

/** Time steps of a chunk. More would waste memory when points are far apart, fewer would cost a look-up more often. */
export const CHUNK = 8;

/**
 * Sums by (group, bucket); a bucket is the number of a time step, a whole double. Buckets that lie side by side share a chunk:
 * bucket b is entry b % CHUNK of chunk number floor(b / CHUNK) of its group, and chunk i has entries i * CHUNK and on.
 * Chunks are in order of first sight.
 */
export class PointTable {
  chunkGroup: Uint32Array = new Uint32Array(16);
  chunkNumber: Float64Array = new Float64Array(16);
  sums: ExactSums = new ExactSums(16 * CHUNK);
  /** Rows added; 0 is no point. */
  count: Float64Array = new Float64Array(16 * CHUNK);
  /** Open addressing, chunk + 1, 0 is free; at most half full. */
  #slots: Uint32Array = new Uint32Array(64);
  #chunks = 0;
  #last = 0;

  get chunks(): number {
    return this.#chunks;
  }

  /** Makes room for that many more chunks. */
  reserve(more: number): void {
    const need = this.#chunks + more;
    if (need > this.chunkGroup.length) this.#grow(need);
    if (need * 2 > this.#slots.length) this.#rehash(need);
  }

  /** Hot: once per row. */
  add(group: number, bucket: number, lo: number, hi: number): void {
    const number = Math.floor(bucket / CHUNK);
    const at = this.chunk(group, number) * CHUNK + (bucket - number * CHUNK);
    this.sums.add(at, lo, hi);
    this.count[at] = this.count[at]! + 1;
  }

  /** The chunk of a group with that number, made when there is none. Rows come in runs, so the last one is tried first. */
  chunk(group: number, number: number): number {
    const last = this.#last;
    if (this.chunkNumber[last] === number && this.chunkGroup[last] === group && last < this.#chunks) return last;
    const mask = this.#slots.length - 1;
    let slot = mix(group, number) & mask;
    for (;;) {
      const entry = this.#slots[slot]!;
      if (entry === 0) break;
      if (this.chunkNumber[entry - 1] === number && this.chunkGroup[entry - 1] === group) {
        this.#last = entry - 1;
        return entry - 1;
      }
      slot = (slot + 1) & mask;
    }
    return this.#append(slot, group, number);
  }

  #append(slot: number, group: number, number: number): number {
    const chunk = this.#chunks++;
    if (chunk === this.chunkGroup.length) this.#grow(chunk * 2);
    this.chunkGroup[chunk] = group;
    this.chunkNumber[chunk] = number;
    this.#slots[slot] = chunk + 1;
    this.#last = chunk;
    if (this.#chunks * 2 > this.#slots.length) this.#rehash(this.#chunks * 2);
    return chunk;
  }

  #grow(length: number): void {
    const { chunkGroup, chunkNumber, sums, count } = this;
    this.chunkGroup = new Uint32Array(length);
    this.chunkGroup.set(chunkGroup);
    this.chunkNumber = new Float64Array(length);
    this.chunkNumber.set(chunkNumber);
    this.sums = new ExactSums(length * CHUNK);
    this.sums.lo.set(sums.lo);
    this.sums.hi.set(sums.hi);
    this.count = new Float64Array(length * CHUNK);
    this.count.set(count);
  }

  #rehash(chunks: number): void {
    const slots = new Uint32Array(2 ** Math.ceil(Math.log2(chunks * 2)));
    const mask = slots.length - 1;
    for (let chunk = 0; chunk < this.#chunks; chunk++) {
      let slot = mix(this.chunkGroup[chunk]!, this.chunkNumber[chunk]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = chunk + 1;
    }
    this.#slots = slots;
  }
}

/** A number may need more than 32 bits: both halves are mixed. */
function mix(group: number, number: number): number {
  let h =
    Math.imul(group, 0x9e3779b1) ^
    Math.imul(number % 4294967296, 0x85ebca77) ^
    Math.imul(Math.floor(number / 4294967296), 0x27d4eb2f);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return h ^ (h >>> 13);
}
