import { ByteReader, ByteWriter, CorruptDataError } from '@kiln/bytes';
import { unpack } from '../codec.ts';
import { readInt, writeInt } from '../columns.ts';
import { sealPage } from '../page/sealed-page.ts';
import type { PartBytes } from '../part-bytes.ts';
import type { Place } from '../region.ts';
import type { Codecs, Page, RowColumns } from '../tables.ts';

/*
 * SAMPLES := pages back to back, each packed by itself
 * PAGEDIR := nPages | per page: rows, storedLen, rawLen, codec u8, crc32 u32, minSeries, maxSeries - minSeries, minMs (zigzag), maxMs - minMs
 *            crc32 of the stored page, continued from CRC-32 of (tenant, dataset u32)
 */

/** What the directory of pages says of one page beside where it is. */
export interface PageSummary {
  readonly minSeries: number;
  readonly maxSeries: number;
  readonly minMs: number;
  /** Inclusive. */
  readonly maxMs: number;
}

/** A page of an object. Its bytes are verified and decompressed each time they are asked for: a query merges a page once. */
export interface StoredPage extends Page, PageSummary {
  /** Where it is stored, counted from the start of its part. */
  readonly place: Place;
}

/** Both sections of a dataset's pages, and what they hold. */
export interface EncodedPages {
  readonly samples: Uint8Array;
  readonly directory: Uint8Array;
  /** Samples of all rows. */
  readonly count: number;
  /** Length of all pages without codec. */
  readonly rawBytes: number;
}

/** @param seed of the pages' checksums. */
export function encodePages(
  pages: readonly Page[],
  rows: Pick<RowColumns, 'series' | 'timeMs'>,
  codecs: Codecs,
  seed: number,
): EncodedPages {
  const sealed = pages.map((page) => sealPage(page, codecs));
  const samples = new ByteWriter(sealed.reduce((sum, { stored }) => sum + stored.length, 0));
  const directory = new ByteWriter(64);
  let count = 0;
  let rawBytes = 0;
  directory.varint(pages.length);
  for (const page of sealed) {
    const { codec, stored, rawLength, samples: own } = page;
    count += own;
    rawBytes += rawLength;
    const { minSeries, maxSeries, minMs, maxMs } = summary(page, rows);
    samples.bytes(stored);
    directory.varint(page.rows);
    directory.varint(stored.length);
    directory.varint(rawLength);
    directory.u8(codec);
    directory.u32(codecs.crc32(stored, seed));
    directory.varint(minSeries);
    directory.varint(maxSeries - minSeries);
    writeInt(directory, minMs);
    directory.varint(maxMs - minMs);
  }
  return { samples: samples.view(), directory: directory.view(), count, rawBytes };
}

/**
 * Pages whose bytes are taken when they are asked for.
 * @param samples where the pages lie: the payload of SAMPLES with its padding.
 * @throws CorruptDataError when the pages do not fill `samples` or do not have `rows` rows.
 */
export function decodePages(
  directory: Uint8Array,
  samples: Place,
  bytes: PartBytes,
  rows: number,
  codecs: Codecs,
  seed: number,
): StoredPage[] {
  const r = new ByteReader(directory, 'section PAGEDIR');
  const pages: StoredPage[] = [];
  let firstRow = 0;
  let at = 0;
  for (let left = r.count(12); left > 0; left--) {
    const pageRows = r.varint();
    const storedLength = r.varint();
    const rawLength = r.varint();
    const codec = r.u8();
    const crc = r.u32();
    const minSeries = r.varint();
    const maxSeries = minSeries + r.varint();
    const minMs = readInt(r);
    const maxMs = minMs + r.varint();
    if (storedLength > samples.len - at) r.fail(`page of ${storedLength} bytes, ${samples.len - at} left`);
    if (rawLength > MAX_PAGE_BYTES) r.fail(`page of ${rawLength} bytes, limit ${MAX_PAGE_BYTES}`);
    const place = { off: samples.off + at, len: storedLength };
    pages.push(
      new PackedPage({ firstRow, rows: pageRows, minSeries, maxSeries, minMs, maxMs, place }, () => {
        const stored = bytes.take(place);
        if (codecs.crc32(stored, seed) !== crc) throw new CorruptDataError('page', 0, 'checksum does not match');
        return unpack(codecs, codec, stored, rawLength, 'page');
      }),
    );
    firstRow += pageRows;
    at += storedLength;
  }
  if (r.left > 0) r.fail(`${r.left} bytes behind the last page`);
  if (samples.len - at >= 8 || firstRow !== rows)
    r.fail(`pages of ${at} bytes and ${firstRow} rows where ${samples.len} and ${rows} are stored`);
  return pages;
}

class PackedPage implements StoredPage {
  readonly firstRow: number;
  readonly rows: number;
  readonly minSeries: number;
  readonly maxSeries: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly place: Place;
  readonly #load: () => Uint8Array;

  constructor(what: Omit<StoredPage, 'bytes'>, load: () => Uint8Array) {
    this.firstRow = what.firstRow;
    this.rows = what.rows;
    this.minSeries = what.minSeries;
    this.maxSeries = what.maxSeries;
    this.minMs = what.minMs;
    this.maxMs = what.maxMs;
    this.place = what.place;
    this.#load = load;
  }

  get bytes(): Uint8Array {
    return this.#load();
  }
}

function summary({ firstRow, rows: count }: Page, rows: Pick<RowColumns, 'series' | 'timeMs'>): PageSummary {
  let [minSeries, maxSeries, minMs, maxMs] = [0, 0, 0, 0];
  for (let row = firstRow; row < firstRow + count; row++) {
    const [series, ms] = [rows.series[row]!, rows.timeMs[row]!];
    if (row === firstRow || series < minSeries) minSeries = series;
    if (row === firstRow || series > maxSeries) maxSeries = series;
    if (row === firstRow || ms < minMs) minMs = ms;
    if (row === firstRow || ms > maxMs) maxMs = ms;
  }
  return { minSeries, maxSeries, minMs, maxMs };
}

/** Far above the 256 KiB at which pages are sealed: one row of the largest profile still fits. */
const MAX_PAGE_BYTES = 256 * 1024 * 1024;
