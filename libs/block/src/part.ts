import { ByteReader, ByteWriter, CorruptDataError } from '@kiln/bytes';
import type { TenantId, ValueType } from '@kiln/model';
import {
  decodeContents,
  encodeContents,
  type ContentsEntry,
  type DatasetCounts,
  type SectionPlace,
} from './contents.ts';
import type { TenantEntry } from './directory.ts';
import { PartBytes } from './part-bytes.ts';
import { rollUp, type Rollups } from './compact/roll-up.ts';
import { pageSeed, writeRegion, type Place } from './region.ts';
import { encodePages } from './sections/page-directory.ts';
import { encodeRollups } from './sections/rollup.ts';
import { encodeRows } from './sections/row-index.ts';
import { encodeRowTotals, hasRowTotals } from './sections/row-totals.ts';
import { encodeSeries } from './sections/series.ts';
import { writeSpans } from './sections/spans.ts';
import { encodeSymbols } from './sections/symbols/encode-symbols.ts';
import { DecodedTables, readSection, type StoredTables } from './stored-tables.ts';
import type { Codecs, DatasetSpans, DatasetTables } from './tables.ts';
import { KIND, PART_MAGIC } from './versions.ts';

/*
 * part := region* TOC tocLen u32 | "PBKT" u32        one tenant; sections of a dataset side by side
 */
const TRAILER_BYTES = 8;

/** One tenant's datasets in an object. Nothing in it refers to another part. */
export interface Part {
  readonly tenant: TenantId;
  readonly datasets: readonly PartDataset[];
}

/** A dataset as the table of contents lists it. */
export class PartDataset implements ContentsEntry {
  readonly #part: OpenPart;
  readonly #ordinal: number;
  readonly #entry: ContentsEntry;

  /** Made by `openPart`. */
  constructor(part: OpenPart, ordinal: number, entry: ContentsEntry) {
    this.#part = part;
    this.#ordinal = ordinal;
    this.#entry = entry;
  }

  get service(): string {
    return this.#entry.service;
  }

  get name(): string {
    return this.#entry.name;
  }

  get types(): readonly ValueType[] {
    return this.#entry.types;
  }

  get minMs(): number {
    return this.#entry.minMs;
  }

  /** Inclusive. */
  get maxMs(): number {
    return this.#entry.maxMs;
  }

  get counts(): DatasetCounts {
    return this.#entry.counts;
  }

  /** Sections in the part, also of kinds that this version does not know; read from the table of contents each time. */
  get sections(): readonly SectionPlace[] {
    return this.#entry.sections;
  }

  /** Its content, anew each time; each section is verified and decoded when it is first asked for, a page each time. */
  tables(): StoredTables {
    const { bytes, owner, codecs } = this.#part;
    return new DecodedTables(bytes, owner, this.#ordinal, this.#entry, codecs);
  }
}

/** What the datasets of a part share. */
interface OpenPart {
  readonly bytes: PartBytes;
  /** The tenant. */
  readonly owner: Uint8Array;
  readonly codecs: Codecs;
}

const NO_ROLLUPS: Rollups = { coarse: [], fine: [] };

/** Appends a tenant's part, dataset by dataset: what was added is held as bytes only. */
export class PartWriter {
  readonly #w: ByteWriter;
  readonly #tenant: TenantId;
  readonly #owner: Uint8Array;
  readonly #level: number;
  readonly #codecs: Codecs;
  readonly #start: number;
  readonly #entries: ContentsEntry[] = [];

  /**
   * @param w stands at a multiple of 8, and belongs to the part until `finish`.
   * @param level of the object: roll-ups are made from 1 on.
   */
  constructor(w: ByteWriter, tenant: TenantId, level: number, codecs: Codecs) {
    this.#w = w;
    this.#tenant = tenant;
    this.#owner = encoder.encode(tenant);
    this.#level = level;
    this.#codecs = codecs;
    this.#start = w.length;
  }

  add(tables: DatasetTables): void {
    const place = { start: this.#start, tenant: this.#owner, dataset: this.#entries.length };
    this.#entries.push(writeDataset(this.#w, place, tables, this.#level, this.#codecs));
  }

  /** Ends a part of one dataset at least. @returns the directory's entry of it. */
  finish(): TenantEntry {
    const entries = this.#entries;
    const owner = { kind: KIND.contents, tenant: this.#owner, dataset: 0 };
    const contents = writeRegion(this.#w, this.#codecs, owner, encodeContents(entries));
    this.#w.u32(contents.len);
    this.#w.u32(PART_MAGIC);
    return {
      tenant: this.#tenant,
      off: this.#start,
      len: this.#w.length - this.#start,
      rows: entries.reduce((sum, { counts }) => sum + counts.rows, 0),
      minMs: entries.reduce((least, { minMs }) => Math.min(least, minMs), Infinity),
      maxMs: entries.reduce((most, { maxMs }) => Math.max(most, maxMs), -Infinity),
    };
  }
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
  add(KIND.rowIndex, encodeRows(rows));
  // What a query reads lies side by side, the most often read in the middle.
  add(KIND.pageDirectory, directory);
  if (level > 0 && hasRowTotals(rows)) add(KIND.rowTotals, encodeRowTotals(rows));
  add(KIND.series, encodeSeries(series));
  const { coarse, fine } = level === 0 ? NO_ROLLUPS : rollUp(tables, rawBytes);
  if (coarse.length > 0) add(KIND.rollup, encodeRollups(coarse, codecs, seed));
  add(KIND.symbols, encodeSymbols(symbols));
  if (fine.length > 0) add(KIND.fineRollup, encodeRollups(fine, codecs, seed));
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
  const open: OpenPart = { bytes, owner, codecs };
  return { tenant, datasets: decodeContents(contents).map((entry, i) => new PartDataset(open, i, entry)) };
}

function encodeSpans(spans: DatasetSpans): Uint8Array {
  const w = new ByteWriter(64 + spans.length * 40);
  writeSpans(w, spans);
  return w.view();
}

const encoder = new TextEncoder();
