import { ExactSums } from '@kiln/model';

/** Sums by (group, bucket), in order of first sight. Hot: `add` runs once per row. */
export class PointTable {
  group: Uint32Array = new Uint32Array(64);
  /** Number of the time step; a whole double. */
  bucket: Float64Array = new Float64Array(64);
  sums: ExactSums = new ExactSums(64);
  /** Rows added. */
  count: Float64Array = new Float64Array(64);
  /** Open addressing, point + 1, 0 is free; at most half full. */
  #slots: Uint32Array = new Uint32Array(128);
  #length = 0;
  #last = 0;

  get length(): number {
    return this.#length;
  }

  add(group: number, bucket: number, lo: number, hi: number, count: number): void {
    const point = this.#find(group, bucket);
    this.sums.add(point, lo, hi);
    this.count[point] = this.count[point]! + count;
  }

  /** Rows come in runs of one point, so the last one is tried first. */
  #find(group: number, bucket: number): number {
    const last = this.#last;
    if (last < this.#length && this.bucket[last] === bucket && this.group[last] === group) return last;
    const mask = this.#slots.length - 1;
    let slot = mix(group, bucket) & mask;
    for (;;) {
      const entry = this.#slots[slot]!;
      if (entry === 0) break;
      if (this.bucket[entry - 1] === bucket && this.group[entry - 1] === group) {
        this.#last = entry - 1;
        return entry - 1;
      }
      slot = (slot + 1) & mask;
    }
    return this.#append(slot, group, bucket);
  }

  #append(slot: number, group: number, bucket: number): number {
    const point = this.#length++;
    if (point === this.group.length) this.#grow();
    this.group[point] = group;
    this.bucket[point] = bucket;
    this.#slots[slot] = point + 1;
    this.#last = point;
    if (this.#length * 2 > this.#slots.length) this.#rehash();
    return point;
  }

  #grow(): void {
    const length = this.group.length * 2;
    const { group, bucket, sums, count } = this;
    this.group = new Uint32Array(length);
    this.group.set(group);
    this.bucket = new Float64Array(length);
    this.bucket.set(bucket);
    this.sums = new ExactSums(length);
    this.sums.lo.set(sums.lo);
    this.sums.hi.set(sums.hi);
    this.count = new Float64Array(length);
    this.count.set(count);
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 4);
    const mask = slots.length - 1;
    for (let point = 0; point < this.#length; point++) {
      let slot = mix(this.group[point]!, this.bucket[point]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = point + 1;
    }
    this.#slots = slots;
  }
}

/** A bucket may need more than 32 bits: both halves are mixed. */
function mix(group: number, bucket: number): number {
  let h =
    Math.imul(group, 0x9e3779b1) ^ Math.imul(bucket | 0, 0x85ebca77) ^ Math.imul((bucket / 4294967296) | 0, 0x27d4eb2f);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return h ^ (h >>> 13);
}
