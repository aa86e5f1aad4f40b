/** Writes protobuf by hand, so that tests can also write what no encoder would. Zero numbers are left out, as proto3 does. */
export class PbWriter {
  #bytes: Uint8Array = new Uint8Array(256);
  #length = 0;

  number(field: number, value: bigint | number): this {
    return value === 0 || value === 0n ? this : this.varint(field * 8).varint(value);
  }

  bytes(field: number, content: Uint8Array): this {
    return this.varint(field * 8 + 2)
      .varint(content.length)
      .raw(content);
  }

  text(field: number, value: string): this {
    return value === '' ? this : this.bytes(field, Buffer.from(value));
  }

  message(field: number, write: (inner: PbWriter) => unknown): this {
    const inner = new PbWriter();
    write(inner);
    return this.bytes(field, inner.finish());
  }

  packed(field: number, values: readonly (bigint | number)[]): this {
    if (values.length === 0) return this;
    return this.message(field, (m) => {
      for (const value of values) m.varint(value);
    });
  }

  varint(value: bigint | number): this {
    if (typeof value === 'number' && value >= 0 && value < 128) return this.#push(value);
    for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
      if (rest < 128n) return this.#push(Number(rest));
      this.#push(Number(rest & 127n) | 128);
    }
  }

  raw(content: Uint8Array): this {
    this.#reserve(content.length);
    this.#bytes.set(content, this.#length);
    this.#length += content.length;
    return this;
  }

  #push(byte: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = byte;
    return this;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  /** The bytes written so far. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}
