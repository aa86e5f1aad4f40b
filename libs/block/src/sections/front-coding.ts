import type { ByteReader, ByteWriter } from '@kiln/bytes';
import type { StringColumn } from '@kiln/model';
import { readUints, writeUints } from '../columns.ts';

/*
 * front-coded strings := n | n * bytes shared with the string before | n * bytes of its own | all own bytes
 */

/** @param rows which strings, in which order: any is right, sorted ones share most. */
export function writeFrontCoded(w: ByteWriter, { bytes, offsets }: StringColumn, rows: Uint32Array): void {
  const shared = new Uint32Array(rows.length);
  for (let i = 1; i < rows.length; i++) {
    let a = offsets[rows[i - 1]!]!;
    let b = offsets[rows[i]!]!;
    const start = b;
    const limit = Math.min(offsets[rows[i]! + 1]!, start + offsets[rows[i - 1]! + 1]! - a);
    while (b < limit && bytes[a] === bytes[b]) {
      a++;
      b++;
    }
    shared[i] = b - start;
  }
  const own = new Uint32Array(rows.length);
  for (let i = 0; i < rows.length; i++) own[i] = offsets[rows[i]! + 1]! - offsets[rows[i]!]! - shared[i]!;
  w.varint(rows.length);
  writeUints(w, shared, rows.length);
  writeUints(w, own, rows.length);
  w.bytes(gather(bytes, offsets, rows, shared, own));
}

/** Hot: byte by byte, because most pieces are shorter than what a call to copy them costs. */
function gather(
  bytes: Uint8Array,
  offsets: Uint32Array,
  rows: Uint32Array,
  shared: Uint32Array,
  own: Uint32Array,
): Uint8Array {
  let total = 0;
  for (let i = 0; i < rows.length; i++) total += own[i]!;
  const out = new Uint8Array(total);
  let to = 0;
  for (let i = 0; i < rows.length; i++) {
    let from = offsets[rows[i]!]! + shared[i]!;
    for (let left = own[i]!; left > 0; left--) out[to++] = bytes[from++]!;
  }
  return out;
}

/** Expanded strings may be much longer than their code: `maxBytes` bounds them. */
export function readFrontCoded(r: ByteReader, maxBytes: number = MAX_BYTES): StringColumn {
  const length = r.count(2);
  const shared = readUints(r, length, 2 ** 32, 'length');
  const rests = readUints(r, length, 2 ** 32, 'length');
  const offsets = new Uint32Array(length + 1);
  let end = 0;
  let own = 0;
  for (let i = 0; i < length; i++) {
    const rest = rests[i]!;
    if (shared[i]! > end - (i === 0 ? 0 : offsets[i - 1]!))
      r.fail(`string ${i} shares ${shared[i]} bytes with a shorter one`);
    own += rest;
    end += shared[i]! + rest;
    if (own > r.left || end > maxBytes) r.fail(`strings of ${end} bytes, ${r.left} bytes left, limit ${maxBytes}`);
    offsets[i + 1] = end;
  }
  return { length, bytes: expand(r.take(own), shared, offsets, length), offsets };
}

/** Hot, as gather. */
function expand(source: Uint8Array, shared: Uint32Array, offsets: Uint32Array, length: number): Uint8Array {
  const bytes = new Uint8Array(offsets[length]!);
  let from = 0;
  let last = 0;
  for (let i = 0; i < length; i++) {
    let at = offsets[i]!;
    const end = offsets[i + 1]!;
    for (let same = shared[i]!; same > 0; same--) bytes[at++] = bytes[last++]!;
    while (at < end) bytes[at++] = source[from++]!;
    last = offsets[i]!;
  }
  return bytes;
}

const MAX_BYTES = 1024 * 1024 * 1024;
