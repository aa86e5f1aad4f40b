import { KilnError } from '@kiln/model';

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

/**
 * A cursor over protobuf bytes. Hot: fields are plain members, a 64-bit number is two 32-bit halves, nothing is allocated.
 * Every read is bounded by the end it is given; every fault is a KilnError `invalid_argument` with the byte's offset.
 */
export class Wire {
  readonly bytes: Uint8Array;
  at = 0;
  /** Of the field read last: its number, its wire type, and where its content lies. */
  field = 0;
  type = 0;
  from = 0;
  to = 0;
  /** Of the number read last. */
  lo = 0;
  hi = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Reads the next field before `end`: a number into lo and hi, bytes as [from, to). Unknown fields look the same. */
  next(end: number): boolean {
    if (this.at >= end) return false;
    this.varint(end);
    if (this.hi !== 0) this.fail('field number too large');
    const tag = this.lo;
    this.type = tag & 7;
    this.field = tag >>> 3;
    if (this.field === 0) this.fail('field number 0');
    if (this.type === BYTES) {
      this.varint(end);
      this.from = this.at;
      if (this.hi !== 0 || this.lo > end - this.at)
        this.fail(`a field of ${this.number()} bytes, ${end - this.at} left`);
      this.to = this.at + this.lo;
      this.at = this.to;
    } else if (this.type === VARINT) this.varint(end);
    else if (this.type === FIXED64) this.#skip(8, end);
    else if (this.type === FIXED32) this.#skip(4, end);
    else this.fail(`wire type ${this.type}`);
    return true;
  }

  /** Hot. LEB128 of up to ten bytes into lo and hi, each unsigned. */
  varint(end: number): void {
    const bytes = this.bytes;
    let at = this.at;
    if (at < end) {
      const first = bytes[at]!;
      if (first < 128) {
        this.at = at + 1;
        this.lo = first;
        this.hi = 0;
        return;
      }
    }
    let lo = 0;
    let hi = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= end) this.fail('a number without end');
      const byte = bytes[at++]!;
      const bits = byte & 127;
      if (shift < 28) lo |= bits << shift;
      else if (shift === 28) {
        lo |= bits << 28;
        hi = bits >>> 4;
      } else if (shift < 63) hi |= bits << (shift - 32);
      else hi |= (bits & 1) << 31;
      if (byte < 128) {
        this.at = at;
        this.lo = lo >>> 0;
        this.hi = hi >>> 0;
        return;
      }
    }
    this.fail('a number of more than ten bytes');
  }

  /** The number read last as int64, rounded to a double beyond 2^53; for messages and small fields. */
  number(): number {
    return (this.hi | 0) * 4294967296 + this.lo;
  }

  /** The number read last as a string index: its value, or -1 for any that is negative or above 2^31. */
  index(): number {
    return this.hi !== 0 || this.lo > 0x7fffffff ? (this.hi >= 0x80000000 ? -1 : 0x7fffffff) : this.lo;
  }

  /** The number read last as int64. */
  big(): bigint {
    return (BigInt(this.hi | 0) << 32n) | BigInt(this.lo);
  }

  /** The number read last as uint64. */
  bigUnsigned(): bigint {
    return (BigInt(this.hi) << 32n) | BigInt(this.lo);
  }

  #skip(count: number, end: number): void {
    if (count > end - this.at) this.fail(`${count} bytes wanted, ${end - this.at} left`);
    this.at += count;
  }

  fail(found: string): never {
    throw malformed(`profile is not a pprof: ${found} at byte ${this.at}`);
  }
}

/** What is wrong with the profile itself. */
export function malformed(message: string): KilnError {
  return new KilnError('invalid_argument', message, { reason: 'malformed_profile' });
}
