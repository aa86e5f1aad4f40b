import { KilnError } from '@kiln/model';

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

/** Fields that pprof knows end far below. */
const MAX_FIELD = 0xffff;
const UNKNOWN_TAG = -1;

/**
 * A cursor over protobuf bytes. Hot: fields are plain small integers (a 64-bit number is two signed 32-bit halves, which V8 keeps unboxed), nothing
 * is allocated. Every read is bounded by the end it is given; every fault is a KilnError `invalid_argument` with the byte's offset.
 */
export class Wire {
  bytes: Uint8Array = new Uint8Array(0);
  /** Over `bytes`. */
  view: DataView = new DataView(new ArrayBuffer(0));
  at = 0;
  /** Of the field read last by `slowField`. */
  tag = 0;
  /** Of the field read last: its number, its wire type, and where its content lies. */
  field = 0;
  type = 0;
  from = 0;
  to = 0;
  /** Of the number read last: its halves, as signed 32-bit numbers. */
  lo = 0;
  hi = 0;

  /** Starts over on other bytes. */
  open(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  /** Hot. Reads the next field before `end`: a number into lo and hi, bytes as [from, to). Unknown fields look the same. */
  next(end: number): boolean {
    const bytes = this.bytes;
    let at = this.at;
    if (at + 1 < end) {
      // Fast path: a tag of one byte and a number or length of at most four.
      const tag = bytes[at]!;
      let value = bytes[at + 1]!;
      at += 2;
      if (value > 127) {
        value &= 127;
        let byte = 128;
        for (let shift = 7; byte > 127 && shift < 28 && at < end; shift += 7) {
          byte = bytes[at++]!;
          value |= (byte & 127) << shift;
        }
        if (byte > 127) return this.#nextSlow(end);
      }
      if (tag > 7 && tag < 128) {
        const type = tag & 7;
        if (type === VARINT) {
          this.type = VARINT;
          this.field = tag >>> 3;
          this.lo = value;
          this.hi = 0;
          this.at = at;
          return true;
        }
        if (type === BYTES && value <= end - at) {
          this.type = BYTES;
          this.field = tag >>> 3;
          this.from = at;
          this.to = at + value;
          this.at = at + value;
          return true;
        }
      }
    }
    return this.at < end && this.#nextSlow(end);
  }

  /**
   * For loops that read a tag of one byte and a number below 2^14 themselves: any other field, read in full.
   * @returns where its number ends or its content begins; the tag is in `tag`, a length in `lo` and `hi`.
   */
  slowField(at: number, end: number): number {
    this.at = at;
    this.next(end);
    if (this.field > MAX_FIELD) this.tag = UNKNOWN_TAG;
    else this.tag = (this.field << 3) | this.type;
    if (this.type !== BYTES) return this.at;
    this.lo = this.to - this.from;
    this.hi = 0;
    return this.from;
  }

  /** A length that reaches beyond the end of what holds it. */
  tooLong(at: number, length: number, end: number): never {
    this.at = at;
    return this.fail(`a field of ${length} bytes with ${end - at} left`);
  }

  #nextSlow(end: number): boolean {
    this.varint(end);
    if (this.hi !== 0) this.fail('a field number beyond 2^29');
    const tag = this.lo;
    const type = tag & 7;
    this.type = type;
    this.field = tag >>> 3;
    if (this.field === 0) this.fail('field number 0');
    if (type === BYTES) {
      this.varint(end);
      const length = this.lo;
      if (this.hi !== 0 || length < 0 || length > end - this.at) {
        this.fail(`a field of ${(this.hi >>> 0) * 4294967296 + (length >>> 0)} bytes with ${end - this.at} left`);
      }
      this.from = this.at;
      this.to = this.at + length;
      this.at = this.to;
    } else if (type === VARINT) this.varint(end);
    else if (type === FIXED64) this.#skip(8, end);
    else if (type === FIXED32) this.#skip(4, end);
    else this.fail(`wire type ${type}`);
    return true;
  }

  /** Hot. LEB128 of up to ten bytes at `at` into lo and hi. Bits beyond the 64th are dropped, as protobuf decoders do. */
  varint(end: number): void {
    const bytes = this.bytes;
    let at = this.at;
    let lo = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (at >= end) this.#unended(end);
      const byte = bytes[at++]!;
      lo |= (byte & 127) << shift;
      if (byte < 128) {
        this.at = at;
        this.lo = lo;
        this.hi = 0;
        return;
      }
    }
    if (at >= end) this.#unended(end);
    let byte = bytes[at++]!;
    lo |= (byte & 127) << 28;
    let hi = (byte & 127) >>> 4;
    for (let shift = 3; byte >= 128; shift += 7) {
      if (at >= end) this.#unended(end);
      if (shift > 31) this.fail('a number of more than ten bytes');
      byte = bytes[at++]!;
      hi |= (byte & 127) << shift;
    }
    this.at = at;
    this.lo = lo;
    this.hi = hi;
  }

  /** The number read last as a string row. */
  row(): number {
    return rowOf(this.lo, this.hi);
  }

  /** The number read last as int64. */
  big(): bigint {
    return (BigInt(this.hi) << 32n) | BigInt(this.lo >>> 0);
  }

  #unended(end: number): never {
    this.at = end;
    return this.fail('a number without end');
  }

  #skip(count: number, end: number): void {
    if (count > end - this.at) this.fail(`a field of ${count} bytes with ${end - this.at} left`);
    this.at += count;
  }

  fail(found: string): never {
    throw malformed(`profile is not a pprof: ${found} at byte ${this.at}`);
  }
}

/** An int64 by its halves, when a double holds it exactly; else 0. */
export function safeNumber(lo: number, hi: number): number {
  const number = hi * 4294967296 + (lo >>> 0);
  return Number.isSafeInteger(number) ? number : 0;
}

/** An int64 by its halves as a string row: its value, -1 for a negative one, 2^31 - 1 for one that no table can reach. */
export function rowOf(lo: number, hi: number): number {
  if (hi === 0 && lo >= 0) return lo;
  return hi < 0 ? -1 : 0x7fffffff;
}

/** What is wrong with the profile itself: never the server's fault. */
export function malformed(message: string): KilnError {
  return new KilnError('invalid_argument', message, { reason: 'malformed_profile' });
}
