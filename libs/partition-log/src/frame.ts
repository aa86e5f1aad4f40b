import type { DiskFile } from '@kiln/disk';

// A segment file is frames, one after the other, nothing else. Little endian:
//
//   frame := length u32 | crc32 u32 | append ms u64 | record
//
// Bit 31 of length says "starts a batch": when this frame was written, everything before it in the file was durable. The other bits are the bytes of
// the record. The CRC is over the length field, the append time and the record.

/** CRC-32 (IEEE), continued from `seed`: `zlib.crc32`. */
export type Crc32 = (bytes: Uint8Array, seed?: number) => number;

export const HEADER_BYTES = 16;
/** What a Kafka broker of ours takes; a longer length is damage. */
export const MAX_RECORD_BYTES = 16_000_000;
const STARTS_BATCH = 0x8000_0000;
const WINDOW_BYTES = 1 << 20;

/** A frame as found in a file. */
export interface Frame {
  /** A view of memory that is not used again; undefined when the CRC is wrong. */
  readonly record: Uint8Array | undefined;
  readonly appendMs: number;
  readonly startsBatch: boolean;
  /** Where the next frame starts, if the length is right. */
  readonly next: number;
}

/** The frames of one batch in one piece. */
export function encodeFrames(records: readonly Uint8Array[], appendMs: number, crc32: Crc32): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const record of records) size += HEADER_BYTES + record.length;
  // Every byte is written below: zeros first would be written for nothing.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const record of records) {
    view.setUint32(at, at === 0 ? record.length + STARTS_BATCH : record.length, true);
    view.setUint32(at + 8, appendMs >>> 0, true);
    view.setUint32(at + 12, Math.floor(appendMs / 2 ** 32), true);
    bytes.set(record, at + HEADER_BYTES);
    const end = at + HEADER_BYTES + record.length;
    view.setUint32(at + 4, frameCrc(bytes.subarray(at, end), crc32), true);
    at = end;
  }
  return bytes;
}

function frameCrc(frame: Uint8Array, crc32: Crc32): number {
  return crc32(frame.subarray(8), crc32(frame.subarray(0, 4)));
}

/** Finds frames in a file, through a window that moves over it. */
export class FrameReader {
  readonly #file: DiskFile;
  readonly #crc32: Crc32;
  #window = new Uint8Array(0);
  #windowAt = 0;

  constructor(file: DiskFile, crc32: Crc32) {
    this.#file = file;
    this.#crc32 = crc32;
  }

  /** The frame at a position, or undefined when none fits between there and `end`. */
  async frameAt(position: number, end: number): Promise<Frame | undefined> {
    if (end - position < HEADER_BYTES) return undefined;
    const header = this.#loaded(position, HEADER_BYTES) ?? (await this.#load(position, HEADER_BYTES, end));
    if (header === undefined) return undefined;
    const view = new DataView(header.buffer, header.byteOffset, HEADER_BYTES);
    const length = view.getUint32(0, true);
    const size = HEADER_BYTES + (length >= STARTS_BATCH ? length - STARTS_BATCH : length);
    if (size > HEADER_BYTES + MAX_RECORD_BYTES || size > end - position) return undefined;
    const crc = view.getUint32(4, true);
    const appendMs = view.getUint32(12, true) * 2 ** 32 + view.getUint32(8, true);
    const frame = this.#loaded(position, size) ?? (await this.#load(position, size, end));
    if (frame === undefined) return undefined;
    const whole = frameCrc(frame, this.#crc32) === crc && appendMs <= Number.MAX_SAFE_INTEGER;
    return {
      record: whole ? frame.subarray(HEADER_BYTES) : undefined,
      appendMs,
      startsBatch: length >= STARTS_BATCH,
      next: position + size,
    };
  }

  /** The first position from `from` on with a whole frame that starts a batch, not stamped before `minMs`. Byte by byte: only for damage. */
  async findBatchStart(from: number, end: number, minMs: number): Promise<number | undefined> {
    for (let at = from; at + HEADER_BYTES <= end; at++) {
      const header = this.#loaded(at, HEADER_BYTES) ?? (await this.#load(at, HEADER_BYTES, end));
      if (header === undefined) return undefined;
      // The flag is set, and a stamp of our millennia has two zero bytes: hardly anything else gets to the CRC.
      if (header[3]! < 128 || header[14] !== 0 || header[15] !== 0) continue;
      const frame = await this.frameAt(at, end);
      if (frame?.record !== undefined && frame.startsBatch && frame.appendMs >= minMs) return at;
    }
    return undefined;
  }

  #loaded(position: number, length: number): Uint8Array | undefined {
    const at = position - this.#windowAt;
    if (at < 0 || at + length > this.#window.length) return undefined;
    return this.#window.subarray(at, at + length);
  }

  /** A fresh window each time: records that were handed out are views of the old one. */
  async #load(position: number, length: number, end: number): Promise<Uint8Array | undefined> {
    const window = new Uint8Array(Math.max(length, Math.min(WINDOW_BYTES, end - position)));
    const found = await this.#file.read(window, position);
    this.#window = window.subarray(0, found);
    this.#windowAt = position;
    return this.#loaded(position, length);
  }
}
