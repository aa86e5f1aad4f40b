import type { StringColumn } from '@kiln/model';

/**
 * Sorts rows of a string column by their bytes: three-way radix quicksort, because names share long prefixes and a comparison of
 * whole strings would read those again and again. At most 257 partitions a byte, whatever the strings are.
 */
export function sortByBytes(rows: Uint32Array, { bytes, offsets }: StringColumn): void {
  const todo = [0, rows.length, 0];
  while (todo.length > 0) {
    const depth = todo.pop()!;
    const end = todo.pop()!;
    const start = todo.pop()!;
    if (end - start <= FEW) {
      insertionSort(rows, start, end, depth, bytes, offsets);
      continue;
    }
    const pivot = median(
      byteAt(rows[start]!, depth, bytes, offsets),
      byteAt(rows[(start + end) >>> 1]!, depth, bytes, offsets),
      byteAt(rows[end - 1]!, depth, bytes, offsets),
    );
    let low = start;
    let high = end;
    let at = start;
    while (at < high) {
      const row = rows[at]!;
      const byte = byteAt(row, depth, bytes, offsets);
      if (byte < pivot) {
        rows[at++] = rows[low]!;
        rows[low++] = row;
      } else if (byte > pivot) {
        rows[at] = rows[--high]!;
        rows[high] = row;
      } else {
        at++;
      }
    }
    if (low - start > 1) todo.push(start, low, depth);
    if (end - high > 1) todo.push(high, end, depth);
    if (pivot >= 0 && high - low > 1) todo.push(low, high, depth + 1);
  }
}

const FEW = 10;

/** The byte at `depth`, -1 behind the end. */
function byteAt(row: number, depth: number, bytes: Uint8Array, offsets: Uint32Array): number {
  const at = offsets[row]! + depth;
  return at < offsets[row + 1]! ? bytes[at]! : -1;
}

function median(a: number, b: number, c: number): number {
  return a < b ? (b < c ? b : Math.max(a, c)) : a < c ? a : Math.max(b, c);
}

function insertionSort(
  rows: Uint32Array,
  start: number,
  end: number,
  depth: number,
  bytes: Uint8Array,
  offsets: Uint32Array,
): void {
  for (let i = start + 1; i < end; i++) {
    const row = rows[i]!;
    let at = i;
    while (at > start && isBelow(row, rows[at - 1]!, depth, bytes, offsets)) {
      rows[at] = rows[at - 1]!;
      at--;
    }
    rows[at] = row;
  }
}

function isBelow(a: number, b: number, depth: number, bytes: Uint8Array, offsets: Uint32Array): boolean {
  const shift = offsets[b]! - offsets[a]!;
  const end = offsets[a + 1]!;
  const limit = Math.min(end, offsets[b + 1]! - shift);
  let at = offsets[a]! + depth;
  while (at < limit && bytes[at] === bytes[at + shift]) at++;
  return at < limit ? bytes[at]! < bytes[at + shift]! : end === at && offsets[b + 1]! - shift > at;
}
