import type { Codecs } from '@kiln/block';
import { CorruptDataError } from '@kiln/bytes';

/** `KAH1`. No profile begins so: `K` would begin a group of protobuf, and pprof has none. */
const MAGIC = 0x3148_414b;
const HEADER = 8;

/**
 * The object of an ad hoc profile: `KAH1`, the CRC-32 of the file (little-endian), then the file as it was uploaded. What does not begin so is of a build
 * before this one, and is the file alone.
 */
export function encodeAdHocObject(crc32: Codecs['crc32'], file: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + file.length);
  const header = new DataView(bytes.buffer);
  header.setUint32(0, MAGIC, true);
  header.setUint32(4, crc32(file), true);
  bytes.set(file, HEADER);
  return bytes;
}

/** The file in an ad hoc object. @throws CorruptDataError naming the key. */
export function decodeAdHocObject(crc32: Codecs['crc32'], key: string, bytes: Uint8Array): Uint8Array {
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER || header.getUint32(0, true) !== MAGIC) return bytes;
  const file = bytes.subarray(HEADER);
  const written = header.getUint32(4, true);
  const found = crc32(file) >>> 0;
  if (written !== found) throw new CorruptDataError(key, HEADER, `CRC-32 ${found}, its header says ${written}`);
  return file;
}
