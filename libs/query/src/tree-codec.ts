import type { ByteReader, ByteWriter } from '@kiln/bytes';
import { readExact, writeExact } from './exact-codec.ts';
import type { FunctionTree, FunctionTreeColumns } from './function-tree.ts';
import type { NameTable } from './name-table.ts';
import { readParents } from './symbol-codec.ts';

/** Whether a tree has no nodes and no value. */
export function isEmpty({ length, selfLo, selfHi }: FunctionTreeColumns): boolean {
  return length === 1 && selfLo[0] === 0 && selfHi[0] === 0;
}

/*
 * nodes := n | column node - parent | column name | column self value, exact
 *          nodes 1 to n with parents first; the last column begins with node 0, whose value is that of stacktraces without frames
 */
export function writeNodes(writer: ByteWriter, { length, parent, name, selfLo, selfHi }: FunctionTreeColumns): void {
  writer.varint(length - 1);
  const up = new Uint32Array(length - 1);
  for (let node = 1; node < length; node++) up[node - 1] = node - parent[node]!;
  writer.varints(up, length - 1);
  writer.varints(name.subarray(1, length), length - 1);
  for (let node = 0; node < length; node++) writeExact(writer, selfLo[node]!, selfHi[node]!);
}

/** Reads what `writeNodes` wrote. @param numbers of the names as written, in `names`. */
export function readNodes(reader: ByteReader, numbers: Uint32Array, names: NameTable): FunctionTreeColumns {
  const length = reader.count(3) + 1;
  const parent = readParents(reader, length);
  const name = new Uint32Array(length);
  for (let node = 1; node < length; node++) {
    const number = reader.varint();
    if (number >= numbers.length) reader.fail(`name ${number} of ${numbers.length}`);
    name[node] = numbers[number]!;
  }
  const selfLo = new Float64Array(length);
  const selfHi = new Float64Array(length);
  for (let node = 0; node < length; node++) readExact(reader, selfLo, selfHi, node);
  return { names, length, parent, name, selfLo, selfHi };
}

/** Adds to a tree with the same table of names. Nodes are renumbered; those of one path become one. Hot: once per node. */
export function addColumns(tree: FunctionTree, { length, parent, name, selfLo, selfHi }: FunctionTreeColumns): void {
  const target = addPaths(tree, { length, parent, name });
  for (let node = 0; node < length; node++) {
    if (selfLo[node] !== 0 || selfHi[node] !== 0) tree.add(target[node]!, selfLo[node]!, selfHi[node]!);
  }
}

/** The nodes of a tree for those of another with the same table of names, made where there are none. Hot: once per node. */
export function addPaths(
  tree: FunctionTree,
  { length, parent, name }: Pick<FunctionTreeColumns, 'length' | 'parent' | 'name'>,
): Uint32Array {
  const target = new Uint32Array(length);
  tree.reserve(length - 1);
  for (let node = 1; node < length; node++)
    target[node] = tree.child(target[parent[node]!]!, name[node]!, target[node - 1]! + 1);
  return target;
}
