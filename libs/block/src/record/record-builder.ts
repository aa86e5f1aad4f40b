import { ByteWriter } from '@kiln/bytes';
import {
  KilnError,
  LabelSetTable,
  type LabelSet,
  type Profile,
  type SampleGroup,
  type Symbols,
  type TenantId,
  type ValueType,
} from '@kiln/model';
import { CODEC_NONE, CODEC_ZSTD, pack, type Compression } from '../codec.ts';
import { TextRows, writeDeltas, writeUints } from '../columns.ts';
import { PageBuilder } from '../page/page-builder.ts';
import { writeSpans } from '../sections/spans.ts';
import { SymbolRemap } from '../symbols/symbol-remap.ts';
import { SymbolTable } from '../symbols/symbol-table.ts';
import type { Codecs, DatasetSpans } from '../tables.ts';
import { RecordSpans } from './record-spans.ts';
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
import { writeSymbols } from './record-symbols.ts';
import { SampleSorter } from '../page/sample-sorter.ts';

/** What stands at the head of a record. */
export interface RecordOptions {
  readonly tenant: TenantId;
  /** When the push was received, Unix milliseconds. */
  readonly receivedMs: number;
  /** The tenant's duplicate window. */
  readonly windowMs: number;
  /** W3C trace context in binary: trace id 16, span id 8, flags 1. */
  readonly traceparent?: Uint8Array | undefined;
}

/**
 * Collects the profiles of one push that go to one partition into a record (layout: record-layout.ts). A record of one profile
 * takes its symbol table over as it is; from the second on all are interned into one.
 */
export class RecordBuilder {
  readonly #options: RecordOptions;
  readonly #datasets = new Map<string, DatasetDraft>();
  #first: { profile: Profile; id: Uint8Array } | undefined;
  #symbols: SymbolTable | undefined;
  #profiles = 0;
  #firstBytes = 0;

  constructor(options: RecordOptions) {
    this.#options = options;
  }

  /** How many profiles were added. */
  get profiles(): number {
    return this.#profiles;
  }

  /** Length of the body before compression, about: never more than a few percent too low. */
  get byteLength(): number {
    let bytes = 64 + (this.#symbols === undefined ? this.#firstBytes : this.#symbols.byteLength);
    for (const dataset of this.#datasets.values()) bytes += dataset.byteLength;
    return bytes;
  }

  /**
   * Adds a profile; its rows join those of profiles with the same service, name and value types.
   * @param id 16 bytes.
   */
  add(profile: Profile, id: Uint8Array): void {
    if (id.length !== PROFILE_ID_BYTES)
      throw new KilnError('internal', `profile id of ${id.length} bytes, ${PROFILE_ID_BYTES} expected`);
    for (const { stack, length } of profile.groups)
      if (length > 0 && stack[length - 1]! >= profile.symbols.stacks.length)
        throw new KilnError('internal', `stack ${stack[length - 1]} of ${profile.symbols.stacks.length} in a profile`);
    this.#profiles++;
    if (this.#profiles === 1) {
      this.#first = { profile, id };
      this.#firstBytes = profileBytes(profile);
      return;
    }
    this.#intern();
    this.#addInterned(profile, id);
  }

  /**
   * The record. Nothing may be added afterwards.
   * @param compression `none` where bytes are cheaper than the time to compress and decompress them: a log on a disk of this machine.
   * @throws KilnError `invalid_argument` when it is larger than a reader takes.
   */
  finish(codecs: Codecs, compression: Compression = 'zstd'): Uint8Array {
    const { receivedMs, windowMs, traceparent } = this.#options;
    const body = bodyScratch;
    body.clear();
    body.varint(receivedMs);
    body.varint(windowMs);
    if (traceparent !== undefined) {
      if (traceparent.length !== TRACEPARENT_BYTES)
        throw new KilnError('internal', `trace context of ${traceparent.length} bytes, ${TRACEPARENT_BYTES} expected`);
      body.bytes(traceparent);
    }
    if (this.#symbols === undefined && this.#first !== undefined) this.#writeSingle(body, this.#first);
    else this.#writeInterned(body, this.#symbols ?? new SymbolTable());
    const bytes = body.view();
    if (body.capacity > KEPT_SCRATCH_BYTES) bodyScratch = new ByteWriter();
    if (bytes.length > MAX_BODY_BYTES)
      throw new KilnError(
        'invalid_argument',
        `${this.#profiles} profile${this.#profiles === 1 ? '' : 's'} of ${bytes.length} bytes in one record, allowed are ${MAX_BODY_BYTES}; max_profile_size_bytes refuses such profiles sooner`,
        { reason: 'profile_size_limit' },
      );
    return this.#frame(bytes, codecs, compression);
  }

  #frame(body: Uint8Array, codecs: Codecs, compression: Compression): Uint8Array {
    const tenant = encoder.encode(this.#options.tenant);
    const { codec, stored } = compression === 'zstd' ? pack(codecs, body) : { codec: CODEC_NONE, stored: body };
    const w = new ByteWriter(RECORD_HEAD_BYTES + tenant.length + stored.length);
    w.u16(RECORD_MAGIC);
    w.u8(RECORD_MAJOR);
    w.u8(codec);
    w.u8(tenant.length);
    w.u8(this.#options.traceparent === undefined ? 0 : FLAG_TRACEPARENT);
    w.u16(0);
    w.u32(stored.length);
    w.u32(codec === CODEC_ZSTD ? body.length : stored.length);
    w.u32(0);
    w.bytes(tenant);
    w.bytes(stored);
    w.setU32(RECORD_CRC_AT, codecs.crc32(w.view()));
    return w.view(); // of exactly this size
  }

  /** The symbols as they came, the strings of the datasets behind those of the profile. */
  #writeSingle(body: ByteWriter, { profile, id }: { profile: Profile; id: Uint8Array }): void {
    const extra = new TextRows();
    const own = profile.symbols.strings;
    const dataset = new DatasetDraft(profile);
    const number = dataset.addProfile(profile, id);
    for (const group of profile.groups) {
      dataset.page.add(group.stack, group.values, group.length);
      dataset.addRow(number, group.series, group, undefined);
    }
    const content = contentScratch;
    content.clear();
    content.varint(1);
    dataset.write(content, (text) => (text === '' ? 0 : own.length + extra.row(text)));
    writeSymbols(body, withMapping(profile.symbols), extra.column());
    takeContent(body, content);
  }

  #writeInterned(body: ByteWriter, symbols: SymbolTable): void {
    const content = contentScratch;
    content.clear();
    content.varint(this.#datasets.size);
    for (const dataset of this.#datasets.values()) dataset.write(content, (text) => symbols.internString(text));
    writeSymbols(body, symbols.symbols());
    takeContent(body, content);
  }

  #intern(): void {
    if (this.#first === undefined) return;
    this.#symbols = new SymbolTable();
    const { profile, id } = this.#first;
    this.#first = undefined;
    this.#addInterned(profile, id);
  }

  #addInterned(profile: Profile, id: Uint8Array): void {
    const remap = new SymbolRemap(profile.symbols, this.#symbols!);
    const dataset = this.#datasetOf(profile);
    const number = dataset.addProfile(profile, id);
    for (const group of profile.groups) {
      const numbers = sorter.numbers(group.length);
      remap.stacks(group.stack, group.length, numbers);
      sorter.sort(numbers, group.values, group.length);
      dataset.page.add(sorter.stack, sorter.values, sorter.length);
      dataset.addRow(number, group.series, group, remap);
    }
  }

  #datasetOf(profile: Profile): DatasetDraft {
    const key = JSON.stringify([profile.service, profile.name, profile.types.map(typeTexts)]);
    let dataset = this.#datasets.get(key);
    if (dataset === undefined) {
      dataset = new DatasetDraft(profile);
      this.#datasets.set(key, dataset);
    }
    return dataset;
  }
}

/** The rows of one dataset while its record grows. */
class DatasetDraft {
  readonly service: string;
  readonly name: string;
  readonly types: readonly ValueType[];
  readonly page: PageBuilder;
  readonly #ids = new ByteWriter(64);
  readonly #timeMs: number[] = [];
  readonly #series = new LabelSetTable();
  readonly #rowProfile: number[] = [];
  readonly #rowSeries: number[] = [];
  #spans: RecordSpans | undefined;

  constructor({ service, name, types }: Profile) {
    this.service = service;
    this.name = name;
    this.types = types;
    this.page = new PageBuilder(types.length);
  }

  get byteLength(): number {
    return (
      200 +
      this.page.byteLength +
      this.#ids.length +
      this.#timeMs.length * 8 +
      this.#rowProfile.length * 6 +
      this.#series.labels * 8 +
      this.#series.textLength +
      (this.#spans?.byteLength ?? 0)
    );
  }

  addProfile(profile: Profile, id: Uint8Array): number {
    this.#ids.bytes(id);
    return this.#timeMs.push(floorMs(profile.timeNanos)) - 1;
  }

  /** The row whose samples were just added to `page`. */
  addRow(profile: number, series: LabelSet, { spans }: SampleGroup, remap: SymbolRemap | undefined): void {
    const row = this.#rowProfile.push(profile) - 1;
    this.#rowSeries.push(this.#series.number(series));
    if (spans === undefined || spans.length === 0) return;
    this.#spans ??= new RecordSpans(this.types.length);
    this.#spans.add(row, spans, remap);
  }

  write(w: ByteWriter, string: (text: string) => number): void {
    w.varint(string(this.service));
    w.varint(string(this.name));
    w.varint(this.types.length);
    for (const type of this.types) for (const text of typeTexts(type)) w.varint(string(text));
    w.varint(this.#timeMs.length);
    w.bytes(this.#ids.view());
    writeDeltas(w, Float64Array.from(this.#timeMs), 0, this.#timeMs.length);
    w.varint(this.#series.sets.length);
    for (const series of this.#series.sets) {
      w.varint(series.length);
      for (const { name, value } of series) {
        w.varint(string(name));
        w.varint(string(value));
      }
    }
    w.varint(this.#rowProfile.length);
    writeUints(w, Uint32Array.from(this.#rowProfile), this.#rowProfile.length);
    writeUints(w, Uint32Array.from(this.#rowSeries), this.#rowSeries.length);
    const page = this.page.toBytes();
    w.varint(page.length);
    w.bytes(page);
    const spans: DatasetSpans | undefined = this.#spans?.columns();
    w.u8(spans === undefined ? 0 : 1);
    if (spans !== undefined) writeSpans(w, spans);
  }
}

function typeTexts({ type, unit, periodType, periodUnit }: ValueType): string[] {
  return [type, unit, periodType, periodUnit];
}

/** Floor, also before 1970. */
function floorMs(nanos: bigint): number {
  const ms = nanos / 1_000_000n;
  return Number(nanos < 0n && ms * 1_000_000n !== nanos ? ms - 1n : ms);
}

/** A table without mappings gets an empty one, because every location of a record has one. */
function withMapping(symbols: Symbols): Symbols {
  if (symbols.mappings.length > 0 || symbols.locations.length === 0) return symbols;
  const zero = new BigUint64Array(1);
  const none = new Uint32Array(1);
  return {
    ...symbols,
    mappings: {
      length: 1,
      start: zero,
      limit: zero,
      offset: zero,
      fileName: none,
      buildId: none,
      flags: new Uint8Array(1),
    },
    locations: { ...symbols.locations, mapping: new Uint32Array(symbols.locations.length) },
  };
}

/** What a profile will take in a body, about. */
function profileBytes(profile: Profile): number {
  const { service, types, symbols, groups } = profile;
  const { strings, functions, mappings, locations, tree, stacks } = symbols;
  let bytes = strings.offsets[strings.length]! + strings.length * 2 + functions.length * 8 + mappings.length * 24;
  bytes += 64 + service.length + profile.name.length;
  const texts = new Set<string>();
  for (const type of types) bytes += 12 + typeTexts(type).join('').length;
  bytes += locations.length * 12 + tree.length * 4 + stacks.length * 3;
  for (const { series, length, values, spans } of groups) {
    bytes +=
      32 + length * (2 + 2 * values.length) + (spans === undefined ? 0 : spans.length * (30 + 4 * values.length));
    bytes += series.length * 8;
    for (const { name, value } of series) {
      texts.add(name);
      texts.add(value);
    }
  }
  for (const text of texts) bytes += text.length;
  return bytes;
}

/** Puts the content behind the symbols. */
function takeContent(body: ByteWriter, content: ByteWriter): void {
  body.bytes(content.view());
  if (content.capacity > KEPT_SCRATCH_BYTES) contentScratch = new ByteWriter();
}

const encoder = new TextEncoder();

/** Samples of records of several profiles are sorted here. */
const sorter = new SampleSorter();

/** Bodies are written here before they are compressed or copied: nothing in `finish` waits, so one buffer serves every record. */
let bodyScratch = new ByteWriter();
let contentScratch = new ByteWriter();
/** Larger ones are given up: they would be kept for one large push. */
const KEPT_SCRATCH_BYTES = 1024 * 1024;
