import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Codecs } from '@kiln/block';

const level1 = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Compression and checksum by Node's own zlib. */
export function nodeCodecs(): Codecs {
  return {
    crc32: (bytes, seed) => crc32(bytes, seed),
    zstdCompress: (bytes) => zstdCompressSync(bytes, level1),
    // Zero would mean "any length" to zlib.
    zstdDecompress: (bytes, maxLength) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxLength) }),
  };
}
