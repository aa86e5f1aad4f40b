import { KilnError } from '@kiln/model';
import type { PageRows } from '../page/page-rows.ts';
import { RowReader } from '../page/row-reader.ts';
import { SampleSorter } from '../page/sample-sorter.ts';
import { SymbolRemap } from '../symbols/symbol-remap.ts';
import { SymbolTable } from '../symbols/symbol-table.ts';
import type { Codecs, DatasetTables } from '../tables.ts';
import { MergedRows } from './merged-rows.ts';
import { buildWindow, type MergeJob, type SourceSpans } from './window-tables.ts';

/** What some datasets of one key are together. */
export interface MergedDatasets {
  /** By the start of the window, ms, ascending: the rows with `windowOf(time)` = start. A window without rows is left out. */
  readonly windows: Map<number, DatasetTables>;
  /** Rows that were dropped because the same row is there already. */
  readonly copies: number;
  /** Rows that have series, time and id of another one and other totals: both are kept. */
  readonly conflicts: number;
}

/**
 * Merges datasets of one (tenant, service, `__name__`, set of value types) and splits the rows by windows of profile time (design: engine.md §7).
 *
 * - Rows of a window are sorted by (hour, series, time, id) and have no log offset; series are sorted. A row that equals another one in series, time,
 *   id and totals is a copy, and one of them is kept. An id alone does not make a copy: see `MergedRows`.
 * - Symbols are interned anew, only those that the kept rows use. The most used stack gets number 0, because small numbers are small ids in
 *   pages. Totals and values are carried over as they are; spans stay with their rows.
 * - Memory: the pages of all sources decompressed, 60 bytes a row, one table with the symbols of all sources, and the results with their pages
 *   compressed. Samples are never held but for one row at a time.
 * @param windowOf the start of the window that a profile time lies in; windows are ranges of time.
 * @param seed of the symbol tables' hashes, as of `SymbolTable`.
 * @throws CorruptDataError for damaged sources, KilnError `internal` for datasets of different keys, `out_of_range` when a stack that a source
 * lists twice sums to more than a page holds.
 */
export function mergeDatasets(
  sources: readonly DatasetTables[],
  windowOf: (timeMs: number) => number,
  seed: number,
  codecs: Codecs,
): MergedDatasets {
  const rows = new MergedRows(sources, sources.map(columnsLike(sources[0])), windowOf);
  const windows = new Map<number, DatasetTables>();
  if (rows.length > 0) {
    const job = openSources(sources, rows, seed, codecs);
    for (const window of rows.windows) windows.set(window.startMs, buildWindow(job, window));
  }
  return { windows, copies: rows.copies, conflicts: rows.conflicts };
}

/** For each value type of the first dataset, its number in another one: a set of types has no order of its own. */
function columnsLike(first: DatasetTables | undefined): (tables: DatasetTables) => number[] {
  return ({ service, name, types }) => {
    if (service !== first!.service || name !== first!.name || types.length !== first!.types.length)
      throw new KilnError(
        'internal',
        `dataset ${service}, ${name} cannot be merged with ${first!.service}, ${first!.name}`,
      );
    return first!.types.map(({ type, unit, periodType, periodUnit }) => {
      const number = types.findIndex(
        (own) =>
          own.type === type && own.unit === unit && own.periodType === periodType && own.periodUnit === periodUnit,
      );
      if (number < 0) throw new KilnError('internal', `a dataset of ${service}, ${name} has no value type ${type}`);
      return number;
    });
  };
}

/** Reads every row once: checks it, notes where it begins, and counts and interns the stacks of rows that are kept, each source's all at once. */
function openSources(sources: readonly DatasetTables[], rows: MergedRows, seed: number, codecs: Codecs): MergeJob {
  const symbols = new SymbolTable(seed);
  let scratch: PageRows | undefined;
  let uses = new Uint32Array(0);
  const opened = sources.map((tables, s) => {
    const { length } = tables.symbols.stacks;
    const reader = new RowReader(tables, tables.rows.length, length, scratch);
    const counts = new Uint32Array(length);
    for (let row = rows.first(s); reader.next(); row++) if (rows.isKept(row)) countStacks(counts, reader.samples);
    if (tables.rows.length > 0) scratch = reader.samples;
    const spans = spansByRow(tables);
    for (let i = 0; spans !== undefined && i < spans.length; i++)
      if (rows.isKept(rows.first(s) + spans.row[i]!)) counts[spans.stack[i]!]!++;
    const stacks = internUsed(tables, counts, symbols);
    uses = addUses(uses, symbols.symbols().stacks.length, counts, stacks);
    return { tables, reader, columns: rows.columns(s), stacks, spans };
  });
  return { sources: opened, rows, symbols: symbols.symbols(), uses, seed, codecs, sorter: new SampleSorter() };
}

function spansByRow({ spans, rows }: DatasetTables): SourceSpans | undefined {
  if (spans === undefined) return undefined;
  const start = new Uint32Array(rows.length + 1);
  for (let i = 0; i < spans.length; i++) start[spans.row[i]! + 1]!++;
  for (let row = 0; row < rows.length; row++) start[row + 1]! += start[row]!;
  return { ...spans, start };
}

/** Hot: once per sample. */
function countStacks(counts: Uint32Array, { stack, length }: PageRows): void {
  for (let i = 0; i < length; i++) counts[stack[i]!]!++;
}

/** The row in `into` of each stack that is used. */
function internUsed({ symbols }: DatasetTables, counts: Uint32Array, into: SymbolTable): Uint32Array {
  const stacks = new Uint32Array(counts.length);
  const used = new Uint32Array(counts.length);
  let length = 0;
  for (let stack = 0; stack < counts.length; stack++) if (counts[stack] !== 0) used[length++] = stack;
  const found = new Uint32Array(length);
  new SymbolRemap(symbols, into).stacks(used, length, found);
  for (let i = 0; i < length; i++) stacks[used[i]!] = found[i]!;
  return stacks;
}

/** Uses by the job's stacks, which have become `length`. */
function addUses(
  uses: Uint32Array<ArrayBuffer>,
  length: number,
  counts: Uint32Array,
  stacks: Uint32Array,
): Uint32Array<ArrayBuffer> {
  const more = length > uses.length ? new Uint32Array(length * 2) : uses;
  if (more !== uses) more.set(uses);
  for (let stack = 0; stack < counts.length; stack++) more[stacks[stack]!]! += counts[stack]!;
  return more;
}
