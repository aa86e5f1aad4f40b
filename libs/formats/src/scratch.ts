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
