/** Bytes that grow at the end. By a quarter at a time once there are some: what is not used is memory of the head too. */
export class ByteStream {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(64);
  length = 0;

  /** Bytes held, used or not. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** Appends source[0 .. length). */
  append(source: Uint8Array, length: number): void {
    const end = this.length + length;
    if (end > this.#bytes.length) {
      const step = end < DOUBLED ? this.#bytes.length : this.#bytes.length >> 2;
      const larger = new Uint8Array(Math.max(end, this.#bytes.length + step));
      larger.set(this.#bytes.subarray(0, this.length));
      this.#bytes = larger;
    }
    this.#bytes.set(length === source.length ? source : source.subarray(0, length), this.length);
    this.length = end;
  }

  /** A view that the next `append` may leave behind. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  /** Forgets the content and keeps the buffer. */
  clear(): void {
    this.length = 0;
  }
}

const DOUBLED = 4096;
