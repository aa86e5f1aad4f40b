import { ColumnArena } from '@kiln/bytes';
import {
  PageRows,
  SymbolRemap,
  SymbolTable,
  type Codecs,
  type DatasetSpans,
  type DatasetTables,
  type RecordDataset,
} from '@kiln/block';
import {
  LabelSetTable,
  SPILL,
  type ExactColumn,
  type LabelSet,
  type SpanColumns,
  type Symbols,
  type ValueType,
} from '@kiln/model';
import { HeadPages } from './head-pages.ts';
import { HeadRows, ROW_ID_BYTES } from './head-rows.ts';
import { HeadSpans } from './head-spans.ts';
import type { SampleSorter } from '@kiln/block';

const PROFILE_ID_BYTES = 16;
/** What the objects around the columns take, about. */
const OBJECT_BYTES = 600;

/** What all datasets of a head share. */
export interface HeadParts {
  readonly codecs: Codecs;
  readonly sorter: SampleSorter;
  /** A secret number for hash tables. */
  readonly seed: number;
}

/** The rows of one (tenant, service, `__name__`, set of value types) that arrived since the generation began. */
export class HeadDataset {
  readonly service: string;
  readonly name: string;
  readonly types: readonly ValueType[];
  readonly #codecs: Codecs;
  readonly #sorter: SampleSorter;
  readonly #symbols: SymbolTable;
  readonly #series = new LabelSetTable();
  readonly #rows: HeadRows;
  readonly #pages: HeadPages;
  #spans: HeadSpans | undefined;
  #minMs = Infinity;
  #maxMs = -Infinity;

  constructor(from: Pick<DatasetTables, 'service' | 'name' | 'types'>, { codecs, sorter, seed }: HeadParts) {
    this.#symbols = new SymbolTable(seed);
    this.service = from.service;
    this.name = from.name;
    this.types = from.types;
    this.#codecs = codecs;
    this.#sorter = sorter;
    this.#rows = new HeadRows(from.types.length);
    this.#pages = new HeadPages(from.types.length, codecs);
  }

  get length(): number {
    return this.#rows.length;
  }

  /** Offset of the record that all rows came in; undefined when they came in several. */
  get onlyOffset(): number | undefined {
    return this.#rows.onlyOffset;
  }

  /** Every byte held: symbols, series, columns, pages, spans. */
  get byteLength(): number {
    return (
      OBJECT_BYTES +
      this.#symbols.byteLength +
      this.#series.byteLength +
      this.#rows.byteLength +
      this.#pages.byteLength +
      (this.#spans?.byteLength ?? 0)
    );
  }

  /** What this dataset will take in a segment, about: hash tables go, columns are packed and compressed (measured by head.bench.ts). */
  get segmentBytes(): number {
    const { byteLength } = this.#symbols;
    return this.#pages.segmentBytes + byteLength / 12 + this.#rows.byteLength / 3 + this.#series.byteLength / 3;
  }

  /**
   * Adds the rows of the profiles that are kept. The record's stacks are interned as they are met, so stacks of copies are not.
   * @param kept 1 per profile that is no copy.
   * @returns how many rows were added.
   */
  append(from: RecordDataset, symbols: Symbols, kept: Uint8Array, offset: number): number {
    const { rows, profiles, series, samples } = from;
    remapColumns.clear();
    const remap = new SymbolRemap(symbols, this.#symbols, remapColumns);
    samples.rewind();
    const first = this.#rows.length;
    const spanRows = from.spans === undefined ? undefined : new Int32Array(rows.length).fill(-1);
    for (let r = 0; r < rows.length; r++) {
      samples.next();
      const profile = rows.profile[r]!;
      if (kept[profile] === 0) continue;
      const timeMs = profiles.timeMs[profile]!;
      const number = this.#series.number(series[rows.series[r]!]!);
      const row = this.#rows.add(number, timeMs, profiles.id, profile * PROFILE_ID_BYTES, offset);
      if (spanRows !== undefined) spanRows[r] = row;
      this.#minMs = Math.min(this.#minMs, timeMs);
      this.#maxMs = Math.max(this.#maxMs, timeMs);
      this.#addSamples(row, samples, remap);
    }
    samples.next(); // behind the last row: all streams end where they should
    if (spanRows !== undefined) this.#addSpans(from, spanRows, remap);
    return this.#rows.length - first;
  }

  /** Adds all rows of tables that a dataset of this key has made. */
  adopt({ rows, pages, series, symbols, spans, minMs, maxMs }: DatasetTables): void {
    remapColumns.clear();
    const remap = new SymbolRemap(symbols, this.#symbols, remapColumns);
    for (const page of pages) {
      const samples = new PageRows(page, this.types.length, symbols.stacks.length);
      for (let row = page.firstRow; row < page.firstRow + page.rows; row++) {
        samples.next();
        const number = this.#series.number(series[rows.series[row]!]!);
        const own = this.#rows.add(number, rows.timeMs[row]!, rows.id, row * ROW_ID_BYTES, rows.offset![row]!);
        this.#addSamples(own, samples, remap);
      }
    }
    for (let i = 0; spans !== undefined && i < spans.length; i++) this.#addSpan(spans.row[i]!, spans, i, remap);
    this.#minMs = minMs;
    this.#maxMs = maxMs;
  }

  /** The rows of records above `after`, as they are now; undefined when there are none. */
  tables(after: number): DatasetTables | undefined {
    const from = this.#rows.firstAbove(after);
    if (from === this.#rows.length) return undefined;
    return from === 0 ? this.#whole() : this.#suffix(from);
  }

  #whole(): DatasetTables {
    const { service, name, types } = this;
    return {
      service,
      name,
      types,
      minMs: this.#minMs,
      maxMs: this.#maxMs,
      series: this.#series.sets.slice(),
      rows: this.#rows.snapshot(),
      pages: this.#pages.snapshot(),
      symbols: this.#symbols.symbols(),
      spans: this.#spans?.snapshot(),
    };
  }

  /** Rows from `from` on, renumbered: only after another writer's manifest ended inside this generation. Their pages are built anew. */
  #suffix(from: number): DatasetTables {
    const rows = this.#rows.snapshot(from);
    const pages = new HeadPages(this.types.length, this.#codecs);
    for (const page of this.#pages.snapshot()) {
      if (page.firstRow + page.rows <= from) continue;
      const samples = new PageRows(page, this.types.length);
      for (let row = page.firstRow; row < page.firstRow + page.rows; row++) {
        samples.next();
        if (row >= from) pages.add(samples.stack, samples.values, samples.length);
      }
    }
    const used = new Map<number, number>();
    const series: LabelSet[] = [];
    const seriesOfRow = new Uint32Array(rows.length);
    let minMs = Infinity;
    let maxMs = -Infinity;
    for (let i = 0; i < rows.length; i++) {
      const old = rows.series[i]!;
      let number = used.get(old);
      if (number === undefined) {
        number = series.push(this.#series.sets[old]!) - 1;
        used.set(old, number);
      }
      seriesOfRow[i] = number;
      minMs = Math.min(minMs, rows.timeMs[i]!);
      maxMs = Math.max(maxMs, rows.timeMs[i]!);
    }
    return {
      ...this.#whole(),
      minMs,
      maxMs,
      series,
      rows: { ...rows, series: seriesOfRow },
      pages: pages.snapshot(),
      spans: this.#spans?.snapshot(from),
    };
  }

  #addSamples(row: number, samples: PageRows, remap: SymbolRemap): void {
    const { stack, values, length } = samples;
    const numbers = this.#sorter.numbers(length);
    remap.stacks(stack, length, numbers);
    this.#sorter.sort(numbers, values, length);
    this.#pages.add(this.#sorter.stack, this.#sorter.values, this.#sorter.length);
    for (let t = 0; t < this.types.length; t++) this.#setTotal(row, t, values[t]!, length);
  }

  /** Hot: once per sample and value type. */
  #setTotal(row: number, type: number, { lo, hi }: ExactColumn, length: number): void {
    let sumLo = 0;
    let sumHi = 0;
    for (let i = 0; i < length; i++) {
      sumLo += lo[i]!;
      if (sumLo >= SPILL) {
        sumLo -= SPILL;
        sumHi++;
      }
    }
    if (hi !== undefined) for (let i = 0; i < length; i++) sumHi += hi[i]!;
    this.#rows.setTotal(row, type, sumLo, sumHi);
  }

  /** Of the rows that are kept. Samples whose stacks turn out to be one are one here too, as in the pages. */
  #addSpans({ spans }: RecordDataset, spanRows: Int32Array, remap: SymbolRemap): void {
    if (spans === undefined) return;
    const known = this.#joinsStacks(spans, spanRows, remap) ? new Map<string, number>() : undefined;
    for (let i = 0; i < spans.length; i++) {
      const row = spanRows[spans.row[i]!]!;
      if (row < 0) continue;
      if (known !== undefined) {
        const stack = remap.stack(spans.stack[i]!);
        const key = `${row} ${stack} ${spans.spanId[i]!} ${spans.traceIdHi[i]!} ${spans.traceIdLo[i]!}`;
        const at = known.get(key);
        if (at !== undefined) {
          this.#spans!.sum(at, spans, i);
          continue;
        }
        known.set(key, this.#spans?.length ?? 0);
      }
      this.#addSpan(row, spans, i, remap);
    }
  }

  /** Whether two stacks of the kept rows' spans have the same content. */
  #joinsStacks(spans: DatasetSpans, spanRows: Int32Array, remap: SymbolRemap): boolean {
    const sources = new Map<number, number>();
    for (let i = 0; i < spans.length; i++) {
      if (spanRows[spans.row[i]!]! < 0) continue;
      const stack = remap.stack(spans.stack[i]!);
      const source = sources.get(stack);
      if (source === undefined) sources.set(stack, spans.stack[i]!);
      else if (source !== spans.stack[i]) return true;
    }
    return false;
  }

  #addSpan(row: number, spans: SpanColumns, i: number, remap: SymbolRemap): void {
    this.#spans ??= new HeadSpans(this.types.length);
    this.#spans.add(row, remap.stack(spans.stack[i]!), spans, i);
  }
}

/** Row numbers of the record that is being added: used and done with inside one `append`. */
const remapColumns = new ColumnArena();
