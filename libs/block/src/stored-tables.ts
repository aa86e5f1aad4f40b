import { ByteReader, CorruptDataError } from '@kiln/bytes';
import { KilnError, type LabelSet, type Symbols, type ValueType } from '@kiln/model';
import type { ContentsEntry, DatasetCounts, SectionPlace } from './contents.ts';
import type { PartBytes } from './part-bytes.ts';
import { pageSeed, payloadPlace, readRegion, type Place, type RegionOwner } from './region.ts';
import { decodePages, type StoredPage } from './sections/page-directory.ts';
import { decodeRollups } from './sections/rollup.ts';
import { decodeRows } from './sections/row-index.ts';
import { decodeRowTotals } from './sections/row-totals.ts';
import { decodeSeries } from './sections/series.ts';
import { readSpans } from './sections/spans.ts';
import { decodeSymbols } from './sections/symbols/decode-symbols.ts';
import type { Codecs, DatasetSpans, DatasetTables, Rollup, RowColumns, StoredSizes } from './tables.ts';
import { KIND } from './versions.ts';

/** As DatasetTables; its pages say which series and times they hold. */
export interface StoredTables extends DatasetTables {
  readonly pages: readonly StoredPage[];
  readonly rollups: readonly Rollup[];
  readonly fineRollups: readonly Rollup[];
  /** The rows as PINDEX has them, decoded each time where TOTALS has them too: then `rows` asks it for nothing but ids, and only when they are asked for. */
  readonly rowIndex: RowColumns;
  readonly stored: StoredSizes;
  /** What is wrong with each section that cannot be read as a whole, of those that this version knows. */
  damaged(): string[];
}

export function readSection(bytes: PartBytes, place: Place, owner: RegionOwner, codecs: Codecs): Uint8Array {
  if (place.off % 8 !== 0)
    throw new CorruptDataError(`section ${owner.kind}`, place.off, 'it begins at no multiple of 8');
  return readRegion(bytes.take(place), { off: 0, len: place.len }, owner, codecs);
}

/** Decodes on first use, because a query for one service and one hour needs few of the sections. */
export class DecodedTables implements StoredTables {
  readonly service: string;
  readonly name: string;
  readonly types: readonly ValueType[];
  readonly minMs: number;
  readonly maxMs: number;
  readonly #bytes: PartBytes;
  readonly #tenant: Uint8Array;
  readonly #ordinal: number;
  readonly #counts: DatasetCounts;
  readonly #sections: readonly SectionPlace[];
  readonly #codecs: Codecs;
  #series: readonly LabelSet[] | undefined;
  #rows: RowColumns | undefined;
  #ids: Uint8Array | undefined;
  #pages: readonly StoredPage[] | undefined;
  #symbols: Symbols | undefined;
  #rollups: readonly Rollup[] | undefined;
  #fineRollups: readonly Rollup[] | undefined;
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
    this.#counts = entry.counts;
    this.#sections = entry.sections;
    this.#codecs = codecs;
  }

  get series(): readonly LabelSet[] {
    if (this.#series === undefined) {
      const series = decodeSeries(this.#section(KIND.series));
      this.#expect('series', series.length, this.#counts.series);
      this.#series = series;
    }
    return this.#series;
  }

  get rows(): RowColumns {
    return (this.#rows ??= this.#has(KIND.rowTotals) ? this.#decodeRowTotals() : this.#decodeRowIndex());
  }

  get rowIndex(): RowColumns {
    return this.#has(KIND.rowTotals) ? this.#decodeRowIndex() : this.rows;
  }

  get pages(): readonly StoredPage[] {
    this.#pages ??= decodePages(
      this.#section(KIND.pageDirectory),
      this.#samplesPlace(),
      this.#bytes,
      this.#counts.rows,
      this.#codecs,
      this.#pageSeed(),
    );
    return this.#pages;
  }

  get symbols(): Symbols {
    if (this.#symbols === undefined) {
      const symbols = decodeSymbols(this.#section(KIND.symbols));
      this.#expect('stacks', symbols.stacks.length, this.#counts.stacks);
      this.#symbols = symbols;
    }
    return this.#symbols;
  }

  get spans(): DatasetSpans | undefined {
    this.#spans ??= { columns: this.#decodeSpans() };
    return this.#spans.columns;
  }

  get rollups(): readonly Rollup[] {
    return (this.#rollups ??= this.#decodeRollups(KIND.rollup));
  }

  get fineRollups(): readonly Rollup[] {
    return (this.#fineRollups ??= this.#decodeRollups(KIND.fineRollup, this.rollups));
  }

  get stored(): StoredSizes {
    const bytes = (...kinds: readonly number[]): number =>
      this.#sections.filter(({ kind }) => kinds.includes(kind)).reduce((sum, { len }) => sum + len, 0);
    return {
      samples: this.#counts.samples,
      indexBytes: bytes(KIND.pageDirectory, KIND.rowIndex, KIND.rowTotals, KIND.series),
      sampleBytes: bytes(KIND.samples, KIND.rollup, KIND.fineRollup, KIND.spans),
      symbolBytes: bytes(KIND.symbols),
    };
  }

  damaged(): string[] {
    const known = new Set<number>(Object.values(KIND));
    return this.#sections.flatMap(({ kind }) => {
      if (!known.has(kind)) return [];
      try {
        this.#section(kind);
        return [];
      } catch (error) {
        return [KilnError.from(error).message];
      }
    });
  }

  #decodeRowTotals(): RowColumns {
    const { types } = this;
    const counts = this.#counts;
    const ids = (): Uint8Array => (this.#ids ??= this.#decodeRowIndex().id);
    const rows = decodeRowTotals(this.#section(KIND.rowTotals), counts.series, types.length, ids);
    this.#expect('rows', rows.length, counts.rows);
    return rows;
  }

  #decodeRowIndex(): RowColumns {
    const { types } = this;
    const counts = this.#counts;
    const rows = decodeRows(this.#section(KIND.rowIndex), counts.series, types.length);
    this.#expect('rows', rows.length, counts.rows);
    return rows;
  }

  #decodeRollups(kind: number, coarser?: readonly Rollup[]): readonly Rollup[] {
    return this.#has(kind) ? decodeRollups(this.#section(kind), this.#codecs, this.#pageSeed(), coarser) : [];
  }

  #decodeSpans(): DatasetSpans | undefined {
    const { types } = this;
    const counts = this.#counts;
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
    return this.#sections.some((section) => section.kind === kind);
  }

  #place(kind: number): Place {
    const place = this.#sections.find((section) => section.kind === kind);
    if (place === undefined) throw new CorruptDataError(`section ${kind}`, 0, `dataset ${this.#ordinal} has none`);
    return place;
  }

  #expect(what: string, found: number, counted: number): void {
    if (found !== counted)
      throw new CorruptDataError('part', 0, `${found} ${what} where the table of contents counts ${counted}`);
  }
}
