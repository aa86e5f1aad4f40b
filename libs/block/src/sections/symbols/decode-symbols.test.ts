import { CorruptDataError } from '@kiln/bytes';
import type { Symbols } from '@kiln/model';
import { expect, it } from 'vitest';
import { stringColumn } from '../../columns.ts';
import { decodeSymbols } from './decode-symbols.ts';
import { encodeSymbols } from './encode-symbols.ts';

/** A path of that many nodes, then, from every other node of it, a leaf; a stack for each node. */
function deep(depth: number): Symbols {
  const leaves = Array.from({ length: Math.ceil(depth / 2) }, (_, i) => depth - 2 * i);
  const parent = Uint32Array.from([0, ...Array.from({ length: depth }, (_, i) => i), ...leaves]);
  const { length } = parent;
  return {
    strings: stringColumn(['', 'f']),
    functions: {
      length: 1,
      name: Uint32Array.of(1),
      systemName: Uint32Array.of(1),
      fileName: Uint32Array.of(0),
      startLine: Float64Array.of(0),
    },
    mappings: {
      length: 1,
      start: new BigUint64Array(1),
      limit: new BigUint64Array(1),
      offset: new BigUint64Array(1),
      fileName: new Uint32Array(1),
      buildId: new Uint32Array(1),
      flags: new Uint8Array(1),
    },
    locations: {
      length: 2,
      mapping: new Uint32Array(2),
      addressLo: new Uint32Array(2),
      addressHi: new Uint32Array(2),
      lineStart: Uint32Array.of(0, 1, 2),
      lineFunction: new Uint32Array(2),
      lineNumber: Float64Array.of(7, 9),
    },
    tree: { length, parent, location: Uint32Array.from(parent, (_, node) => (node > depth ? 1 : 0)) },
    stacks: { length, node: Uint32Array.from(parent, (_, node) => node) },
  };
}

/** The lines of each stack, from its leaf to the root. */
function linesOf({ tree, stacks, locations }: Symbols): string[] {
  return Array.from(stacks.node, (leaf) => {
    const lines: number[] = [];
    for (let node = leaf; node > 0; node = tree.parent[node]!)
      lines.push(locations.lineNumber[locations.lineStart[tree.location[node]!]!]!);
    return lines.join(' ');
  });
}

it('stacks of any depth come back as they were', () => {
  for (const depth of [0, 1, 254, 255, 256, 257, 1000]) {
    const symbols = deep(depth);
    expect(linesOf(decodeSymbols(encodeSymbols(symbols)))).toEqual(linesOf(symbols));
  }
});

it('a tree that goes up beyond its root is corrupt', () => {
  const bytes = encodeSymbols(deep(1));
  // Two nodes: how far up each goes, then a location each, then three stacks.
  const tree = bytes.length - 1 - 3 - 2 - 2 - 1;
  expect([...bytes.subarray(tree, tree + 3)]).toEqual([2, 0, 0]);
  bytes[tree + 1] = 1;
  expect(() => decodeSymbols(bytes)).toThrow(CorruptDataError);
  expect(() => decodeSymbols(bytes)).toThrow('node 1 above the root');
});
