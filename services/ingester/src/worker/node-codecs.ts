import type { Codecs } from '@kiln/block';
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

/** Node's own compression and checksum, synchronous: in a worker a thread-pool hop costs more than it frees (design: engine.md §9, 16). */
export const nodeCodecs: Codecs = {
  crc32: (bytes, seed = 0) => crc32(bytes, seed),
  zstdCompress: (bytes) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
  // Zero would mean "any length" to zlib.
  zstdDecompress: (bytes, maxLength) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxLength) }),
};
