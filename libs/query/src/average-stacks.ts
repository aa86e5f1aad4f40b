import { PageRows, type DatasetTables, type StoredPage, type StoredTables } from '@kiln/block';
import { ByteReader, ByteWriter } from '@kiln/bytes';
import { exactFromBigInt, exactToBigInt, ExactSums } from '@kiln/model';
import { FunctionTree, type FunctionTreeColumns } from './function-tree.ts';
import { readLabelLists, writeLabelLists } from './label-codec.ts';
import { allLabels, virtualLabels } from './label-sets.ts';
import { refuseNodes, type QueryLimits } from './limits.ts';
import { NameTable, readNames } from './name-table.ts';
import type { AverageStacksQuery } from './query.ts';
import type { RunStats } from './run-stats.ts';
import { compileProfileSelection, matchRows, matchSeries, matchTypes, type Selection } from './selection.ts';
import { SeriesTable } from './series-table.ts';
import { addStacks } from './stack-frames.ts';
import { addColumns, addPaths, readNodes, writeNodes } from './tree-codec.ts';

/*
 * partial := version u8 | names | label lists of series | per series: rows varint | nodes (tree-codec.ts)
 *
 * A mean is known when all rows are: until then a series keeps its sums and how many rows they are of. No series are no bytes.
 */
const VERSION = 1;
const FORMAT = 'average stacks partial';

/** Values of an averaged tree are in units of 1 / AVERAGE_SCALE: a stack that one profile of three holds once is 0.333, not nothing. */
export const AVERAGE_SCALE = 1000;

/**
 * The function tree of every series that a query selects of some datasets, and the number of its profiles.
 * @param sumsMaxBytes what the sums of the series that are read at once may take; for tests. Pages are read again for the next ones.
 */
export function runAverageStacks(
  query: AverageStacksQuery,
  datasets: Iterable<DatasetTables>,
  limits: QueryLimits = {},
  stats?: RunStats,
  sumsMaxBytes: number = SUMS_MAX_BYTES,
): Uint8Array {
  const selection = compileProfileSelection(query, query);
  const trees = new SeriesTrees(limits);
  for (const tables of datasets) {
    for (const type of matchTypes(tables, selection))
      addSeries(trees, { tables, type, selection, sumsMaxBytes }, stats);
  }
  return encode(trees);
}

export function mergeAverageStacks(partials: readonly Uint8Array[], limits: QueryLimits = {}): Uint8Array {
  const full = partials.filter((partial) => partial.length > 0);
  if (full.length <= 1) return full[0] ?? new Uint8Array(0);
  const trees = new SeriesTrees(limits);
  for (const partial of full) decode(partial, trees);
  return encode(trees);
}

/**
 * The sum over series of the mean of each over its profiles, whole, in units of 1 / AVERAGE_SCALE. A stack's value is rounded once, to the nearest: sums of
 * series with equally many profiles are exact, and are divided in the order of that number, so the answer does not depend on where rows lay.
 */
export function finishAverageStacks(partial: Uint8Array): FunctionTreeColumns {
  const trees = new SeriesTrees({});
  if (partial.length > 0) decode(partial, trees);
  const byRows = new Map<number, FunctionTree>();
  for (const [series, tree] of trees.trees.entries()) {
    const rows = trees.rows[series]!;
    let sum = byRows.get(rows);
    if (sum === undefined) byRows.set(rows, (sum = new FunctionTree({}, trees.names)));
    addColumns(sum, tree);
  }
  const result = new FunctionTree({}, trees.names);
  const sorted = [...byRows]
    .toSorted(([a], [b]) => a - b)
    .map(([rows, tree]) => ({ rows, tree, target: addPaths(result, tree) }));
  const rest = new Float64Array(result.length);
  for (const { rows, tree, target } of sorted) addMeans(result, rest, rows, tree, target);
  for (let node = 0; node < result.length; node++) {
    const rounded = Math.round(rest[node]!);
    if (rounded > 0) result.add(node, rounded, 0);
  }
  return result;
}

/** Adds whole parts of sum * AVERAGE_SCALE / rows to `result`, and what is left of each to `rest`. */
function addMeans(
  result: FunctionTree,
  rest: Float64Array,
  rows: number,
  { length, selfLo, selfHi }: FunctionTreeColumns,
  target: Uint32Array,
): void {
  for (let node = 0; node < length; node++) {
    const lo = selfLo[node]!;
    const at = target[node]!;
    if (selfHi[node] === 0 && lo <= MAX_SCALED) {
      const scaled = lo * AVERAGE_SCALE;
      const left = scaled % rows;
      result.add(at, (scaled - left) / rows, 0);
      rest[at] = rest[at]! + left / rows;
    } else {
      const scaled = exactToBigInt(lo, selfHi[node]!) * BigInt(AVERAGE_SCALE);
      const { lo: whole, hi } = exactFromBigInt(scaled / BigInt(rows));
      result.add(at, whole, hi);
      rest[at] = rest[at]! + Number(scaled % BigInt(rows)) / rows;
    }
  }
}

/** Times AVERAGE_SCALE it is below 2^52. */
const MAX_SCALED = 2 ** 42;

/** A tree and a number of rows per series, over one table of names. Their nodes together are bounded. */
class SeriesTrees {
  readonly names = new NameTable();
  readonly series: SeriesTable;
  readonly trees: FunctionTree[] = [];
  readonly rows: number[] = [];
  readonly #limits: QueryLimits;
  /** But for the roots. */
  #nodes = 0;

  constructor(limits: QueryLimits) {
    this.#limits = limits;
    this.series = new SeriesTable(limits);
  }

  /** Adds rows to a series. @param fill adds their sums to its tree. */
  add(number: number, rows: number, fill: (tree: FunctionTree) => void): void {
    const tree = (this.trees[number] ??= new FunctionTree(this.#limits, this.names));
    this.#nodes -= tree.length;
    fill(tree);
    this.#nodes += tree.length;
    this.rows[number] = (this.rows[number] ?? 0) + rows;
    const { maxResultNodes = 0 } = this.#limits;
    if (maxResultNodes > 0 && this.#nodes > maxResultNodes) refuseNodes(maxResultNodes);
  }
}

/** How many rows of each series a selection wants of a value type, and which of all rows. A row without value is no profile of that type. */
function wantedRows(
  tables: DatasetTables,
  type: number,
  selection: Selection,
): { rowsOf: Map<number, number>; wanted: Uint8Array } {
  const rowsOf = new Map<number, number>();
  const { length, series, totals } = tables.rows;
  const wanted = new Uint8Array(length);
  const matched = matchRows(tables, selection, matchSeries(tables, selection));
  if (matched === 'none') return { rowsOf, wanted };
  const { lo, hi } = totals[type]!;
  for (let row = 0; row < length; row++) {
    if (matched !== undefined && matched[row] === 0) continue;
    if (lo[row] === 0 && (hi === undefined || hi[row] === 0)) continue;
    wanted[row] = 1;
    rowsOf.set(series[row]!, (rowsOf.get(series[row]!) ?? 0) + 1);
  }
  return { rowsOf, wanted };
}

function addSeries(
  trees: SeriesTrees,
  {
    tables,
    type,
    selection,
    sumsMaxBytes,
  }: { tables: DatasetTables; type: number; selection: Selection; sumsMaxBytes: number },
  stats: RunStats | undefined,
): void {
  const { rowsOf, wanted } = wantedRows(tables, type, selection);
  const pages = tables.pages.filter((page) => anyRow(wanted, page));
  if (stats !== undefined) stats.pages += pages.length;
  const virtual = virtualLabels(tables, type);
  const all = [...rowsOf.keys()];
  const atOnce = Math.max(1, Math.floor(sumsMaxBytes / (16 * tables.symbols.stacks.length)));
  for (let from = 0; from < all.length; from += atOnce) {
    const some = all.slice(from, from + atOnce);
    const sums = sumBySeries(tables, type, pages, wanted, some);
    for (const [i, series] of some.entries()) {
      const number = trees.series.number(allLabels(tables.series[series]!, virtual));
      trees.add(number, rowsOf.get(series)!, (tree) => addStacks(tree, tables.symbols, sums[i]!));
    }
  }
}

const SUMS_MAX_BYTES = 64 * 1024 * 1024;

/** Sums by stack row of the wanted rows of some series, one after the other. */
function sumBySeries(
  { rows, types, symbols }: DatasetTables,
  type: number,
  pages: DatasetTables['pages'],
  wanted: Uint8Array,
  some: readonly number[],
): ExactSums[] {
  const { length } = symbols.stacks;
  const sums = some.map(() => new ExactSums(length));
  const sumsOf = new Map(some.map((series, i) => [series, sums[i]!]));
  let samples: PageRows | undefined;
  for (const page of pages) {
    if (samples === undefined) samples = new PageRows(page, types.length, length);
    else samples.open(page, length);
    for (let row = page.firstRow; row < page.firstRow + page.rows; row++) {
      const own = wanted[row] === 0 ? undefined : sumsOf.get(rows.series[row]!);
      if (own === undefined) {
        samples.skip();
      } else {
        samples.next();
        addSamples(own, samples, type);
      }
    }
    samples.next(); // behind the last row: all streams of the page end where they should
  }
  return sums;
}

/** Hot: once per sample. */
function addSamples(sums: ExactSums, { length, stack, values }: PageRows, type: number): void {
  const { lo, hi } = values[type]!;
  for (let i = 0; i < length; i++) sums.add(stack[i]!, lo[i]!, hi === undefined ? 0 : hi[i]!);
}

/** The pages that `runAverageStacks` reads of a dataset whose rows are at hand. Roll-ups are of no use: they sum all series. */
export function averagePages(tables: StoredTables, selection: Selection): readonly StoredPage[] {
  const types = matchTypes(tables, selection);
  const wanted = types.map((type) => wantedRows(tables, type, selection).wanted);
  return tables.pages.filter((page) => wanted.some((rows) => anyRow(rows, page)));
}

function anyRow(wanted: Uint8Array, { firstRow, rows }: { firstRow: number; rows: number }): boolean {
  return wanted.subarray(firstRow, firstRow + rows).includes(1);
}

function encode({ names, series, trees, rows }: SeriesTrees): Uint8Array {
  if (trees.length === 0) return new Uint8Array(0);
  const writer = new ByteWriter(1024);
  writer.u8(VERSION);
  names.write(writer);
  writeLabelLists(writer, series.lists);
  for (const [number, tree] of trees.entries()) {
    writer.varint(rows[number]!);
    writeNodes(writer, tree);
  }
  return writer.toBytes();
}

/** Adds a partial to trees. */
function decode(partial: Uint8Array, trees: SeriesTrees): void {
  const reader = new ByteReader(partial, FORMAT);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version}, want ${VERSION}`);
  const numbers = readNames(reader, trees.names);
  for (const labels of readLabelLists(reader)) {
    const rows = reader.varint();
    if (rows === 0) reader.fail('a series of no rows');
    const columns = readNodes(reader, numbers, trees.names);
    trees.add(trees.series.number(labels), rows, (tree) => addColumns(tree, columns));
  }
  if (reader.left > 0) reader.fail(`${reader.left} bytes behind the end`);
}
