import type { Codecs } from '@kiln/block';
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

/** Node's own compression and checksum, synchronous: in a worker a thread-pool hop costs more than it frees (design: engine.md §9, 16). */
export const nodeCodecs: Codecs = {
  crc32: (bytes, seed = 0) => crc32(bytes, seed),
  zstdCompress: (bytes) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
  zstdDecompress: (bytes, maxLength) =>
    zstdDecompressSync(bytes, {
      maxOutputLength: Math.max(1, maxLength), // zero would mean "any length" to zlib
      // All at once instead of pieces that are joined; what is stored bounds it, because the length is only what the bytes claim.
      chunkSize: Math.max(64, Math.min(maxLength + 1, bytes.length * 16 + 1024)),
    }),
};
