/**
 * Streams of bytes that grow at their ends, side by side in one buffer: the page of a small dataset is mostly objects otherwise. When one is
 * full, all get room for a quarter more, because what is not used is memory of the head too.
 */
export class ByteStreams {
  #bytes: Uint8Array<ArrayBuffer>;
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];

  constructor(streams: number) {
    for (let stream = 0; stream < streams; stream++) {
      this.#starts.push(stream * FIRST_BYTES);
      this.#lengths.push(0);
    }
    this.#bytes = new Uint8Array(streams * FIRST_BYTES);
  }

  /** Bytes held, used or not. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** Bytes of all streams. */
  get length(): number {
    let length = 0;
    for (const own of this.#lengths) length += own;
    return length;
  }

  lengthOf(stream: number): number {
    return this.#lengths[stream]!;
  }

  /** Appends source[0 .. length). */
  append(stream: number, source: Uint8Array, length: number): void {
    const at = this.#lengths[stream]!;
    const end = this.#starts[stream + 1] ?? this.#bytes.length;
    if (this.#starts[stream]! + at + length > end) this.#grow(stream, at + length);
    this.#bytes.set(length === source.length ? source : source.subarray(0, length), this.#starts[stream]! + at);
    this.#lengths[stream] = at + length;
  }

  /** A view that the next `append` may leave behind. */
  view(stream: number): Uint8Array {
    return this.#bytes.subarray(this.#starts[stream], this.#starts[stream]! + this.#lengths[stream]!);
  }

  /** Forgets the content and keeps the buffer. */
  clear(): void {
    this.#lengths.fill(0);
  }

  #grow(full: number, need: number): void {
    const starts: number[] = [];
    let size = 0;
    for (let stream = 0; stream < this.#lengths.length; stream++) {
      const length = stream === full ? need : this.#lengths[stream]!;
      starts.push(size);
      size += length + (length >> 2) + MARGIN;
    }
    const larger = new Uint8Array(size);
    for (let stream = 0; stream < starts.length; stream++) larger.set(this.view(stream), starts[stream]);
    this.#bytes = larger;
    for (let stream = 0; stream < starts.length; stream++) this.#starts[stream] = starts[stream]!;
  }
}

const FIRST_BYTES = 16;
const MARGIN = 16;
