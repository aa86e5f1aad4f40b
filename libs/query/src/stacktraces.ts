import type { DatasetTables } from '@kiln/block';
import { ByteReader, ByteWriter } from '@kiln/bytes';
import { readExact, writeExact } from './exact-codec.ts';
import { flameGraph, type FlameGraph } from './flame-graph.ts';
import { FunctionTree, type FunctionTreeColumns } from './function-tree.ts';
import type { QueryLimits } from './limits.ts';
import { NameTable, readNames } from './name-table.ts';
import type { StacktracesQuery } from './query.ts';
import type { RunStats } from './run-stats.ts';
import { compileProfileSelection } from './selection.ts';
import { addStacks } from './stack-frames.ts';
import { readParents } from './symbol-codec.ts';
import { sumByStack } from './stack-sums.ts';
import { treeBytes } from './tree-bytes.ts';

/** The answer in the format asked for. */
export type StacktracesResult =
  | { readonly format: 'flamegraph'; readonly flameGraph: FlameGraph }
  | { readonly format: 'tree'; readonly tree: Uint8Array };

/*
 * partial := version u8 | names | n | column node - parent | column name | column self value, exact
 *            nodes 1 to n with parents first; the last column begins with node 0, whose value is that of stacktraces without frames
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
  const selection = compileProfileSelection(query, query);
  const tree = new FunctionTree(limits);
  for (const tables of datasets) {
    const sums = sumByStack(tables, selection, stats);
    if (sums !== undefined) addStacks(tree, tables.symbols, sums);
  }
  return encodeTree(tree);
}

/** Associative and commutative, but for the order of nodes, which no answer depends on. */
export function mergeStacktraces(partials: readonly Uint8Array[], limits: QueryLimits = {}): Uint8Array {
  const full = partials.filter((partial) => partial.length > 0);
  if (full.length <= 1) return full[0] ?? new Uint8Array(0);
  const tree = new FunctionTree(limits);
  for (const partial of full) addColumns(tree, decode(partial, tree.names));
  return encodeTree(tree);
}

/** Truncates, once. @throws KilnError `out_of_range` when the sum is above int64, CorruptDataError for a damaged partial. */
export function finishStacktraces(query: StacktracesQuery, partial: Uint8Array): StacktracesResult {
  const tree = partial.length === 0 ? new FunctionTree() : decode(partial, new NameTable());
  return query.format === 'tree'
    ? { format: 'tree', tree: treeBytes(tree, query.maxNodes, query) }
    : { format: 'flamegraph', flameGraph: flameGraph(tree, query.maxNodes, query) };
}

function encodeTree(tree: FunctionTree): Uint8Array {
  const count = tree.length;
  if (count === 1 && tree.selfLo[0] === 0 && tree.selfHi[0] === 0) return new Uint8Array(0);
  const writer = new ByteWriter(64 + count * 8);
  writer.u8(VERSION);
  tree.names.write(writer);
  writer.varint(count - 1);
  const { parent, name, selfLo, selfHi } = tree;
  const up = new Uint32Array(count - 1);
  for (let node = 1; node < count; node++) up[node - 1] = node - parent[node]!;
  writer.varints(up, count - 1);
  writer.varints(name.subarray(1, count), count - 1);
  for (let node = 0; node < count; node++) writeExact(writer, selfLo[node]!, selfHi[node]!);
  return writer.toBytes();
}

/** A partial as the tree it was, its names interned. */
function decode(partial: Uint8Array, into: NameTable): FunctionTreeColumns {
  const reader = new ByteReader(partial, FORMAT);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version}, want ${VERSION}`);
  const names = readNames(reader, into);
  const length = reader.count(3) + 1;
  const parent = readParents(reader, length);
  const name = new Uint32Array(length);
  for (let node = 1; node < length; node++) {
    const number = reader.varint();
    if (number >= names.length) reader.fail(`name ${number} of ${names.length}`);
    name[node] = names[number]!;
  }
  const selfLo = new Float64Array(length);
  const selfHi = new Float64Array(length);
  for (let node = 0; node < length; node++) readExact(reader, selfLo, selfHi, node);
  if (reader.left > 0) reader.fail(`${reader.left} bytes behind the end`);
  return { names: into, length, parent, name, selfLo, selfHi };
}

/** Adds to a tree with the same table of names. Nodes are renumbered; those of one path become one. Hot: once per node. */
function addColumns(tree: FunctionTree, { length, parent, name, selfLo, selfHi }: FunctionTreeColumns): void {
  const target = new Uint32Array(length);
  tree.reserve(length - 1);
  for (let node = 1; node < length; node++) target[node] = tree.child(target[parent[node]!]!, name[node]!);
  for (let node = 0; node < length; node++) {
    if (selfLo[node] !== 0 || selfHi[node] !== 0) tree.add(target[node]!, selfLo[node]!, selfHi[node]!);
  }
}
