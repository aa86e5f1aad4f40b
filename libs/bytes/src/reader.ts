import { CorruptDataError } from './corrupt-data-error.ts';

/** Reads what ByteWriter writes. Every read checks the bytes left and throws CorruptDataError with the format's name. */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly format: string;
  readonly end: number;
  position: number;
  /** Of `bytes`, for loops that read four at once. */
  readonly view: DataView;

  constructor(bytes: Uint8Array, format: string, position = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.format = format;
    this.position = position;
    this.end = end;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.end - this.position;
  }

  fail(found: string): never {
    throw new CorruptDataError(this.format, this.position, found);
  }

  u8(): number {
    return this.bytes[this.#take(1)]!;
  }

  u16(): number {
    return this.view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.#take(4), true);
  }

  u64(): bigint {
    return this.view.getBigUint64(this.#take(8), true);
  }

  f64(): number {
    return this.view.getFloat64(this.#take(8), true);
  }

  /** A view of the next `count` bytes. */
  take(count: number): Uint8Array {
    const at = this.#take(count);
    return this.bytes.subarray(at, at + count);
  }

  /** Hot. Unsigned LEB128 below 2^53; larger or unended is corrupt. */
  varint(): number {
    const bytes = this.bytes;
    let at = this.position;
    const end = this.end;
    let value = 0;
    let shift = 0;
    while (at < end && shift < 28) {
      const byte = bytes[at++]!;
      value |= (byte & 127) << shift;
      if (byte < 128) {
        this.position = at;
        return value;
      }
      shift += 7;
    }
    return this.#varintSlow(value, at, 268435456);
  }

  #varintSlow(low: number, from: number, start: number): number {
    let at = from;
    let value = low;
    let scale = start;
    while (at < this.end && scale <= 562949953421312) {
      const byte = this.bytes[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (value >= 9007199254740992) this.fail('varint of 2^53 or more');
        this.position = at;
        return value;
      }
      scale *= 128;
    }
    return this.fail(at >= this.end ? 'varint without end' : 'varint of 2^53 or more');
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Unsigned LEB128 up to 2^64 - 1, as a bigint. Not for loops. */
  varintBig(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) {
        if (value > 0xffffffffffffffffn) break;
        return value;
      }
    }
    return this.fail('varint above 2^64');
  }

  /** A count of things that take at least `minBytes` each: refused when the bytes left cannot hold them. */
  count(minBytes = 1): number {
    const count = this.varint();
    if (count * minBytes > this.left) this.fail(`count ${count} of ${minBytes} bytes each, ${this.left} bytes left`);
    return count;
  }

  /** A varint length, then valid UTF-8. */
  text(): string {
    const length = this.count();
    const at = this.position;
    try {
      return decoder.decode(this.take(length));
    } catch {
      throw new CorruptDataError(this.format, at, 'text that is not UTF-8');
    }
  }

  #take(count: number): number {
    const at = this.position;
    if (count > this.end - at) this.fail(`${count} bytes wanted, ${this.end - at} left`);
    this.position = at + count;
    return at;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
