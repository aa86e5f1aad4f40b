import { ByteReader, ByteWriter, CorruptDataError } from '@kiln/bytes';
import type { LabelSet, Symbols, TenantId, ValueType } from '@kiln/model';
import {
  decodeContents,
  encodeContents,
  type ContentsEntry,
  type DatasetCounts,
  type SectionPlace,
} from './contents.ts';
import type { TenantEntry } from './directory.ts';
import { PartBytes } from './part-bytes.ts';
import { rollUp } from './compact/roll-up.ts';
import { pageSeed, payloadPlace, readRegion, writeRegion, type Place, type RegionOwner } from './region.ts';
import { decodePages, encodePages, type StoredPage } from './sections/page-directory.ts';
import { decodeRollups, encodeRollups } from './sections/rollup.ts';
import { decodeRows, encodeRows } from './sections/row-index.ts';
import { decodeSeries, encodeSeries } from './sections/series.ts';
import { readSpans, writeSpans } from './sections/spans.ts';
import { decodeSymbols } from './sections/symbols/decode-symbols.ts';
import { encodeSymbols } from './sections/symbols/encode-symbols.ts';
import type { Codecs, DatasetSpans, DatasetTables, Rollup, RowColumns, StoredSizes } from './tables.ts';
import { KIND, PART_MAGIC } from './versions.ts';

/*
 * part := region* TOC tocLen u32 | "PBKT" u32        one tenant; sections of a dataset in the order of their kinds
 */
const TRAILER_BYTES = 8;

/** One tenant's datasets in an object. Nothing in it refers to another part. */
export interface Part {
  readonly tenant: TenantId;
  readonly datasets: readonly PartDataset[];
}

/** A dataset as the table of contents lists it. */
export interface PartDataset {
  readonly service: string;
  readonly name: string;
  readonly types: readonly ValueType[];
  readonly minMs: number;
  /** Inclusive. */
  readonly maxMs: number;
  readonly counts: DatasetCounts;
  /** Sections in the part, also of kinds that this version does not know. */
  readonly sections: readonly SectionPlace[];
  /** Its content; each section is verified and decoded when it is first asked for, a page each time. */
  tables(): StoredTables;
}

/** As DatasetTables; its pages say which series and times they hold. */
export interface StoredTables extends DatasetTables {
  readonly pages: readonly StoredPage[];
  readonly rollups: readonly Rollup[];
  readonly stored: StoredSizes;
}

/**
 * Appends a tenant's part. The writer stands at a multiple of 8.
 * @param level of the object: roll-ups are made from 1 on.
 * @param datasets one at least; each is asked for when the one before was written.
 * @returns the directory's entry of it.
 */
export function writePart(
  w: ByteWriter,
  tenant: TenantId,
  datasets: Iterable<DatasetTables>,
  level: number,
  codecs: Codecs,
): TenantEntry {
  const owner = encoder.encode(tenant);
  const start = w.length;
  const entries: ContentsEntry[] = [];
  for (const tables of datasets) {
    const place = { start, tenant: owner, dataset: entries.length };
    entries.push(writeDataset(w, place, tables, level, codecs));
  }
  const contents = writeRegion(w, codecs, { kind: KIND.contents, tenant: owner, dataset: 0 }, encodeContents(entries));
  w.u32(contents.len);
  w.u32(PART_MAGIC);
  return {
    tenant,
    off: start,
    len: w.length - start,
    rows: entries.reduce((sum, { counts }) => sum + counts.rows, 0),
    minMs: Math.min(...entries.map(({ minMs }) => minMs)),
    maxMs: Math.max(...entries.map(({ maxMs }) => maxMs)),
  };
}

function writeDataset(
  w: ByteWriter,
  { start, tenant, dataset }: { start: number; tenant: Uint8Array; dataset: number },
  tables: DatasetTables,
  level: number,
  codecs: Codecs,
): ContentsEntry {
  const { service, name, types, minMs, maxMs, series, rows, pages, symbols, spans } = tables;
  const sections: SectionPlace[] = [];
  const add = (kind: number, payload: Uint8Array): void => {
    const { off, len } = writeRegion(w, codecs, { kind, tenant, dataset }, payload);
    sections.push({ kind, off: off - start, len });
  };
  const seed = pageSeed(codecs, tenant, dataset);
  const { samples, directory, count, rawBytes } = encodePages(pages, rows, codecs, seed);
  add(KIND.samples, samples);
  add(KIND.pageDirectory, directory);
  add(KIND.rowIndex, encodeRows(rows));
  add(KIND.series, encodeSeries(series));
  const rollups = level === 0 ? [] : rollUp(tables, rawBytes);
  if (rollups.length > 0) add(KIND.rollup, encodeRollups(rollups, codecs, seed));
  add(KIND.symbols, encodeSymbols(symbols));
  if (spans !== undefined && spans.length > 0) add(KIND.spans, encodeSpans(spans));
  const counts = {
    series: series.length,
    rows: rows.length,
    stacks: symbols.stacks.length,
    samples: count,
  };
  return { service, name, types, minMs, maxMs, counts, sections };
}

/** Where a part's table of contents lies. @throws CorruptDataError when no part ends here, KilnError `internal` without the part's last 8 bytes. */
export function contentsPlace(bytes: PartBytes): Place {
  const { length } = bytes;
  if (length < TRAILER_BYTES) throw new CorruptDataError('part', 0, `${length} bytes`);
  const trailer = new ByteReader(bytes.take({ off: length - TRAILER_BYTES, len: TRAILER_BYTES }), 'part');
  const len = trailer.u32();
  if (trailer.u32() !== PART_MAGIC) trailer.fail('no part ends here');
  const off = length - TRAILER_BYTES - len;
  if (off < 0) trailer.fail(`table of contents of ${len} bytes in a part of ${length}`);
  return { off, len };
}

/**
 * Opens a tenant's part and decodes its table of contents.
 * @param part off .. off + len of the object, as manifest or directory say; or what was fetched of it, as `missingContents` says.
 * @throws CorruptDataError for damaged bytes and for another tenant's part, KilnError `failed_precondition` for a newer major version.
 */
export function openPart(part: Uint8Array | PartBytes, tenant: TenantId, codecs: Codecs): Part {
  const bytes = part instanceof PartBytes ? part : PartBytes.whole(part);
  const owner = encoder.encode(tenant);
  const contents = readSection(bytes, contentsPlace(bytes), { kind: KIND.contents, tenant: owner, dataset: 0 }, codecs);
  const datasets = decodeContents(contents).map((entry, ordinal): PartDataset => ({
    ...entry,
    tables: () => new DecodedTables(bytes, owner, ordinal, entry, codecs),
  }));
  return { tenant, datasets };
}

function readSection(bytes: PartBytes, place: Place, owner: RegionOwner, codecs: Codecs): Uint8Array {
  if (place.off % 8 !== 0)
    throw new CorruptDataError(`section ${owner.kind}`, place.off, 'it begins at no multiple of 8');
  return readRegion(bytes.take(place), { off: 0, len: place.len }, owner, codecs);
}

/** Decodes on first use, because a query for one service and one hour needs few of the sections. */
class DecodedTables implements StoredTables {
  readonly service: string;
  readonly name: string;
  readonly types: readonly ValueType[];
  readonly minMs: number;
  readonly maxMs: number;
  readonly #bytes: PartBytes;
  readonly #tenant: Uint8Array;
  readonly #ordinal: number;
  readonly #entry: ContentsEntry;
  readonly #codecs: Codecs;
  #series: readonly LabelSet[] | undefined;
  #rows: RowColumns | undefined;
  #pages: readonly StoredPage[] | undefined;
  #symbols: Symbols | undefined;
  #rollups: readonly Rollup[] | undefined;
  #spans: { readonly columns: DatasetSpans | undefined } | undefined;

  constructor(bytes: PartBytes, tenant: Uint8Array, ordinal: number, entry: ContentsEntry, codecs: Codecs) {
    this.service = entry.service;
    this.name = entry.name;
    this.types = entry.types;
    this.minMs = entry.minMs;
    this.maxMs = entry.maxMs;
    this.#bytes = bytes;
    this.#tenant = tenant;
    this.#ordinal = ordinal;
    this.#entry = entry;
    this.#codecs = codecs;
  }

  get series(): readonly LabelSet[] {
    if (this.#series === undefined) {
      const series = decodeSeries(this.#section(KIND.series));
      this.#expect('series', series.length, this.#entry.counts.series);
      this.#series = series;
    }
    return this.#series;
  }

  get rows(): RowColumns {
    if (this.#rows === undefined) {
      const { counts, types } = this.#entry;
      const rows = decodeRows(this.#section(KIND.rowIndex), counts.series, types.length);
      this.#expect('rows', rows.length, counts.rows);
      this.#rows = rows;
    }
    return this.#rows;
  }

  get pages(): readonly StoredPage[] {
    this.#pages ??= decodePages(
      this.#section(KIND.pageDirectory),
      this.#samplesPlace(),
      this.#bytes,
      this.#entry.counts.rows,
      this.#codecs,
      this.#pageSeed(),
    );
    return this.#pages;
  }

  get symbols(): Symbols {
    if (this.#symbols === undefined) {
      const symbols = decodeSymbols(this.#section(KIND.symbols));
      this.#expect('stacks', symbols.stacks.length, this.#entry.counts.stacks);
      this.#symbols = symbols;
    }
    return this.#symbols;
  }

  get spans(): DatasetSpans | undefined {
    this.#spans ??= { columns: this.#decodeSpans() };
    return this.#spans.columns;
  }

  get rollups(): readonly Rollup[] {
    this.#rollups ??= this.#has(KIND.rollup)
      ? decodeRollups(this.#section(KIND.rollup), this.#codecs, this.#pageSeed())
      : [];
    return this.#rollups;
  }

  get stored(): StoredSizes {
    const { sections, counts } = this.#entry;
    const bytes = (...kinds: readonly number[]): number =>
      sections.filter(({ kind }) => kinds.includes(kind)).reduce((sum, { len }) => sum + len, 0);
    return {
      samples: counts.samples,
      indexBytes: bytes(KIND.pageDirectory, KIND.rowIndex, KIND.series),
      sampleBytes: bytes(KIND.samples, KIND.rollup, KIND.spans),
      symbolBytes: bytes(KIND.symbols),
    };
  }

  #decodeSpans(): DatasetSpans | undefined {
    const { types, counts } = this.#entry;
    if (!this.#has(KIND.spans)) return undefined;
    const r = new ByteReader(this.#section(KIND.spans), 'section SPANS');
    const spans = readSpans(r, types.length, counts.rows, counts.stacks);
    if (r.left > 0) r.fail(`${r.left} bytes behind the last entry`);
    return spans;
  }

  /** Where the pages lie. Fetched in part, only the pages' own checksums, which are seeded with tenant and dataset, say whose they are. */
  #samplesPlace(): Place {
    const place = this.#place(KIND.samples);
    if (this.#bytes.has(place)) this.#section(KIND.samples);
    return payloadPlace(place, this.#tenant);
  }

  #section(kind: number): Uint8Array {
    const owner = { kind, tenant: this.#tenant, dataset: this.#ordinal };
    return readSection(this.#bytes, this.#place(kind), owner, this.#codecs);
  }

  #pageSeed(): number {
    return pageSeed(this.#codecs, this.#tenant, this.#ordinal);
  }

  #has(kind: number): boolean {
    return this.#entry.sections.some((section) => section.kind === kind);
  }

  #place(kind: number): Place {
    const place = this.#entry.sections.find((section) => section.kind === kind);
    if (place === undefined) throw new CorruptDataError(`section ${kind}`, 0, `dataset ${this.#ordinal} has none`);
    return place;
  }

  #expect(what: string, found: number, counted: number): void {
    if (found !== counted)
      throw new CorruptDataError('part', 0, `${found} ${what} where the table of contents counts ${counted}`);
  }
}

function encodeSpans(spans: DatasetSpans): Uint8Array {
  const w = new ByteWriter(64 + spans.length * 40);
  writeSpans(w, spans);
  return w.view();
}

const encoder = new TextEncoder();
