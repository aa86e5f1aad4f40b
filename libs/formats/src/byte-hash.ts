/** Hot: once per eight bytes. A hash whose low bits are good: two lanes, because each step waits for the one before. */
export function hashBytes(view: DataView, from: number, to: number): number {
  let a = to - from;
  let b = 0x27d4eb2f;
  let at = from;
  for (; at + 8 <= to; at += 8) {
    a = Math.imul(a ^ view.getInt32(at, true), 0x9e3779b1);
    b = Math.imul(b ^ view.getInt32(at + 4, true), 0x85ebca6b);
    a ^= a >>> 15;
    b ^= b >>> 13;
  }
  for (; at < to; at++) a = Math.imul(a ^ view.getUint8(at), 0x85ebca6b) ^ (a >>> 13);
  a = Math.imul(a ^ b ^ (a >>> 16) ^ (b >>> 11), 0xc2b2ae35);
  return a ^ (a >>> 13);
}

/** Hot: once per four bytes. Whether `length` bytes are the same. */
export function equalBytes(a: DataView, aFrom: number, b: DataView, bFrom: number, length: number): boolean {
  let i = 0;
  for (; i + 4 <= length; i += 4) if (a.getInt32(aFrom + i, true) !== b.getInt32(bFrom + i, true)) return false;
  for (; i < length; i++) if (a.getUint8(aFrom + i) !== b.getUint8(bFrom + i)) return false;
  return true;
}

/** Hot. Copies `length` bytes; of short runs, where a view and `set` cost more. */
export function copyBytes(from: DataView, fromAt: number, to: DataView, toAt: number, length: number): void {
  let i = 0;
  for (; i + 4 <= length; i += 4) to.setInt32(toAt + i, from.getInt32(fromAt + i, true), true);
  for (; i < length; i++) to.setUint8(toAt + i, from.getUint8(fromAt + i));
}
