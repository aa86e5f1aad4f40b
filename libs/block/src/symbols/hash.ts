/**
 * Hashes of the symbol tables. Their content comes from clients, so all depend on a seed: with a secret one, nobody can choose
 * symbols that meet in one slot. Strings: HalfSipHash-1-3 (https://www.aumasson.jp/siphash); rows: two secret odd multipliers.
 */
export interface HashKeys {
  readonly k0: number;
  readonly k1: number;
  readonly odd0: number;
  readonly odd1: number;
}

export function hashKeys(seed: number): HashKeys {
  const k0 = finish(seed ^ 0x2545f491);
  const k1 = finish(k0 ^ 0x6c078965);
  return { k0, k1, odd0: finish(k1 ^ 0x5bd1e995) | 1, odd1: finish(k0 + k1) | 1 };
}

/** Hot: once per string of a profile's tables. */
export function hashBytes(keys: HashKeys, bytes: Uint8Array, start: number, end: number): number {
  let v0 = keys.k0;
  let v1 = keys.k1;
  let v2 = 0x6c796765 ^ v0;
  let v3 = 0x74656462 ^ v1;
  let at = start;
  for (let whole = end - 3; at < whole; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  let last = (end - start) << 24;
  for (let shift = 0; at < end; shift += 8) last |= bytes[at++]! << shift;
  v3 ^= last;
  for (let round = 0; round < 4; round++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (round === 0) {
      v0 ^= last;
      v2 ^= 0xff;
    }
  }
  return (v1 ^ v3) >>> 0;
}

/** Hot: once per tree node, line and location. Chain calls to hash more than two numbers. */
export function hashPair(keys: HashKeys, a: number, b: number): number {
  let h = Math.imul(a, keys.odd0) + Math.imul(b, keys.odd1);
  h ^= h >>> 15;
  h = Math.imul(h, keys.odd0);
  return (h ^ (h >>> 13)) >>> 0;
}

/** Whether a slot array is too full for one more entry: below 2,048 slots memory counts, above it speed. */
export function isCrowded(length: number, slots: number): boolean {
  return slots < 2048 ? length * 4 > slots * 3 : length * 2 > slots;
}

/** The next capacity of a column: doubled while small, then by half. */
export function grown(capacity: number, need: number): number {
  return Math.max(need, capacity < 4096 ? capacity * 2 : capacity + (capacity >>> 1));
}

function finish(seed: number): number {
  let h = seed;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}
