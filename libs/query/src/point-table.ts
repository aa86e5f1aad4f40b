import { SPILL } from '@kiln/model';
import { KEY, OTHER_KEY } from './hash-keys.ts';
import { atMost, refusePoints, type QueryLimits } from './limits.ts';

/** Time steps of a chunk. More would waste memory when points are far apart, fewer would cost a look-up more often. */
export const CHUNK = 8;

/*
 * The same constants for the loops of this module: one that is imported or exported is not part of the compiled code but looked up and checked at each use.
 */
const STEPS = 8 satisfies typeof CHUNK;
const LIMIT: number = SPILL;
const NONE = -2 satisfies typeof NO_GROUP;
/** Doubles up to here, ms, and their differences are exact, and a quotient of two is rounded to a whole number only where it is one. */
const FAR = 2 ** 50;

/** Rows of one value type as points are made of them. */
export interface PointRows {
  readonly length: number;
  readonly series: Uint32Array;
  readonly timeMs: Float64Array;
  /** The values; high parts are for `PointTable.add`. */
  readonly lo: Float64Array;
  /** By series: its group, UNKNOWN_GROUP or NO_GROUP. */
  readonly groupOf: Int32Array;
  /** First and last time of the rows that are wanted, the right edge of bucket 0, length of a bucket, ms: four doubles, which an array keeps as such. */
  readonly span: Float64Array;
}

/** Of a series whose rows are not wanted. */
export const NO_GROUP = -2;
/** Of a series whose group was not needed yet. */
export const UNKNOWN_GROUP = -1;

/**
 * Sums by (group, bucket); a bucket is the number of a time step, a whole double. Buckets that lie side by side share a chunk:
 * bucket b is entry b % CHUNK of chunk number floor(b / CHUNK) of its group, and chunk i has entries i * CHUNK and on.
 * Chunks are in order of first sight. Columns are replaced as the table grows: hoist them only between calls.
 */
export class PointTable {
  chunkGroup: Uint32Array = new Uint32Array(FIRST);
  /** -1 where there is no chunk yet. */
  chunkNumber: Float64Array = new Float64Array(FIRST).fill(-1);
  /** By chunk: bit i is set when entry i is a point. */
  mask: Uint8Array = new Uint8Array(FIRST);
  /** Exact sums by entry (see model's exact integers); `hi` is absent while all are below 2^52. */
  lo: Float64Array = new Float64Array(FIRST * CHUNK);
  hi: Float64Array | undefined;
  /** Rows added, by entry; absent when only sums are wanted. */
  rows: Float64Array | undefined;
  /** Open addressing, chunk + 1, 0 is free; at most half full. */
  #slots: Uint32Array = new Uint32Array(4 * FIRST);
  /** By group: the chunk last used. Rows of one series come in order of time, so it is nearly always the one wanted. */
  #lastOf: Uint32Array = new Uint32Array(FIRST);
  #chunks = 0;
  #points = 0;
  readonly #maxPoints: number;

  /** @param countsRows whether rows are counted, as means need. */
  constructor(countsRows: boolean, { maxResultPoints }: QueryLimits = {}) {
    this.#maxPoints = atMost(maxResultPoints);
    this.rows = countsRows ? new Float64Array(FIRST * CHUNK) : undefined;
  }

  get chunks(): number {
    return this.#chunks;
  }

  /** Makes room for that many more chunks, as far as the limit allows them: each has a point at least. */
  reserve(more: number): void {
    const need = Math.min(this.#chunks + more, this.#maxPoints + 1);
    if (need > this.chunkGroup.length) this.#grow(need);
    if (need * 2 > this.#slots.length) this.#rehash(need);
  }

  /**
   * Hot: once per row. As `add` of one row behind the other, up to the first that needs more than a look: of a group that is unknown, of another chunk than
   * the last of its group, with a sum that carries, with a point above the limit. No call in this loop: behind one, V8 checks every array again.
   * @param rows those in the span that have a value and a group are added, the others passed over.
   * @returns the row that `add` has to be asked for; `rows.length` when there is none.
   */
  addRows({ length, series, timeMs, lo, groupOf, span }: PointRows, from: number): number {
    const startMs = span[0]!;
    const endMs = span[1]!;
    const firstMs = span[2]!;
    const stepMs = span[3]!;
    const { chunkGroup, chunkNumber, mask, rows } = this;
    const sums = this.lo;
    const lastOf = this.#lastOf;
    const groups = lastOf.length;
    const most = this.#maxPoints;
    const isWhole = stepMs % 1 === 0 && firstMs % 1 === 0;
    let points = this.#points;
    // Series and bucket, (afterMs, untilMs], of the row that was added last: mostly those of the next one too, which then is one more addition.
    let afterMs = Infinity;
    let untilMs = Infinity;
    let number = 0;
    let i = 0;
    let at = 0;
    let lastRef = -1;
    let row = from;
    for (; row < length; row++) {
      const time = timeMs[row]!;
      if (time < startMs || time > endMs) continue;
      const low = lo[row]!;
      if (low === 0) continue;
      const ref = series[row]!;
      if (ref === lastRef && time > afterMs && time <= untilMs) {
        const more = sums[at]! + low;
        if (more >= LIMIT) break;
        sums[at] = more;
        if (rows !== undefined) rows[at] = rows[at]! + 1;
        continue;
      }
      const group = groupOf[ref]!;
      if (group === NONE) continue;
      if (group < 0 || group >= groups) break;
      if (time <= afterMs || time > untilMs) {
        const bucket = time <= firstMs ? 0 : Math.ceil((time - firstMs) / stepMs);
        number = Math.floor(bucket / STEPS);
        i = (bucket - number * STEPS) | 0;
        untilMs = firstMs + bucket * stepMs;
        // Between whole edges that are far from where doubles round, the bucket is what the division says; else every row divides.
        afterMs = isWhole && bucket > 0 && untilMs < FAR && firstMs > -FAR ? untilMs - stepMs : Infinity;
      }
      const chunk = lastOf[group]!;
      if (chunkNumber[chunk] !== number || chunkGroup[chunk] !== group) break;
      at = chunk * STEPS + i;
      const sum = sums[at]! + low;
      if (sum >= LIMIT) break;
      const seen = mask[chunk]!;
      const bit = 1 << i;
      if ((seen & bit) === 0) {
        if (points >= most) break;
        points++;
        mask[chunk] = seen | bit;
      }
      sums[at] = sum;
      lastRef = ref;
      if (rows !== undefined) rows[at] = rows[at]! + 1;
    }
    this.#points = points;
    return row;
  }

  /** Hot: once per row that `addRows` leaves. The time does not depend on how many groups there are. */
  add(group: number, bucket: number, lo: number, hi: number): void {
    const number = Math.floor(bucket / STEPS);
    this.addTo(this.chunk(group, number), bucket - number * STEPS, lo, hi, 1);
  }

  /** Hot: adds to entry `i` of a chunk what `rows` rows sum up to. @throws KilnError `resource_exhausted` for more points than the limit. */
  addTo(chunk: number, i: number, lo: number, hi: number, rows: number): void {
    const at = chunk * STEPS + i;
    const sum = this.lo[at]! + lo;
    if (sum < LIMIT && hi === 0) this.lo[at] = sum;
    else this.#addHigh(at, sum, hi);
    const seen = this.mask[chunk]!;
    const bit = 1 << i;
    if ((seen & bit) === 0) {
      if (++this.#points > this.#maxPoints) refusePoints(this.#maxPoints);
      this.mask[chunk] = seen | bit;
    }
    if (this.rows !== undefined) this.rows[at] = this.rows[at]! + rows;
  }

  /** The chunk of a group with that number, made when there is none. */
  chunk(group: number, number: number): number {
    const last = group < this.#lastOf.length ? this.#lastOf[group]! : 0;
    if (this.chunkNumber[last] === number && this.chunkGroup[last] === group) return last;
    return this.#find(group, number);
  }

  #find(group: number, number: number): number {
    const mask = this.#slots.length - 1;
    let slot = mix(group, number) & mask;
    let chunk = this.#slots[slot]! - 1;
    while (chunk >= 0 && (this.chunkNumber[chunk] !== number || this.chunkGroup[chunk] !== group)) {
      slot = (slot + 1) & mask;
      chunk = this.#slots[slot]! - 1;
    }
    if (chunk < 0) chunk = this.#append(slot, group, number);
    if (group >= this.#lastOf.length) this.#lastOf = larger(Uint32Array, this.#lastOf, group * 2);
    this.#lastOf[group] = chunk;
    return chunk;
  }

  #append(slot: number, group: number, number: number): number {
    const chunk = this.#chunks++;
    if (chunk === this.chunkGroup.length) this.#grow(chunk * 2);
    this.chunkGroup[chunk] = group;
    this.chunkNumber[chunk] = number;
    this.#slots[slot] = chunk + 1;
    if (this.#chunks * 2 > this.#slots.length) this.#rehash(this.#chunks * 2);
    return chunk;
  }

  #addHigh(at: number, sum: number, hi: number): void {
    this.hi ??= new Float64Array(this.lo.length);
    const carry = sum >= LIMIT ? 1 : 0;
    this.lo[at] = sum - carry * LIMIT;
    this.hi[at] = this.hi[at]! + hi + carry;
  }

  #grow(length: number): void {
    const { chunks } = this;
    this.chunkGroup = larger(Uint32Array, this.chunkGroup, length);
    this.chunkNumber = larger(Float64Array, this.chunkNumber, length);
    this.chunkNumber.fill(-1, chunks);
    this.mask = larger(Uint8Array, this.mask, length);
    this.lo = larger(Float64Array, this.lo, length * CHUNK);
    if (this.hi !== undefined) this.hi = larger(Float64Array, this.hi, length * CHUNK);
    if (this.rows !== undefined) this.rows = larger(Float64Array, this.rows, length * CHUNK);
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

/** Chunks that a new table has room for; a power of two. */
const FIRST = 16;

function larger<T extends Uint8Array | Uint32Array | Float64Array>(
  kind: new (length: number) => T,
  column: T,
  length: number,
): T {
  const copy = new kind(length);
  copy.set(column);
  return copy;
}

/** A number may need more than 32 bits: both halves are mixed. */
function mix(group: number, number: number): number {
  let h = Math.imul(group, KEY) ^ Math.imul(number | 0, OTHER_KEY) ^ Math.imul((number * 2 ** -32) | 0, 0x27d4eb2f);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return h ^ (h >>> 13);
}
