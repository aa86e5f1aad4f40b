import { ByteReader, ColumnArena, CorruptDataError } from '@kiln/bytes';
import { KilnError, parseTenantId, type LabelSet, type Symbols, type TenantId, type ValueType } from '@kiln/model';
import { plainBytes, unpack } from '../codec.ts';
import { readDeltas, readUints, Texts } from '../columns.ts';
import { PageRows } from '../page/page-rows.ts';
import { headChecksum } from '../region.ts';
import { readSpans } from '../sections/spans.ts';
import type { Codecs, DatasetSpans, Page } from '../tables.ts';
import {
  FLAG_TRACEPARENT,
  MAX_BODY_BYTES,
  PROFILE_ID_BYTES,
  RECORD_CRC_AT,
  RECORD_HEAD_BYTES,
  RECORD_MAGIC,
  RECORD_MAJOR,
  TRACEPARENT_BYTES,
} from './record-layout.ts';
import { readSymbols } from './record-symbols.ts';

/** One entry of a log: some profiles of one tenant, from one push. Byte columns are views of the decoded body. */
export interface LogRecord {
  readonly tenant: TenantId;
  readonly receivedMs: number;
  /** Duplicate window that the profiles keep. */
  readonly windowMs: number;
  /** Binary trace context, 25 bytes. */
  readonly traceparent: Uint8Array | undefined;
  readonly symbols: Symbols;
  readonly datasets: readonly RecordDataset[];
}

/** The profiles of one record that share service, `__name__` and value types. */
export interface RecordDataset {
  readonly service: string;
  readonly name: string;
  readonly types: readonly ValueType[];
  /** `id`: 16 bytes each. */
  readonly profiles: { readonly length: number; readonly id: Uint8Array; readonly timeMs: Float64Array };
  readonly series: readonly LabelSet[];
  /** One row per (profile, series): row numbers of `profiles` and `series`. */
  readonly rows: { readonly length: number; readonly profile: Uint32Array; readonly series: Uint32Array };
  /** The samples of the rows. Every row and stack number has been checked. */
  readonly page: Page;
  /** Decodes the page's rows: `rewind` first. Of one row, as nearly every page here has, the check has left the samples. */
  readonly samples: PageRows;
  /** `row` counts the rows of this dataset. */
  readonly spans: DatasetSpans | undefined;
}

/** Reads records into columns that it reuses: what `read` returns is good until the next `read` of the same reader. */
export class RecordReader {
  readonly #codecs: Codecs;
  readonly #maxBodyBytes: number;
  readonly #arena = new ColumnArena();

  /** @param maxBodyBytes refuses larger bodies before decompression. */
  constructor(codecs: Codecs, maxBodyBytes: number = MAX_BODY_BYTES) {
    this.#codecs = codecs;
    this.#maxBodyBytes = maxBodyBytes;
  }

  /**
   * Decodes a record and checks all of it: checksum, counts, row numbers, pages.
   * @throws CorruptDataError for bytes that are no record, KilnError `failed_precondition` for one of a newer major version.
   */
  read(record: Uint8Array): LogRecord {
    const codecs = this.#codecs;
    const bytes = plainBytes(record);
    const head = new ByteReader(bytes, FORMAT);
    if (head.u16() !== RECORD_MAGIC) head.fail('no record begins here');
    const major = head.u8();
    const codec = head.u8();
    const tenantLength = head.u8();
    const flags = head.u8();
    const reserved = head.u16();
    const storedLength = head.u32();
    const rawLength = head.u32();
    const crc = head.u32();
    if (major !== RECORD_MAJOR) refuseMajor(bytes, major);
    const tenantBytes = head.take(tenantLength);
    const stored = head.take(storedLength);
    if (head.left > 0) head.fail(`${head.left} bytes behind the record`);
    const found = headChecksum(codecs, bytes, RECORD_CRC_AT);
    if (found !== crc) head.fail(`checksum ${hex(found)} where ${hex(crc)} is stated`);
    if (flags > FLAG_TRACEPARENT || reserved !== 0)
      head.fail(`flags ${flags}, ${reserved}, which this version does not know`);
    if (rawLength > this.#maxBodyBytes) head.fail(`body of ${rawLength} bytes, limit ${this.#maxBodyBytes}`);
    const body = new ByteReader(unpack(codecs, codec, stored, rawLength, FORMAT), FORMAT);
    this.#arena.clear();
    return { tenant: tenantOf(tenantBytes), ...readBody(body, flags, this.#arena) };
  }
}

/** Reads one record, as `RecordReader.read` does, into memory of its own. Who reads many keeps a reader. */
export function decodeRecord(record: Uint8Array, codecs: Codecs, maxBodyBytes: number = MAX_BODY_BYTES): LogRecord {
  return new RecordReader(codecs, maxBodyBytes).read(record);
}

function readBody(r: ByteReader, flags: number, arena: ColumnArena): Omit<LogRecord, 'tenant'> {
  const receivedMs = r.varint();
  const windowMs = r.varint();
  const traceparent = flags === FLAG_TRACEPARENT ? r.take(TRACEPARENT_BYTES) : undefined;
  const symbols = readSymbols(r, arena);
  const texts = new Texts(symbols.strings, FORMAT);
  const count = r.count(8);
  const datasets: RecordDataset[] = [];
  for (let i = 0; i < count; i++) datasets.push(readDataset(r, symbols, texts));
  if (r.left > 0) r.fail(`${r.left} bytes behind the last dataset`);
  return { receivedMs, windowMs, traceparent, symbols, datasets };
}

function readDataset(r: ByteReader, symbols: Symbols, texts: Texts): RecordDataset {
  const service = texts.at(r.varint());
  const name = texts.at(r.varint());
  const types = readTypes(r, texts);
  const profileCount = r.count(PROFILE_ID_BYTES + 1);
  const id = r.take(profileCount * PROFILE_ID_BYTES);
  const timeMs = new Float64Array(profileCount);
  readDeltas(r, timeMs, 0, profileCount);
  const series = readSeries(r, texts);
  const rowCount = r.count(2);
  const profile = readUints(r, rowCount, profileCount, 'profile');
  const rowSeries = readUints(r, rowCount, series.length, 'series');
  const page: Page = { firstRow: 0, rows: rowCount, bytes: r.take(r.count()) };
  const stacks = symbols.stacks.length;
  const samples = new PageRows(page, types.length, stacks);
  while (samples.next());
  const hasSpans = r.u8();
  if (hasSpans > 1) r.fail(`${hasSpans} where spans are announced, known are 0 and 1`);
  return {
    service,
    name,
    types,
    profiles: { length: profileCount, id, timeMs },
    series,
    rows: { length: rowCount, profile, series: rowSeries },
    page,
    samples,
    spans: hasSpans === 1 ? readSpans(r, types.length, rowCount, stacks) : undefined,
  };
}

function readTypes(r: ByteReader, texts: Texts): ValueType[] {
  const types: ValueType[] = [];
  for (let left = r.count(4); left > 0; left--) {
    const [type, unit, periodType, periodUnit] = [r.varint(), r.varint(), r.varint(), r.varint()];
    types.push({
      type: texts.at(type),
      unit: texts.at(unit),
      periodType: texts.at(periodType),
      periodUnit: texts.at(periodUnit),
    });
  }
  return types;
}

/** Label sets must be what `labelSet` makes: sorted by name, every name once. */
function readSeries(r: ByteReader, texts: Texts): LabelSet[] {
  const series: LabelSet[] = [];
  for (let left = r.count(); left > 0; left--) {
    const labels: { name: string; value: string }[] = [];
    for (let count = r.count(2); count > 0; count--) {
      const name = texts.at(r.varint());
      const value = texts.at(r.varint());
      if (labels.length > 0 && labels.at(-1)!.name >= name) r.fail(`label ${JSON.stringify(name)} out of order`);
      labels.push({ name, value });
    }
    series.push(labels);
  }
  return series;
}

function tenantOf(bytes: Uint8Array): TenantId {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const tenant = parseTenantId(text);
    if (tenant === text) return tenant;
  } catch {
    // the sentence below says it
  }
  throw new CorruptDataError(FORMAT, RECORD_HEAD_BYTES, 'a tenant that is no tenant id');
}

function refuseMajor(bytes: Uint8Array, major: number): never {
  if (major < RECORD_MAJOR) throw new CorruptDataError(FORMAT, 2, `version ${major}`);
  throw new KilnError(
    'failed_precondition',
    `log record of format version ${major} (${bytes.length} bytes), supported is ${RECORD_MAJOR}: it was written by a newer Kiln`,
  );
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

const FORMAT = 'log record';
