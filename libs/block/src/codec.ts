import { CorruptDataError } from '@kiln/bytes';
import type { Codecs } from './tables.ts';

export const CODEC_NONE = 0;
export const CODEC_ZSTD = 1;

/** Below this many bytes a call costs more than it saves. */
const WORTHWHILE = 128;

/** How a writer may store bytes: compressed where that pays, or always as they are. */
export type Compression = 'none' | 'zstd';

/** Compressed when that saves a sixteenth at least, else as it is. */
export function pack(codecs: Codecs, raw: Uint8Array): { codec: number; stored: Uint8Array } {
  if (raw.length < WORTHWHILE) return { codec: CODEC_NONE, stored: raw };
  const stored = codecs.zstdCompress(raw);
  return stored.length <= raw.length - raw.length / 16
    ? { codec: CODEC_ZSTD, stored }
    : { codec: CODEC_NONE, stored: raw };
}

/**
 * The same bytes as a plain Uint8Array. Node hands out Buffers, whose `slice` is a view, and a second class of typed array makes
 * hot loops slower.
 */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * @throws CorruptDataError when the content is damaged, is not `rawLength` bytes, or the codec is unknown; what `codecs` throws when there is no memory:
 * the same bytes are readable when there is.
 */
export function unpack(
  codecs: Codecs,
  codec: number,
  stored: Uint8Array,
  rawLength: number,
  format: string,
): Uint8Array {
  if (codec === CODEC_NONE) {
    if (stored.length !== rawLength)
      throw new CorruptDataError(format, 0, `${stored.length} bytes where ${rawLength} are stated`);
    return plainBytes(stored);
  }
  if (codec !== CODEC_ZSTD) throw new CorruptDataError(format, 0, `codec ${codec}, known are 0 (none) and 1 (zstd)`);
  let raw: Uint8Array;
  try {
    raw = plainBytes(codecs.zstdDecompress(stored, rawLength));
  } catch (error) {
    if (isOutOfMemory(error)) throw error;
    throw new CorruptDataError(format, 0, `zstd: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (raw.length !== rawLength)
    throw new CorruptDataError(format, 0, `${raw.length} bytes decompressed where ${rawLength} are stated`);
  return raw;
}

/** As Node's zlib and V8 say it; an output longer than stated is the content's fault. */
function isOutOfMemory(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ERR_MEMORY_ALLOCATION_FAILED' || code === 'ZSTD_error_memory_allocation') return true;
  return error instanceof RangeError && code !== 'ERR_BUFFER_TOO_LARGE';
}
