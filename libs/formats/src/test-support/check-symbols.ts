import { expect } from 'vitest';
import type { Profile } from '@kiln/model';
import { textAt } from './show-profile.ts';

/** What every symbol table promises: every stack and every node of the tree once, nothing that no sample uses, parents first, rows within their tables. */
export function checkSymbols({ symbols, groups }: Profile): void {
  const { strings, functions, mappings, locations, tree, stacks } = symbols;
  const rows = (length: number): number[] => Array.from({ length }, (_, row) => row);
  const distinct = (keys: readonly unknown[]): void => {
    expect(new Set(keys.map((key) => JSON.stringify(key))).size).toBe(keys.length);
  };
  const usedAre = (used: readonly number[], length: number): void => {
    expect([...new Set(used)].sort((a, b) => a - b)).toEqual(rows(length));
  };
  const lines = (row: number): number[] =>
    rows(locations.lineStart[row + 1]! - locations.lineStart[row]!).map((i) => i + locations.lineStart[row]!);

  expect(textAt(symbols, 0)).toBe('');
  const functionTexts = (row: number): number[] => [
    functions.name[row]!,
    functions.systemName[row]!,
    functions.fileName[row]!,
  ];
  distinct(rows(tree.length).map((node) => [tree.parent[node], tree.location[node], node === 0]));
  distinct(rows(stacks.length).map((stack) => stacks.node[stack]));

  expect([tree.parent[0], tree.location[0]]).toEqual([0, 0]);
  for (let node = 1; node < tree.length; node++) expect(tree.parent[node]).toBeLessThan(node);
  const inner = rows(tree.length).slice(1);
  usedAre(
    groups.flatMap(({ stack, length }) => [...stack.subarray(0, length)]),
    stacks.length,
  );
  usedAre([0, ...rows(stacks.length).flatMap((stack) => pathOf(tree.parent, stacks.node[stack]!))], tree.length);
  usedAre(
    inner.map((node) => tree.location[node]!),
    locations.length,
  );
  usedAre(
    rows(locations.length).map((row) => locations.mapping[row]!),
    mappings.length,
  );
  usedAre(
    rows(locations.length).flatMap((row) => lines(row).map((line) => locations.lineFunction[line]!)),
    functions.length,
  );
  const texts = rows(mappings.length).flatMap((row) => [mappings.fileName[row]!, mappings.buildId[row]!]);
  usedAre([0, ...texts, ...rows(functions.length).flatMap(functionTexts)], strings.length);
}

function pathOf(parent: Uint32Array, leaf: number): number[] {
  const nodes: number[] = [];
  for (let node = leaf; node !== 0; node = parent[node]!) nodes.push(node);
  return nodes;
}
