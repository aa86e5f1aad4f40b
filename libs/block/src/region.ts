import { ByteReader, type ByteWriter, CorruptDataError } from '@kiln/bytes';
import { CODEC_NONE, pack, unpack } from './codec.ts';
import type { Codecs } from './tables.ts';
import { KIND, REGION_MAGIC } from './versions.ts';

/*
 * region := head | tenant | zeros to 8 | payload | zeros to 8
 * head   := "RG" u16 | kind u8 | codec u8 | tenantLen u8 | 0 u8 | 0 u16 | dataset u32 | storedLen u32 | rawLen u32 | crc32 u32   (24 B)
 *           crc32 of the head with this field 0, the tenant, and the stored payload; of SAMPLES without the payload
 */
const REGION_HEAD_BYTES = 24;
const CRC_AT = 20;

/** Whose region it is; all of it stands in the head and in the checksum, and a reader compares all of it. */
export interface RegionOwner {
  readonly kind: number;
  /** The tenant as bytes; none for the directory and the ids. */
  readonly tenant: Uint8Array;
  /** Ordinal in the table of contents; 0 for what belongs to no dataset. */
  readonly dataset: number;
}

/** Where a region lies; `off` counts from what the place is written in. */
export interface Place {
  readonly off: number;
  readonly len: number;
}

/** More than any section is; a stated length above it is refused before memory is taken. */
const MAX_RAW_BYTES = 1024 * 1024 * 1024;

/** Appends a region at a multiple of 8 and returns where. SAMPLES are stored as they are: their pages are packed one by one. */
export function writeRegion(w: ByteWriter, codecs: Codecs, owner: RegionOwner, payload: Uint8Array): Place {
  w.align(8);
  const off = w.length;
  const isSamples = owner.kind === KIND.samples;
  const { codec, stored } = isSamples ? { codec: CODEC_NONE, stored: payload } : pack(codecs, payload);
  w.u16(REGION_MAGIC);
  w.u8(owner.kind);
  w.u8(codec);
  w.u8(owner.tenant.length);
  w.u8(0);
  w.u16(0);
  w.u32(owner.dataset);
  w.u32(stored.length);
  w.u32(payload.length);
  w.u32(0);
  w.bytes(owner.tenant);
  const headCrc = codecs.crc32(w.view().subarray(off));
  w.setU32(off + CRC_AT, isSamples ? headCrc : codecs.crc32(stored, headCrc));
  w.align(8);
  w.bytes(stored);
  w.align(8);
  return { off, len: w.length - off };
}

/**
 * The payload of the region at `place`, when it is the one that was asked for.
 * @throws CorruptDataError when it is another's, or damaged, or leaves the bytes.
 */
export function readRegion(bytes: Uint8Array, place: Place, owner: RegionOwner, codecs: Codecs): Uint8Array {
  const format = `section ${owner.kind}`;
  const { off, len } = place;
  if (off % 8 !== 0 || off + len > bytes.length || len < REGION_HEAD_BYTES)
    throw new CorruptDataError(format, off, `region of ${len} bytes at ${off} in ${bytes.length}`);
  const r = new ByteReader(bytes, format, off, off + len);
  if (r.u16() !== REGION_MAGIC) r.fail('no region begins here');
  const kind = r.u8();
  const codec = r.u8();
  const tenantLength = r.u8();
  r.take(3);
  const dataset = r.u32();
  const storedLength = r.u32();
  const rawLength = r.u32();
  const crc = r.u32();
  if (kind !== owner.kind || dataset !== owner.dataset)
    r.fail(`section ${kind} of dataset ${dataset} where section ${owner.kind} of dataset ${owner.dataset} is expected`);
  const differs = differences(r.take(tenantLength), owner.tenant);
  if (differs !== undefined)
    r.fail(`the tenant in its head is not ${JSON.stringify(decoder.decode(owner.tenant))}: ${differs}`);
  const headEnd = r.position;
  takeZeros(r, padding(r.position - off));
  const stored = r.take(storedLength);
  if (padding(r.position - off) !== r.left) r.fail(`${r.left} bytes behind the payload`);
  takeZeros(r, r.left);
  const headCrc = headChecksum(codecs, bytes.subarray(off, headEnd), CRC_AT);
  const found = kind === KIND.samples ? headCrc : codecs.crc32(stored, headCrc);
  if (found !== crc) r.fail('checksum does not match');
  if (rawLength > MAX_RAW_BYTES) r.fail(`section of ${rawLength} bytes, limit ${MAX_RAW_BYTES}`);
  return unpack(codecs, codec, stored, rawLength, format);
}

/** Where the payload of a region lies, with the zeros behind it. */
export function payloadPlace({ off, len }: Place, tenant: Uint8Array): Place {
  const head = REGION_HEAD_BYTES + tenant.length;
  const skipped = head + padding(head);
  return { off: off + skipped, len: len - skipped };
}

/** CRC-32 of `head` as if the four bytes at `crcAt`, where it is stored, were 0. */
export function headChecksum(codecs: Codecs, head: Uint8Array, crcAt: number): number {
  const before = codecs.crc32(head.subarray(0, crcAt));
  return codecs.crc32(head.subarray(crcAt + 4), codecs.crc32(ZEROS, before));
}

/** The seed of the checksums of a dataset's pages: a page that is moved to another dataset or tenant does not match. */
export function pageSeed(codecs: Codecs, tenant: Uint8Array, dataset: number): number {
  const seed = new Uint8Array(tenant.length + 4);
  seed.set(tenant);
  new DataView(seed.buffer).setUint32(tenant.length, dataset, true);
  return codecs.crc32(seed);
}

const ZEROS = new Uint8Array(4);

/** No checksum covers the bytes between; whoever checks every byte of an object checks these here. */
function takeZeros(r: ByteReader, length: number): void {
  for (let i = 0; i < length; i++) if (r.u8() !== 0) r.fail('a byte that is not 0 where nothing is stored');
}

function padding(length: number): number {
  return (8 - (length % 8)) % 8;
}

const decoder = new TextDecoder();

/** How a name is not the expected one; undefined when it is. It is not told itself: a client hears of it, and it may be another's. */
function differences(found: Uint8Array, expected: Uint8Array): string | undefined {
  if (found.length !== expected.length) return `it has ${found.length} bytes`;
  const count = found.reduce((sum, byte, i) => sum + (byte === expected[i] ? 0 : 1), 0);
  return count === 0 ? undefined : `${count} of ${found.length} bytes differ`;
}
