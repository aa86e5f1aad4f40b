import { ByteReader, ByteWriter, CorruptDataError } from '@kiln/bytes';
import { KilnError, parseLogId, parseTenantId, type LogId, type TenantId } from '@kiln/model';
import { plainBytes } from './codec.ts';
import { readInt, writeInt } from './columns.ts';
import { readRegion, writeRegion, type Place, type RegionOwner } from './region.ts';
import type { Codecs } from './tables.ts';
import { checkVersion, FOOTER_MAGIC, KIND, MAJOR, MINOR, OBJECT_MAGIC } from './versions.ts';

/*
 * object := header  part*  IDS?  DIR  footer
 * header := "PBK1" u32 | major u16 | minor u16                                                       (8 B)
 * DIR    := level u8 | blockId 16 B | level 0: logIdLen, logId, start, end (zigzag) | idsOff, idsLen | n * (tenantLen, tenant, off, len, rows, minMs (zigzag), maxMs - minMs)
 *           sorted by tenant
 * footer := dirOff u64 | dirLen u32 | major u16 | minor u16 | objectLen u64 | footerCrc32 u32 | "PBKF" u32         (32 B, last bytes)
 *           footerCrc32 of the 24 bytes before it
 */
export const FOOTER_BYTES = 32;
const BLOCK_ID_BYTES = 16;
/** What one ranged read of an object's end fetches: footer and directory of nearly every object, and small objects whole. */
export const TAIL_BYTES: number = 64 * 1024;

/** Where a tenant's part lies in an object, and what it holds. */
export interface TenantEntry {
  readonly tenant: TenantId;
  readonly off: number;
  readonly len: number;
  readonly rows: number;
  readonly minMs: number;
  /** Inclusive. */
  readonly maxMs: number;
}

/** What an object says of itself. */
export interface Directory {
  /** 0 for a segment, 1 and 2 for a tenant's blocks. */
  readonly level: number;
  readonly blockId: Uint8Array;
  /** Level 0: the log, and the rows (start, end] of it. */
  readonly logId: LogId | undefined;
  readonly start: number;
  readonly end: number;
  /** Where the ids lie; length 0 when there are none. */
  readonly idsOff: number;
  readonly idsLen: number;
  readonly entries: readonly TenantEntry[];
}

/** What the last 32 bytes of an object say. */
export interface Footer {
  readonly dirOff: number;
  readonly dirLen: number;
  readonly objectLength: number;
}

const OWNER: RegionOwner = { kind: KIND.directory, tenant: new Uint8Array(0), dataset: 0 };

/** A writer behind the header of a new object. @param blockId 16 bytes. */
export function startObject(blockId: Uint8Array): ByteWriter {
  if (blockId.length !== BLOCK_ID_BYTES)
    throw new KilnError('internal', `block id of ${blockId.length} bytes, ${BLOCK_ID_BYTES} expected`);
  const w = new ByteWriter(64 * 1024);
  w.u32(OBJECT_MAGIC);
  w.u16(MAJOR);
  w.u16(MINOR);
  return w;
}

/** Appends directory and footer: the object is then complete. */
export function writeDirectory(w: ByteWriter, directory: Directory, codecs: Codecs): void {
  const { off, len } = writeRegion(w, codecs, OWNER, encodeDirectory(directory));
  const start = w.length;
  w.u64(BigInt(off));
  w.u32(len);
  w.u16(MAJOR);
  w.u16(MINOR);
  w.u64(BigInt(start + FOOTER_BYTES));
  w.u32(codecs.crc32(w.view().subarray(start)));
  w.u32(FOOTER_MAGIC);
}

function encodeDirectory({ level, blockId, logId, start, end, idsOff, idsLen, entries }: Directory): Uint8Array {
  const w = new ByteWriter(256);
  w.u8(level);
  w.bytes(blockId);
  if (level === 0) {
    w.text(logId ?? '');
    writeInt(w, start);
    writeInt(w, end);
  }
  w.varint(idsOff);
  w.varint(idsLen);
  w.varint(entries.length);
  for (const { tenant, off, len, rows, minMs, maxMs } of entries) {
    w.text(tenant);
    w.varint(off);
    w.varint(len);
    w.varint(rows);
    writeInt(w, minMs);
    w.varint(maxMs - minMs);
  }
  return w.view();
}

/**
 * @param tail the last bytes of an object, 32 at least.
 * @param objectLength its length, compared when given.
 * @throws CorruptDataError, or KilnError `failed_precondition` for a newer major version.
 */
export function readFooter(tail: Uint8Array, codecs: Codecs, objectLength?: number): Footer {
  if (tail.length < FOOTER_BYTES)
    throw new CorruptDataError('footer', 0, `${tail.length} bytes, ${FOOTER_BYTES} needed`);
  const at = tail.length - FOOTER_BYTES;
  const r = new ByteReader(tail, 'footer', at);
  const dirOff = Number(r.u64());
  const dirLen = r.u32();
  const major = r.u16();
  const minor = r.u16();
  const length = Number(r.u64());
  const crc = r.u32();
  if (r.u32() !== FOOTER_MAGIC) r.fail('no object ends here');
  if (crc !== codecs.crc32(tail.subarray(at, at + FOOTER_BYTES - 8))) r.fail('checksum does not match');
  checkVersion(major, minor, 'object');
  if (objectLength !== undefined && objectLength !== length)
    r.fail(`object of ${objectLength} bytes where ${length} are stated`);
  if (length < tail.length || dirOff + dirLen !== length - FOOTER_BYTES)
    r.fail(`directory of ${dirLen} bytes at ${dirOff} in an object of ${length}`);
  return { dirOff, dirLen, objectLength: length };
}

/**
 * The directory of an object whose manifest is not known.
 * @param tail the object's last bytes; when they do not reach back to the directory, `neededTailBytes(readFooter(…))` says how many do.
 * @throws CorruptDataError, or KilnError `failed_precondition` for a newer major version.
 */
export function readDirectory(tail: Uint8Array, codecs: Codecs, objectLength?: number): Directory {
  const footer = readFooter(tail, codecs, objectLength);
  const base = footer.objectLength - tail.length;
  if (footer.dirOff < base)
    throw new CorruptDataError(
      'directory',
      footer.dirOff,
      `it begins ${base - footer.dirOff} bytes before the bytes at hand`,
    );
  const place: Place = { off: 0, len: footer.dirLen };
  const payload = readRegion(plainBytes(tail).subarray(footer.dirOff - base, -FOOTER_BYTES), place, OWNER, codecs);
  return decodeDirectory(payload, footer.dirOff);
}

/** How many of an object's last bytes `readDirectory` needs. */
export function neededTailBytes({ dirOff, objectLength }: Footer): number {
  return objectLength - dirOff;
}

function decodeDirectory(payload: Uint8Array, dirOff: number): Directory {
  const r = new ByteReader(payload, 'directory');
  const level = r.u8();
  const blockId = r.take(BLOCK_ID_BYTES);
  let logId: LogId | undefined;
  let [start, end] = [-1, -1];
  if (level === 0) {
    logId = parsed(r, parseLogId);
    start = readInt(r);
    end = readInt(r);
  }
  const idsOff = r.varint();
  const idsLen = r.varint();
  if (idsOff + idsLen > dirOff) r.fail(`ids of ${idsLen} bytes at ${idsOff} behind the directory`);
  const entries: TenantEntry[] = [];
  for (let left = r.count(6); left > 0; left--) {
    const tenant = parsed(r, parseTenantId);
    if (entries.length > 0 && entries.at(-1)!.tenant >= tenant) r.fail('tenants out of order');
    const [off, len, rows] = [r.varint(), r.varint(), r.varint()];
    if (off + len > dirOff) r.fail(`part of ${len} bytes at ${off} behind the directory`);
    const minMs = readInt(r);
    entries.push({ tenant, off, len, rows, minMs, maxMs: minMs + r.varint() });
  }
  if (r.left > 0) r.fail(`${r.left} bytes behind the last tenant`);
  return { level, blockId, logId, start, end, idsOff, idsLen, entries };
}

function parsed<T extends string>(r: ByteReader, parse: (text: string) => T): T {
  const text = r.text();
  try {
    const value = parse(text);
    if (value === text) return value;
  } catch {
    // the sentence below says it
  }
  return r.fail(`${JSON.stringify(text.slice(0, 200))} where a name is expected`);
}
