import { ByteWriter } from '@kiln/bytes';
import { cutTree } from './cut-tree.ts';
import type { FunctionTreeColumns } from './function-tree.ts';
import type { QueryRange } from './query.ts';

/**
 * The tree of contract/pyroscope.md §5.5, truncated to about `maxNodes` nodes (0: not at all):
 *
 *   record := name length varint | name | self varint | children varint         preorder, the last child first
 *
 * The first record is the root of all: no name, self 0. A tree without nodes is no bytes.
 * @throws KilnError `out_of_range` when the total is above int64, naming `range`.
 */
export function treeBytes(tree: FunctionTreeColumns, maxNodes: number, range: QueryRange): Uint8Array {
  const { length, name, names, self, firstChild, childCount } = cutTree(tree, maxNodes, { otherIsRest: false }, range);
  if (length === 1) return new Uint8Array(0);
  const encoded: Uint8Array[] = names.map((text) => encoder.encode(text));
  const writer = new ByteWriter(length * 8);
  const stack = new Uint32Array(length);
  let depth = 1;
  while (depth > 0) {
    const node = stack[--depth]!;
    const bytes = node === 0 ? NO_NAME : encoded[name[node]!]!;
    writer.varint(bytes.length);
    writer.bytes(bytes);
    writer.varintExact(self.lo[node]!, self.hi[node]!);
    const children = childCount[node]!;
    writer.varint(children);
    for (let i = 0; i < children; i++) stack[depth++] = firstChild[node]! + i;
  }
  return writer.toBytes();
}

const NO_NAME = new Uint8Array(0);
const encoder = new TextEncoder();
