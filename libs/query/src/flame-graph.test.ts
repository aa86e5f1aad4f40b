import { KilnError } from '@kiln/model';
import { describe, expect, test, vi } from 'vitest';
import type { FlameGraph } from './flame-graph.ts';
import type { StacktracesQuery } from './query.ts';
import { finishQuery, mergePartials, runQuery } from './run.ts';
import { cpuDataset, CPU_ID } from './test-support/model.ts';
import { readTreeBytes, type OracleNode } from './test-support/oracle.ts';
import { asFlameGraph, asTree } from './test-support/results.ts';
import { toTables } from './test-support/tables.ts';

vi.setConfig({ testTimeout: 60_000 });

const ALL: StacktracesQuery = {
  kind: 'stacktraces',
  startMs: 0,
  endMs: 2000,
  profileType: CPU_ID,
  selector: '{}',
  maxNodes: 0,
  format: 'flamegraph',
};

function draw(samples: Readonly<Record<string, bigint>>, maxNodes = 0): FlameGraph {
  const query = { ...ALL, maxNodes };
  return asFlameGraph(finishQuery(query, runQuery(query, [toTables(cpuDataset(samples))])));
}

function drawTree(samples: Readonly<Record<string, bigint>>, maxNodes = 0): OracleNode | undefined {
  const query = { ...ALL, maxNodes, format: 'tree' as const };
  const tree = asTree(finishQuery(query, runQuery(query, [toTables(cpuDataset(samples))])));
  return tree.length === 0 ? undefined : readTreeBytes(tree);
}

const levelsOf = ({ levels }: FlameGraph): number[][] => levels.map((level) => Array.from(level, Number));

describe('levels', () => {
  test('the example of the contract', () => {
    const graph = draw({ 'a;b': 3n, a: 2n, c: 5n });
    expect(graph.names).toEqual(['total', 'c', 'a', 'b']);
    expect(levelsOf(graph)).toEqual([
      [0, 10, 0, 0],
      [0, 5, 2, 2, 0, 5, 5, 1],
      [2, 3, 3, 3],
    ]);
    expect(graph).toMatchObject({ total: 10n, maxSelf: 5n });
  });

  test('no data is one empty level, and no tree bytes', () => {
    const empty = { names: ['total'], levels: [new Float64Array(4)], total: 0n, maxSelf: 0n };
    expect(finishQuery(ALL, new Uint8Array(0))).toEqual({ format: 'flamegraph', flameGraph: empty });
    expect(draw({})).toEqual(empty);
    expect(drawTree({})).toBeUndefined();
  });

  test('a stacktrace without frames is in no flame graph, and is kept in the partial', () => {
    expect(draw({ '': 7n, a: 1n })).toMatchObject({ total: 1n });
    expect(draw({ '': 7n })).toMatchObject({ total: 0n, names: ['total'] });
    expect(runQuery(ALL, [toTables(cpuDataset({ '': 7n }))]).length).toBeGreaterThan(0);
  });

  test('a function that calls itself is a frame at every depth', () => {
    const graph = draw({ 'f;f;f': 1n, 'f;f': 2n });
    expect(levelsOf(graph)).toEqual([
      [0, 3, 0, 0],
      [0, 3, 0, 1],
      [0, 3, 2, 1],
      [2, 1, 1, 1],
    ]);
  });

  test('inlined lines are frames of their own, and a location without lines is its binary and address', () => {
    expect(draw({ 'main;a|b': 1n, 'main;a;b': 2n, '!0x1f': 4n })).toMatchObject({
      names: ['total', 'main', 'a', 'b', 'app!0x1f'],
    });
  });

  test("an empty name is the root's, and a function named total is not", () => {
    expect(draw({ total: 1n }).names).toEqual(['total', 'total']);
    expect(levelsOf(draw({ ';a': 1n }))[1]).toEqual([0, 1, 0, 0]);
  });

  test('siblings are ordered by UTF-8 bytes, not by UTF-16 units', () => {
    const children = drawTree({ '😀': 1n, '\uFFFD': 1n, z: 1n, é: 1n, Z: 1n })!.children;
    expect(children.map(({ name }) => name)).toEqual(['Z', 'z', 'é', '\uFFFD', '😀']);
  });
});

describe('truncation', () => {
  const samples = { 'a;x': 10n, 'a;y': 3n, 'a;z': 3n, 'b;other;w': 2n, 'b;q': 1n };

  test('the rest is one node other at the right, and what was named other joins it and loses its children', () => {
    expect(levelsOf(draw(samples, 100))).toEqual(levelsOf(draw(samples)));
    const graph = draw(samples, 2);
    expect(graph.names).toEqual(['total', 'other', 'a', 'x']);
    expect(levelsOf(graph)).toEqual([
      [0, 19, 0, 0],
      [0, 16, 0, 2, 0, 3, 3, 1],
      [0, 10, 0 + 10, 3, 0, 6, 6, 1],
    ]);
    expect(draw(samples).names).toContain('other');
    expect(draw(samples).names).not.toContain('w');
  });

  test('nodes equal to the last that fits are kept too', () => {
    const names = draw(samples, 3).names;
    expect(names).toEqual(expect.arrayContaining(['a', 'x', 'y', 'z', 'b']));
    expect(names).not.toContain('q');
  });

  test('tree bytes keep a node named other and add the rest to it', () => {
    const b = drawTree(samples, 3)!.children.find(({ name }) => name === 'b')!;
    expect(b.children).toMatchObject([{ name: 'other', self: 1n, total: 3n, children: [{ name: 'other', self: 2n }] }]);
  });

  test('every cut keeps the total', () => {
    for (let nodes = 0; nodes < 12; nodes++) {
      expect(draw(samples, nodes).total).toBe(19n);
      expect(drawTree(samples, nodes)!.total).toBe(19n);
    }
  });
});

describe('large sums', () => {
  test('are exact doubles below 2^53, exact int64 from there', () => {
    const below = draw({ 'a;b': 2n ** 53n - 2n, a: 1n });
    expect(below.levels[0]).toBeInstanceOf(Float64Array);
    expect(below.total).toBe(2n ** 53n - 1n);
    const above = draw({ 'a;b': 2n ** 53n, a: 1n, c: 2n ** 60n + 1n });
    expect(above.levels[0]).toBeInstanceOf(BigInt64Array);
    expect(above.levels.map((level) => [...level])).toEqual([
      [0n, 2n ** 60n + 2n ** 53n + 2n, 0n, 0n],
      [0n, 2n ** 53n + 1n, 1n, 2n, 0n, 2n ** 60n + 1n, 2n ** 60n + 1n, 1n],
      [1n, 2n ** 53n, 2n ** 53n, 3n],
    ]);
    expect(draw({ a: 2n ** 60n + 1n, b: 2n ** 60n, c: 2n ** 60n + 2n }, 2).names).toEqual(['total', 'other', 'c', 'a']);
  });

  test('reach 2^63 - 1 and are refused above it, with the sum, the bound and the time range', () => {
    const half = toTables(cpuDataset({ a: 2n ** 62n }));
    const partial = runQuery(ALL, [half]);
    expect(draw({ a: 2n ** 62n, b: 2n ** 62n - 1n }).total).toBe(2n ** 63n - 1n);
    for (const format of ['flamegraph', 'tree'] as const) {
      const finish = (): unknown => finishQuery({ ...ALL, format }, mergePartials(ALL, [partial, partial]));
      expect(finish).toThrow(KilnError);
      expect(finish).toThrow(
        /9223372036854775808.*int64.*9223372036854775807.*1970-01-01T00:00:00.000Z to 1970-01-01T00:00:02.000Z.*shorter/,
      );
    }
    expect(finishQuery(ALL, partial)).toMatchObject({ flameGraph: { total: 2n ** 62n } });
  });

  test('carry at 2^52 in every place where values meet', () => {
    const near = 2n ** 52n - 1n;
    const partial = runQuery(ALL, [toTables(cpuDataset({ 'a;b': near, a: near }))]);
    const merged = asFlameGraph(finishQuery(ALL, mergePartials(ALL, [partial, partial, partial])));
    expect(merged).toMatchObject({ total: 6n * near, maxSelf: 3n * near });
    const stacks = runQuery(ALL, [toTables(cpuDataset({ 'a|b': near, 'a;b': near }))]);
    expect(asFlameGraph(finishQuery(ALL, stacks))).toMatchObject({ total: 2n * near, maxSelf: 2n * near });
  });

  test('a merge above int64 still carries its value', () => {
    let partial = runQuery(ALL, [toTables(cpuDataset({ a: 2n ** 62n }))]);
    for (let i = 0; i < 10; i++) partial = mergePartials(ALL, [partial, partial]);
    expect(() => finishQuery(ALL, partial)).toThrow(String(2n ** 72n));
  });
});

test('a stacktrace of 100,000 frames is no recursion here', () => {
  const deep = Array.from({ length: 100_000 }, (_, i) => `f${i % 10}`).join(';');
  expect(draw({ [deep]: 1n }).levels.length).toBe(100_001);
  expect(draw({ [deep]: 1n, a: 1n }, 10).total).toBe(2n);
});
