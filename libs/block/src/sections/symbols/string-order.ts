import type { StringColumn } from '@kiln/model';

/**
 * Sorts rows of a string column by their bytes. Names share long prefixes, which comparisons of whole strings would read again and again:
 * this takes four bytes of every string of a group, sorts those as numbers, and goes on with groups that are equal so far.
 * Strings that differ in trailing NUL bytes only may come in either order.
 */
export function sortByBytes(rows: Uint32Array, strings: StringColumn): void {
  const bytes = new DataView(strings.bytes.buffer, strings.bytes.byteOffset, strings.bytes.byteLength);
  const keys = new Float64Array(rows.length);
  const before = new Uint32Array(rows.length);
  const todo = [0, rows.length, 0];
  while (todo.length > 0) {
    let depth = todo.pop()!;
    const end = todo.pop()!;
    const start = todo.pop()!;
    if (end - start <= FEW) {
      insertionSort(rows, start, end, depth, strings);
      continue;
    }
    while (fillKeys(keys, rows, start, end, depth, bytes, strings.offsets)) depth += 4;
    if (keys[start] === ENDED && !differs(keys, start, end)) continue;
    sortGroup(keys, rows, before, start, end);
    for (let from = start, to = start + 1; from < end; from = to++) {
      while (to < end && keys[to] === keys[from]) to++;
      if (to - from > 1 && keys[from] !== ENDED) todo.push(from, to, depth + 4);
    }
  }
}

const FEW = 10;
const ENDED = 0;

/** Four bytes at `depth` plus 1, zeros behind the end; ENDED when the string ends before. True when all are equal and none has ended. */
function fillKeys(
  keys: Float64Array,
  rows: Uint32Array,
  start: number,
  end: number,
  depth: number,
  bytes: DataView,
  offsets: Uint32Array,
): boolean {
  let equal = true;
  for (let i = start; i < end; i++) {
    const at = offsets[rows[i]!]! + depth;
    const left = offsets[rows[i]! + 1]! - at;
    const key = left >= 4 ? bytes.getUint32(at) + 1 : left > 0 ? lastBytes(bytes, at, left) + 1 : ENDED;
    keys[i] = key;
    if (key !== keys[start]) equal = false;
  }
  return equal && keys[start] !== ENDED;
}

function lastBytes(bytes: DataView, at: number, left: number): number {
  let key = 0;
  for (let i = 0; i < 4; i++) key = key * 256 + (i < left ? bytes.getUint8(at + i) : 0);
  return key;
}

function differs(keys: Float64Array, start: number, end: number): boolean {
  for (let i = start + 1; i < end; i++) if (keys[i] !== keys[start]) return true;
  return false;
}

/** One native sort of numbers that hold a key and a place; below 2^53 up to two million strings, and sorted by key at any rate. */
function sortGroup(keys: Float64Array, rows: Uint32Array, before: Uint32Array, start: number, end: number): void {
  const count = end - start;
  const group = keys.subarray(start, end);
  for (let i = 0; i < count; i++) group[i] = group[i]! * count + i;
  group.sort();
  before.set(rows.subarray(start, end), start);
  for (let i = 0; i < count; i++) {
    const packed = group[i]!;
    const key = Math.floor(packed / count);
    rows[start + i] = before[start + packed - key * count]!;
    group[i] = key;
  }
}

function insertionSort(rows: Uint32Array, start: number, end: number, depth: number, strings: StringColumn): void {
  const { bytes, offsets } = strings;
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

/** Both strings are equal up to `depth`, which may lie up to three bytes behind the end of a shorter one. */
function isBelow(a: number, b: number, depth: number, bytes: Uint8Array, offsets: Uint32Array): boolean {
  const [endA, endB] = [offsets[a + 1]!, offsets[b + 1]!];
  let atA = Math.min(endA, offsets[a]! + depth);
  let atB = Math.min(endB, offsets[b]! + depth);
  while (atA < endA && atB < endB && bytes[atA] === bytes[atB]) {
    atA++;
    atB++;
  }
  if (atA < endA && atB < endB) return bytes[atA]! < bytes[atB]!;
  return atA === endA && atB < endB;
}
