import { CorruptDataError } from '@kiln/bytes';
import { SPILL } from '@kiln/model';

/** Hot. Writes the unsigned LEB128 of a whole number in [0, 2^53) at `at`, unchecked, and returns the position behind it. */
export function putVarint(bytes: Uint8Array, at: number, value: number): number {
  let next = at;
  if (value < 128) {
    bytes[next] = value;
    return next + 1;
  }
  let rest = value;
  while (rest > 0x7fffffff) {
    bytes[next++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  while (rest > 127) {
    bytes[next++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  bytes[next] = rest;
  return next + 1;
}

/** Writes hi * 2^52 + lo, up to 2^64 - 1: 10 bytes at most. */
export function putExact(bytes: Uint8Array, at: number, lo: number, hi: number): number {
  if (hi === 0) return putVarint(bytes, at, lo);
  let next = at;
  let rest = (BigInt(hi) << 52n) + BigInt(lo);
  while (rest > 127n) {
    bytes[next++] = Number(rest & 127n) | 128;
    rest >>= 7n;
  }
  bytes[next] = Number(rest);
  return next + 1;
}

/** The position behind the last varint that was read by a function of this file. One thread, no re-entry. */
export let behind = 0;

/** Reads a varint below 2^53 of one page stream that ends at `end`; its end is left in `behind`. */
export function getVarint(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  let value = 0;
  for (let shift = 0; at < end && shift < 28; shift += 7) {
    const byte = bytes[at++]!;
    value |= (byte & 127) << shift;
    if (byte < 128) {
      behind = at;
      return value;
    }
  }
  return getLongVarint(bytes, at, end, value);
}

function getLongVarint(bytes: Uint8Array, from: number, end: number, low: number): number {
  let at = from;
  let value = low;
  for (let scale = 268435456; at < end && scale <= 562949953421312; scale *= 128) {
    const byte = bytes[at++]!;
    value += (byte & 127) * scale;
    if (byte < 128) {
      if (value >= 9007199254740992) break;
      behind = at;
      return value;
    }
  }
  throw new CorruptDataError('page', at, at >= end ? 'varint without end' : 'varint of 2^53 or more');
}

/** The high part of the last `getExact`. */
export let exactHi = 0;

/** Reads a varint of up to 64 bits as its two exact parts: returns lo, leaves hi in `exactHi`. */
export function getExact(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  let low = 0; // bits 0 .. 48
  let high = 0; // bits 49 .. 69
  for (let i = 0; i < 10 && at < end; i++) {
    const byte = bytes[at++]!;
    if (i < 7) low += (byte & 127) * 2 ** (7 * i);
    else high += (byte & 127) * 2 ** (7 * (i - 7));
    if (byte < 128) {
      if (high >= 32768) break; // 2^64 and more
      exactHi = Math.floor(high / 8);
      behind = at;
      return low + (high % 8) * (SPILL / 8);
    }
  }
  throw new CorruptDataError('page', at, 'varint without end or above 2^64');
}

/**
 * Hot. The position behind `count` varints, of any length; at most `end`. Four bytes at a time: the last byte of a varint has its high bit
 * clear, and four bytes end four varints at most.
 */
export function skipVarints(bytes: DataView, from: number, end: number, count: number): number {
  let at = from;
  let left = count;
  while (left >= 4 && at + 4 <= end) {
    const ends = (~bytes.getInt32(at, true) & 0x80808080) >>> 7;
    left -= Math.imul(ends, 0x01010101) >>> 24;
    at += 4;
  }
  while (left > 0) {
    if (at >= end) throw new CorruptDataError('page', at, `${left} more varints wanted at the end of a stream`);
    left -= 1 - (bytes.getUint8(at++) >> 7);
  }
  return at;
}
