import { KilnError } from '@kiln/model';

type Scratch = Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Uint8Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** `array` when it has room for `length` entries, else a larger copy. */
export function room<T extends Scratch>(array: T, length: number): T {
  if (length <= array.length) return array;
  const larger = new (array.constructor as new (length: number) => T)(Math.max(length, array.length * 2, 16));
  larger.set(array);
  return larger;
}

/** How many slots open addressing needs for so many entries: a power of two, at most half of them taken. */
export function slotCount(entries: number): number {
  let size = 64;
  while (size < entries * 2) size *= 2;
  return size;
}

/**
 * Open addressing at a load of one half probes a few slots, a hundred in a very large table. More means that somebody chose the contents so that they
 * meet, to make every lookup slow.
 */
export const MAX_PROBES = 1000;

/** Refuses a profile whose contents were made to collide. */
export function refuseCollisions(what: string): never {
  throw new KilnError(
    'invalid_argument',
    `profile refused: more than ${MAX_PROBES} of its ${what} fall into one place of a hash table, which no program's profile does`,
    { reason: 'malformed_profile' },
  );
}
