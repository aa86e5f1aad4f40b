import type { ByteReader, ByteWriter } from '@kiln/bytes';
import type { StringColumn } from '@kiln/model';

/*
 * front-coded strings := n | n * bytes shared with the string before | n * bytes of its own | all own bytes
 */

/** Any order is right; sorted strings share most. */
export function writeFrontCoded(w: ByteWriter, strings: readonly Uint8Array[]): void {
  const shared = new Uint32Array(strings.length);
  let last = new Uint8Array(0);
  for (let i = 0; i < strings.length; i++) {
    const own = strings[i]!;
    const limit = Math.min(last.length, own.length);
    let same = 0;
    while (same < limit && last[same] === own[same]) same++;
    shared[i] = same;
    last = own as Uint8Array<ArrayBuffer>;
  }
  w.varint(strings.length);
  for (let i = 0; i < strings.length; i++) w.varint(shared[i]!);
  for (let i = 0; i < strings.length; i++) w.varint(strings[i]!.length - shared[i]!);
  for (let i = 0; i < strings.length; i++) w.bytes(strings[i]!.subarray(shared[i]));
}

/** Expanded strings may be much longer than their code: `maxBytes` bounds them. */
export function readFrontCoded(r: ByteReader, maxBytes: number = MAX_BYTES): StringColumn {
  const length = r.count(2);
  const shared = new Uint32Array(length);
  for (let i = 0; i < length; i++) shared[i] = r.varint();
  const offsets = new Uint32Array(length + 1);
  let end = 0;
  let own = 0;
  for (let i = 0; i < length; i++) {
    const rest = r.varint();
    if (shared[i]! > end - (i === 0 ? 0 : offsets[i - 1]!))
      r.fail(`string ${i} shares ${shared[i]} bytes with a shorter one`);
    own += rest;
    end += shared[i]! + rest;
    if (own > r.left || end > maxBytes) r.fail(`strings of ${end} bytes, ${r.left} bytes left, limit ${maxBytes}`);
    offsets[i + 1] = end;
  }
  const bytes = new Uint8Array(end);
  const source = r.take(own);
  let from = 0;
  for (let i = 0; i < length; i++) {
    const at = offsets[i]!;
    const same = shared[i]!;
    if (same > 0) bytes.copyWithin(at, offsets[i - 1]!, offsets[i - 1]! + same);
    const rest = offsets[i + 1]! - at - same;
    bytes.set(source.subarray(from, from + rest), at + same);
    from += rest;
  }
  return { length, bytes, offsets };
}

const MAX_BYTES = 1024 * 1024 * 1024;
