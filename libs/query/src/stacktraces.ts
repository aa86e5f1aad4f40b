import type { DatasetTables } from '@kiln/block';
import { ByteReader, ByteWriter } from '@kiln/bytes';
import { partialBytes, type Merged, type QueryMerge } from './answer.ts';
import { dotText } from './dot.ts';
import { flameGraph, type FlameGraph } from './flame-graph.ts';
import { FunctionTree, type FunctionTreeColumns } from './function-tree.ts';
import type { QueryLimits } from './limits.ts';
import { NameTable, readNames } from './name-table.ts';
import type { StacktracesQuery } from './query.ts';
import type { RunStats } from './run-stats.ts';
import { compileProfileSelection, type Selection } from './selection.ts';
import { addStacks } from './stack-frames.ts';
import { sumAllByStack } from './stack-sums.ts';
import { treeBytes } from './tree-bytes.ts';
import { addColumns, isEmpty, readNodes, writeNodes } from './tree-codec.ts';

/** The answer in the format asked for. */
export type StacktracesResult =
  | { readonly format: 'flamegraph'; readonly flameGraph: FlameGraph }
  | { readonly format: 'tree'; readonly tree: Uint8Array }
  | { readonly format: 'dot'; readonly dot: string };

/*
 * partial := version u8 | names | nodes (tree-codec.ts)
 * names   := count | count * length | bytes
 * An empty partial is no bytes at all.
 */
const VERSION = 1;
const FORMAT = 'stacktraces partial';

/** The function tree of what a query selects of some datasets. */
export function runStacktraces(
  query: StacktracesQuery,
  datasets: Iterable<DatasetTables>,
  limits: QueryLimits = {},
  stats?: RunStats,
): Uint8Array {
  const merge = new StacktracesMerge(query, limits, stats);
  for (const tables of datasets) merge.addDatasets([tables]); // what is decoded of one is let go of before the next
  return merge.toPartial();
}

/** Associative and commutative, but for the order of nodes, which no answer depends on. */
export function mergeStacktraces(partials: readonly Uint8Array[], limits: QueryLimits = {}): Uint8Array {
  const full = partials.filter((partial) => partial.length > 0);
  if (full.length <= 1) return full[0] ?? new Uint8Array(0);
  const tree = new FunctionTree(limits);
  for (const partial of full) addColumns(tree, decode(partial, tree.names));
  return stacktracesPartial(tree);
}

/** One function tree of datasets and partials, for a reader that has one part after the other: nothing is encoded in between. */
export class StacktracesMerge implements QueryMerge {
  readonly #selection: Selection;
  readonly #stats: RunStats | undefined;
  readonly tree: FunctionTree;

  constructor(query: StacktracesQuery, limits: QueryLimits = {}, stats?: RunStats) {
    this.#selection = compileProfileSelection(query, query);
    this.tree = new FunctionTree(limits);
    this.#stats = stats;
  }

  addDatasets(datasets: Iterable<DatasetTables>): void {
    const read = sumAllByStack(datasets, this.#selection, this.#stats);
    for (const { symbols, values } of read) addStacks(this.tree, symbols, values);
  }

  addPartial(partial: Uint8Array): void {
    if (partial.length > 0) addColumns(this.tree, decode(partial, this.tree.names));
  }

  toPartial(): Uint8Array {
    return stacktracesPartial(this.tree);
  }

  finish(query: StacktracesQuery): StacktracesResult {
    return finishTree(query, this.tree);
  }
}

/** Truncates, once. @throws KilnError `out_of_range` when the sum is above int64, CorruptDataError for a damaged partial. */
export function finishStacktraces(query: StacktracesQuery, partial: Uint8Array): StacktracesResult {
  return finishTree(query, stacktracesTree(partial));
}

function finishTree(query: StacktracesQuery, tree: FunctionTreeColumns): StacktracesResult {
  const { format, maxNodes } = query;
  if (format === 'tree') return { format, tree: treeBytes(tree, maxNodes, query) };
  if (format === 'dot') return { format, dot: dotText(tree, maxNodes, query) };
  return { format, flameGraph: flameGraph(tree, maxNodes, query) };
}

/** The whole tree of a merged partial, before anything is cut. @throws CorruptDataError for a damaged partial. */
export function stacktracesTree(merged: Merged): FunctionTreeColumns {
  return merged instanceof StacktracesMerge ? merged.tree : namedTree(partialBytes(merged), new NameTable());
}

/** The whole tree of a partial, its names added to `names`. @throws CorruptDataError for a damaged partial. */
export function namedTree(partial: Uint8Array, names: NameTable): FunctionTreeColumns {
  return partial.length === 0 ? new FunctionTree({}, names) : decode(partial, names);
}

/** A whole tree as a partial. */
export function stacktracesPartial(tree: FunctionTree): Uint8Array {
  if (isEmpty(tree)) return new Uint8Array(0);
  const writer = new ByteWriter(64 + tree.length * 8);
  writer.u8(VERSION);
  tree.names.write(writer);
  writeNodes(writer, tree);
  return writer.toBytes();
}

/** A partial as the tree it was, its names interned. */
function decode(partial: Uint8Array, into: NameTable): FunctionTreeColumns {
  const reader = new ByteReader(partial, FORMAT);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version}, want ${VERSION}`);
  const tree = readNodes(reader, readNames(reader, into), into);
  if (reader.left > 0) reader.fail(`${reader.left} bytes behind the end`);
  return tree;
}
