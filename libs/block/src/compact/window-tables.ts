import type { ExactColumn, LabelSet, Symbols } from '@kiln/model';
import { PageBuilder } from '../page/page-builder.ts';
import type { PageRows } from '../page/page-rows.ts';
import type { RowReader } from '../page/row-reader.ts';
import type { SampleSorter } from '../page/sample-sorter.ts';
import { PAGE_BYTES, SealedPage } from '../page/sealed-page.ts';
import { SymbolRemap } from '../symbols/symbol-remap.ts';
import { SymbolTable } from '../symbols/symbol-table.ts';
import type { Codecs, DatasetSpans, DatasetTables, Page, RowColumns } from '../tables.ts';
import type { MergedRows, RowWindow } from './merged-rows.ts';

/** A dataset that is merged, its rows ready to be read in any order. */
export interface MergeSource {
  readonly tables: DatasetTables;
  readonly reader: RowReader;
  /** For each value type of the merged dataset, its number here. */
  readonly columns: readonly number[];
  /** For each stack that is used, its row in the job's symbols. */
  readonly stacks: Uint32Array;
  readonly spans: SourceSpans | undefined;
}

/** Spans of a source; those of row r are entries start[r] .. start[r + 1]. */
export interface SourceSpans extends DatasetSpans {
  readonly start: Uint32Array;
}

/** What all windows of a merge share. */
export interface MergeJob {
  /** Not empty. */
  readonly sources: readonly MergeSource[];
  readonly rows: MergedRows;
  /** The symbols of all sources. */
  readonly symbols: Symbols;
  /** By their stacks: how many samples of kept rows each has. May be longer. */
  readonly uses: Uint32Array;
  readonly seed: number;
  readonly codecs: Codecs;
  readonly sorter: SampleSorter;
}

/** The rows of one window as a dataset of its own. */
export function buildWindow(job: MergeJob, { from, to }: RowWindow): DatasetTables {
  const { service, name, types } = job.sources[0]!.tables;
  const order = job.rows.order.subarray(from, to);
  const { symbols, rank } = rankStacks(job, order);
  const { series, numbers } = usedSeries(job, order);
  const rows = gatherRows(job, order, numbers);
  let [minMs, maxMs] = [Infinity, -Infinity];
  for (let i = 0; i < rows.length; i++) {
    minMs = Math.min(minMs, rows.timeMs[i]!);
    maxMs = Math.max(maxMs, rows.timeMs[i]!);
  }
  const pages = buildPages(job, order, rank);
  return { service, name, types, minMs, maxMs, series, rows, pages, symbols, spans: gatherSpans(job, order, rank) };
}

/** The symbols that the rows use, stacks numbered from the most used one on, and by the job's stacks their numbers. */
function rankStacks(job: MergeJob, order: Uint32Array): Ranked {
  const { symbols } = job;
  const uses = order.length === job.rows.length ? job.uses : countWindow(job, order);
  const ranked = new Uint32Array(symbols.stacks.length);
  let count = 0;
  for (let stack = 0; stack < ranked.length; stack++) if (uses[stack] !== 0) ranked[count++] = stack;
  const used = ranked.subarray(0, count).sort((a, b) => uses[b]! - uses[a]! || a - b);
  const rank = new Uint32Array(ranked.length);
  for (let i = 0; i < count; i++) rank[used[i]!] = i;
  return { symbols: symbolsOf(job, used), rank };
}

/** The symbols of some stacks, numbered as they are listed. */
function symbolsOf({ symbols, seed }: MergeJob, stacks: Uint32Array): Symbols {
  if (stacks.length === symbols.stacks.length) {
    const node = stacks.map((stack) => symbols.stacks.node[stack]!);
    return { ...symbols, stacks: { length: node.length, node } };
  }
  const table = new SymbolTable(seed);
  new SymbolRemap(symbols, table).stacks(stacks, stacks.length, new Uint32Array(stacks.length)); // a new table numbers stacks as they come
  return table.symbols();
}

function countWindow({ sources, rows, symbols }: MergeJob, order: Uint32Array): Uint32Array {
  const uses = new Uint32Array(symbols.stacks.length);
  for (let i = 0; i < order.length; i++) {
    const s = rows.sourceOf[order[i]!]!;
    const { reader, stacks, spans } = sources[s]!;
    const row = order[i]! - rows.first(s);
    countUses(uses, stacks, reader.read(row));
    if (spans === undefined) continue;
    for (let entry = spans.start[row]!; entry < spans.start[row + 1]!; entry++) uses[stacks[spans.stack[entry]!]!]!++;
  }
  return uses;
}

interface Ranked {
  readonly symbols: Symbols;
  readonly rank: Uint32Array;
}

/** Hot: once per sample. */
function countUses(uses: Uint32Array, stacks: Uint32Array, { stack, length }: PageRows): void {
  for (let i = 0; i < length; i++) uses[stacks[stack[i]!]!]!++;
}

/** Series keep their order; those without rows are left out. @returns also their numbers by those of the merge. */
function usedSeries({ rows }: MergeJob, order: Uint32Array): { series: LabelSet[]; numbers: Uint32Array } {
  const used = new Uint8Array(rows.series.length);
  for (let i = 0; i < order.length; i++) used[rows.seriesOf[order[i]!]!] = 1;
  const numbers = new Uint32Array(rows.series.length);
  const series: LabelSet[] = [];
  for (let number = 0; number < used.length; number++)
    if (used[number] !== 0) numbers[number] = series.push(rows.series[number]!) - 1;
  return { series, numbers };
}

function gatherRows({ sources, rows }: MergeJob, order: Uint32Array, numbers: Uint32Array): RowColumns {
  const { length } = order;
  const series = new Uint32Array(length);
  const timeMs = new Float64Array(length);
  const id = new Uint8Array(length * ID_BYTES);
  for (let i = 0; i < length; i++) {
    const s = rows.sourceOf[order[i]!]!;
    const row = order[i]! - rows.first(s);
    const own = sources[s]!.tables.rows.id;
    series[i] = numbers[rows.seriesOf[order[i]!]!]!;
    timeMs[i] = rows.timeMs[order[i]!]!;
    for (let byte = 0; byte < ID_BYTES; byte++) id[i * ID_BYTES + byte] = own[row * ID_BYTES + byte]!;
  }
  const totals = sources[0]!.columns.map((_, t) => gatherTotals(sources, rows, order, t));
  return { length, series, timeMs, id, offset: undefined, totals };
}

function gatherTotals(
  sources: readonly MergeSource[],
  rows: MergedRows,
  order: Uint32Array,
  type: number,
): ExactColumn {
  const lo = new Float64Array(order.length);
  let hi: Float64Array | undefined;
  for (let i = 0; i < order.length; i++) {
    const s = rows.sourceOf[order[i]!]!;
    const row = order[i]! - rows.first(s);
    const { tables, columns } = sources[s]!;
    const own = tables.rows.totals[columns[type]!]!;
    lo[i] = own.lo[row]!;
    const high = own.hi === undefined ? 0 : own.hi[row]!;
    if (high !== 0) (hi ??= new Float64Array(order.length))[i] = high;
  }
  return { lo, hi };
}

/** Hot: once per row, a few passes over its samples. */
function buildPages({ sources, rows, codecs, sorter }: MergeJob, order: Uint32Array, rank: Uint32Array): Page[] {
  const pages: Page[] = [];
  const types = sources[0]!.columns.length;
  const builder = new PageBuilder(types);
  const values: ExactColumn[] = [];
  for (let i = 0; i < order.length; i++) {
    const s = rows.sourceOf[order[i]!]!;
    const { reader, columns, stacks } = sources[s]!;
    const samples = reader.read(order[i]! - rows.first(s));
    const numbers = sorter.numbers(samples.length);
    rankSamples(samples, stacks, rank, numbers);
    for (let t = 0; t < types; t++) values[t] = samples.values[columns[t]!]!;
    sorter.sort(numbers, values, samples.length);
    builder.add(sorter.stack, sorter.values, sorter.length);
    if (builder.byteLength < PAGE_BYTES && i < order.length - 1) continue;
    const firstRow = i + 1 - builder.rows;
    pages.push(new SealedPage({ firstRow, rows: builder.rows, bytes: builder.toBytes() }, codecs));
    builder.clear();
  }
  return pages;
}

/** Hot: once per sample. */
function rankSamples({ stack, length }: PageRows, stacks: Uint32Array, rank: Uint32Array, out: Uint32Array): void {
  for (let i = 0; i < length; i++) out[i] = rank[stacks[stack[i]!]!]!;
}

function gatherSpans({ sources, rows }: MergeJob, order: Uint32Array, rank: Uint32Array): DatasetSpans | undefined {
  const entries: { source: MergeSource; spans: SourceSpans; entry: number; row: number }[] = [];
  for (let i = 0; i < order.length; i++) {
    const s = rows.sourceOf[order[i]!]!;
    const source = sources[s]!;
    const { spans } = source;
    if (spans === undefined) continue;
    const row = order[i]! - rows.first(s);
    for (let entry = spans.start[row]!; entry < spans.start[row + 1]!; entry++)
      entries.push({ source, spans, entry, row: i });
  }
  const { length } = entries;
  if (length === 0) return undefined;
  return {
    length,
    row: Uint32Array.from(entries, ({ row }) => row),
    stack: Uint32Array.from(entries, ({ source, spans, entry }) => rank[source.stacks[spans.stack[entry]!]!]!),
    spanId: BigUint64Array.from(entries, ({ spans, entry }) => spans.spanId[entry]!),
    traceIdHi: BigUint64Array.from(entries, ({ spans, entry }) => spans.traceIdHi[entry]!),
    traceIdLo: BigUint64Array.from(entries, ({ spans, entry }) => spans.traceIdLo[entry]!),
    values: sources[0]!.columns.map((_, t) => ({
      lo: Float64Array.from(entries, ({ source, spans, entry }) => spans.values[source.columns[t]!]!.lo[entry]!),
      hi: Float64Array.from(entries, ({ source, spans, entry }) => spans.values[source.columns[t]!]!.hi?.[entry] ?? 0),
    })),
  };
}

const ID_BYTES = 8;
