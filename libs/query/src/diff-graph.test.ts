import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { diffGraph, type DiffGraph } from './diff-graph.ts';
import type { StacktracesQuery } from './query.ts';
import { runQuery } from './run.ts';
import { cpuDataset, CPU_ID } from './test-support/model.ts';
import { toTables } from './test-support/tables.ts';

vi.setConfig({ testTimeout: 60_000 });

const range = { startMs: 0, endMs: 2000 };
const query: StacktracesQuery = {
  kind: 'stacktraces',
  ...range,
  profileType: CPU_ID,
  selector: '{}',
  maxNodes: 0,
  format: 'flamegraph',
};
type Samples = Readonly<Record<string, bigint>>;

const sideOf = (samples: Samples) => ({ range, partial: runQuery(query, [toTables(cpuDataset(samples))]) });

function diff(left: Samples, right: Samples, maxNodes = 0): DiffGraph {
  return diffGraph(sideOf(left), sideOf(right), maxNodes);
}

/** A node of both trees, by contract/pyroscope.md §5.7. */
interface Pair {
  readonly name: string;
  readonly self: [bigint, bigint];
  readonly total: [bigint, bigint];
  readonly children: Pair[];
}

function pairTree(sides: readonly Samples[]): Pair {
  const root: Pair = { name: 'total', self: [0n, 0n], total: [0n, 0n], children: [] };
  for (const [side, samples] of sides.entries()) {
    for (const [stack, value] of Object.entries(samples)) {
      let node = root;
      root.total[side]! += value;
      for (const name of stack.split(';')) {
        let child = node.children.find((one) => one.name === name);
        if (child === undefined) node.children.push((child = { name, self: [0n, 0n], total: [0n, 0n], children: [] }));
        child.total[side]! += value;
        node = child;
      }
      node.self[side]! += value;
    }
  }
  return root;
}

const max = ([a, b]: [bigint, bigint]): bigint => (a > b ? a : b);
const all = (node: Pair): Pair[] => [node, ...node.children.flatMap(all)];

function cut(node: Pair, least: bigint): Pair {
  const kept = node.children
    .filter(({ total }) => max(total) >= least)
    .toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
    .map((child) => cut(child, least));
  const rest = node.children.filter(({ total }) => max(total) < least);
  const sum = (side: 0 | 1): bigint => rest.reduce((total, one) => total + one.total[side], 0n);
  const values: [bigint, bigint] = [sum(0), sum(1)];
  if (rest.length > 0) kept.push({ name: 'other', self: values, total: values, children: [] });
  return { ...node, children: kept };
}

/** Levels as rows of [xL, totalL, selfL, xR, totalR, selfR, name], with absolute edges. */
function draw(root: Pair): unknown[][] {
  const levels: unknown[][] = [];
  const place = (node: Pair, level: number, x: [bigint, bigint]): void => {
    (levels[level] ??= []).push([x[0], node.total[0], node.self[0], x[1], node.total[1], node.self[1], node.name]);
    const at: [bigint, bigint] = [x[0] + node.self[0], x[1] + node.self[1]];
    for (const child of node.children) {
      place(child, level + 1, [...at]);
      at[0] += child.total[0];
      at[1] += child.total[1];
    }
  };
  place(root, 0, [0n, 0n]);
  return levels;
}

function drawn({ names, levels }: DiffGraph): unknown[][] {
  return levels.map((level) => {
    const values = Array.from(level, BigInt);
    const rows: unknown[][] = [];
    let ends: [bigint, bigint] = [0n, 0n];
    for (let i = 0; i < values.length; i += 7) {
      const [dl, tl, sl, dr, tr, sr, name] = values.slice(i, i + 7) as bigint[];
      const x: [bigint, bigint] = [ends[0] + dl!, ends[1] + dr!];
      rows.push([x[0], tl, sl, x[1], tr, sr, names[Number(name)]]);
      ends = [x[0] + tl!, x[1] + tr!];
    }
    return rows;
  });
}

const samples = fc.dictionary(
  fc
    .array(fc.constantFrom('main', 'a', 'b', 'other', 'é', '😀'), { minLength: 1, maxLength: 5 })
    .map((names) => names.join(';')),
  fc.oneof(fc.bigInt({ min: 1n, max: 9n }), fc.constantFrom(2n ** 52n, 2n ** 55n + 1n)),
  { maxKeys: 12 },
);

it('a diff has the nodes of both sides beside each other, cut by the larger of both totals', () => {
  let truncated = 0;
  fc.assert(
    fc.property(samples, samples, fc.integer({ min: 0, max: 14 }), (left, right, maxNodes) => {
      const tree = pairTree([left, right]);
      const totals = all(tree)
        .map(({ total }) => max(total))
        .toSorted((a, b) => (a < b ? 1 : a > b ? -1 : 0));
      const isCut = maxNodes > 0 && totals.length > maxNodes;
      const want = cut(tree, isCut ? totals[maxNodes - 1]! : 0n);
      const found = diff(left, right, maxNodes);
      expect(drawn(found)).toEqual(draw(want));
      expect([found.leftTicks, found.rightTicks]).toEqual(tree.total);
      expect(found.maxSelf).toBe(all(want).reduce((most, { self }) => (max(self) > most ? max(self) : most), 0n));
      expect(found.names[0]).toBe('total');
      expect(new Set(found.names).size).toBe(found.names.length);
      if (isCut) truncated++;
    }),
    { numRuns: 500 },
  );
  expect(truncated).toBeGreaterThan(50);
});

it('a diff of nothing is a root, and of a profile with itself twice the same', () => {
  expect(drawn(diff({}, {}))).toEqual([[[0n, 0n, 0n, 0n, 0n, 0n, 'total']]]);
  const same = diff({ 'a;b': 3n, a: 2n, c: 5n }, { 'a;b': 3n, a: 2n, c: 5n });
  expect(same.levels.map((level) => [...level])).toEqual([
    [0, 10, 0, 0, 10, 0, 0],
    [0, 5, 2, 0, 5, 2, 2, 0, 5, 5, 0, 5, 5, 1],
    [2, 3, 3, 2, 3, 3, 3],
  ]);
});

it('a diff is refused where a side, or both together, pass int64', () => {
  const large = { a: 2n ** 62n };
  expect(diff(large, { a: 2n ** 62n - 1n }).leftTicks).toBe(2n ** 62n);
  expect(() => diff(large, large)).toThrow('9223372036854775808');
});
