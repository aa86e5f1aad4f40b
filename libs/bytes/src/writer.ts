/** Appends to a growing buffer: little endian, LEB128 varints. Numbers are whole; varints below 2^53. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** Bytes held, used or not. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** Forgets the content and keeps the buffer. */
  clear(): void {
    this.#length = 0;
  }

  /** What was written so far, as a view that the next write may change. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** A copy of what was written so far. */
  toBytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  u8(value: number): void {
    const at = this.#grow(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
  }

  u64(value: bigint): void {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value, true);
  }

  f64(value: number): void {
    const at = this.#grow(8);
    this.#view.setFloat64(at, value, true);
  }

  /** Overwrites four bytes at `at`, which must have been written already. */
  setU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  bytes(source: Uint8Array): void {
    const at = this.#grow(source.length);
    this.#bytes.set(source, at);
  }

  zeros(count: number): void {
    const at = this.#grow(count);
    this.#bytes.fill(0, at, at + count);
  }

  /** Zeros until the length is a multiple of `boundary`. */
  align(boundary: number): void {
    const over = this.#length % boundary;
    if (over !== 0) this.zeros(boundary - over);
  }

  /** Hot. Unsigned LEB128 of a whole number in [0, 2^53). @throws RangeError above. */
  varint(value: number): void {
    if (value > 0x7fffffff) {
      this.#varintSlow(value);
      return;
    }
    let at = this.#grow(5);
    const bytes = this.#bytes;
    let rest = value;
    while (rest > 127) {
      bytes[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.#length = at;
  }

  /** Hot: once per entry of every table. Unsigned LEB128 of the first `length` entries, one behind the other. */
  varints(column: Uint32Array, length: number): void {
    let at = this.#grow(length * 5);
    const bytes = this.#bytes;
    const view = this.#view;
    for (let i = 0; i < length;) {
      if (i + 4 <= length) {
        const a = column[i]!;
        const b = column[i + 1]!;
        const c = column[i + 2]!;
        const d = column[i + 3]!;
        const any = a | b | c | d;
        if ((any & ~0x7f) === 0) {
          view.setInt32(at, a | (b << 8) | (c << 16) | (d << 24), true);
          at += 4;
          i += 4;
          continue;
        }
        if ((any & ~0x3fff) === 0) {
          // One byte or two, which comes next being as good as random: no branch for it.
          at = putShort(view, at, a);
          at = putShort(view, at, b);
          at = putShort(view, at, c);
          at = putShort(view, at, d);
          i += 4;
          continue;
        }
      }
      let rest = column[i++]!;
      while (rest > 0x7f) {
        bytes[at++] = (rest & 0x7f) | 0x80;
        rest >>>= 7;
      }
      bytes[at++] = rest;
    }
    this.#length = at;
  }

  #varintSlow(value: number): void {
    if (value > Number.MAX_SAFE_INTEGER) throw new RangeError(`${value} does not fit a varint below 2^53`);
    let at = this.#grow(8);
    const bytes = this.#bytes;
    let rest = value;
    while (rest > 127) {
      bytes[at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    bytes[at++] = rest;
    this.#length = at;
  }

  /** Zigzag varint of a whole number in [-2^52, 2^52), the numbers its reader takes back. */
  zigzag(value: number): void {
    this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  /** Unsigned LEB128 of hi * 2^52 + lo (see model's exact integers), up to 2^64 - 1. */
  varintExact(lo: number, hi: number): void {
    if (hi === 0) {
      this.varint(lo);
      return;
    }
    let value = (BigInt(hi) << 52n) + BigInt(lo);
    while (value > 127n) {
      this.u8(Number(value & 127n) | 128);
      value >>= 7n;
    }
    this.u8(Number(value));
  }

  /** A varint length, then the UTF-8. */
  text(value: string): void {
    const at = this.#length;
    this.varint(value.length);
    if (this.utf8(value) === value.length) return;
    // Not all ASCII: it is longer than it looked.
    this.#length = at;
    const encoded = encoder.encode(value);
    this.varint(encoded.length);
    this.bytes(encoded);
  }

  /** Its UTF-8 alone. Hot: once per text of a record; an encoder takes as long as forty characters before it begins. @returns how many bytes. */
  utf8(value: string): number {
    const { length } = value;
    const start = this.#grow(length);
    const bytes = this.#bytes;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 127) {
        this.#length = start;
        const encoded = encoder.encode(value);
        this.bytes(encoded);
        return encoded.length;
      }
      bytes[start + i] = unit;
    }
    return length;
  }

  /** Reserves `count` bytes and returns where they start; the varint writers set the length again themselves. */
  #grow(count: number): number {
    const at = this.#length;
    const need = at + count;
    if (need > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(need, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = need;
    return at;
  }
}

/** Hot. Writes two bytes, of which the second is overwritten when a number below 2^14 takes only one. */
function putShort(view: DataView, at: number, value: number): number {
  const isTwo = (0x7f - value) >>> 31;
  view.setUint16(at, (value & 0x7f) | (isTwo << 7) | ((value >>> 7) << 8), true);
  return at + 1 + isTwo;
}

const encoder = new TextEncoder();
