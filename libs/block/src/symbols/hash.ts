/**
 * Hashes of the symbol tables. Their content comes from clients, so every multiplier depends on a seed: with a secret one, nobody can
 * choose symbols that meet in one slot without guessing it. Equality is always checked on the content. Hashes are signed: an unsigned one above
 * 2^31 would be an object on V8's heap.
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

/**
 * Hot: once per string of a profile's tables. Two lanes, because a lane waits for its multiplications; a DataView, because it loads four
 * bytes at once wherever they lie. What eight do not divide is read as the last eight bytes, some of them again: how many are left is as
 * good as random, and a loop over them costs more than a whole step.
 */
export function hashBytes(keys: HashKeys, bytes: DataView, start: number, end: number): number {
  const { odd0, odd1 } = keys;
  let a = keys.k0 ^ (end - start);
  let b = keys.k1;
  const last = end - 8;
  if (last < start) {
    for (let at = start; at < end; at++) {
      a = Math.imul(a ^ Math.imul(bytes.getUint8(at) + 1, odd1), odd0);
      a ^= a >>> 15;
    }
    return finish(a ^ Math.imul(b, odd0));
  }
  for (let at = start; ; at += 8) {
    if (at > last) at = last;
    a = Math.imul(a ^ Math.imul(bytes.getInt32(at, true), odd1), odd0);
    b = Math.imul(b ^ Math.imul(bytes.getInt32(at + 4, true), odd0), odd1);
    a ^= a >>> 15;
    b ^= b >>> 13;
    if (at === last) break;
  }
  return finish(a ^ Math.imul(b, odd0));
}

/** Hot: once per tree node, line and location. Chain calls to hash more than two numbers. */
export function hashPair(keys: HashKeys, a: number, b: number): number {
  let h = Math.imul(a, keys.odd0) + Math.imul(b, keys.odd1);
  h ^= h >>> 15;
  h = Math.imul(h, keys.odd0);
  return h ^ (h >>> 13);
}

/** One of the two words of a double, so that doubles can lie among words. */
export function doublePart(value: number, part: 0 | 1): number {
  double[0] = value;
  return doubleWords[part]!;
}

const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer);

function finish(seed: number): number {
  let h = seed;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}
