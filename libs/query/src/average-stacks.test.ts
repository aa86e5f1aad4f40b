import { formatSelector, labelSetKey } from '@kiln/model';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { AVERAGE_SCALE, runAverageStacks } from './average-stacks.ts';
import { functionSums, stacksThrough, treeTotal } from './function-sums.ts';
import type { FunctionTreeColumns } from './function-tree.ts';
import type { AverageStacksQuery, StacktracesQuery } from './query.ts';
import { finishQuery, runQuery } from './run.ts';
import { stacktracesTree } from './stacktraces.ts';
import { conditions, datasets, profileType, range, runSpread, spread } from './test-support/arbitrary.ts';
import { cpuDataset, CPU_ID } from './test-support/model.ts';
import { oracleRows, oracleTree, type Condition, type OracleNode } from './test-support/oracle.ts';
import { toTables } from './test-support/tables.ts';

const numRuns = process.env['KILN_LONG'] === '1' ? 3000 : 300;
vi.setConfig({ testTimeout: 120_000 });
const world = fc.record({ list: datasets, times: range, conditions, profileType, spread });
/** Mostly whole, so that series have several rows. */
const wide = fc.oneof(fc.constant({ startMs: 0, endMs: 40 }), range);
const averaged = fc.record({ list: datasets, times: wide, conditions, profileType, spread });

/** Own values by path, slow and obvious. */
function selfByPath(node: OracleNode, path = ''): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const child of node.children) {
    const at = `${path};${child.name}`;
    if (child.self > 0n) sums.set(at, child.self);
    for (const [key, value] of selfByPath(child, at)) sums.set(key, value);
  }
  return sums;
}

function pathsOf(tree: FunctionTreeColumns): Map<string, bigint> {
  const paths = [''];
  const sums = new Map<string, bigint>();
  for (let node = 1; node < tree.length; node++) {
    paths.push(`${paths[tree.parent[node]!]!};${tree.names.textOf(tree.name[node]!)}`);
    const value = (BigInt(tree.selfHi[node]!) << 52n) + BigInt(tree.selfLo[node]!);
    if (value > 0n) sums.set(paths[node]!, value);
  }
  return sums;
}

function typeIs(id: string): Condition {
  return { name: '__profile_type__', op: '=', value: id };
}

test('an average is the sum over series of the mean of each over its profiles, whatever the split', () => {
  let uneven = 0;
  fc.assert(
    fc.property(averaged, ({ list, times, conditions: wanted, profileType: id, spread: how }) => {
      const query: AverageStacksQuery = {
        kind: 'averageStacks',
        ...times,
        profileType: id,
        selector: formatSelector(wanted),
      };
      const found = pathsOf(finishQuery(query, runSpread(query, list, how)));
      const bySeries = Map.groupBy(
        oracleRows(list, times.startMs, times.endMs, [...wanted, typeIs(id)]),
        ({ labels }) =>
          labelSetKey(
            [...labels].map(([name, value]) => ({ name, value })).toSorted((a, b) => (a.name < b.name ? -1 : 1)),
          ),
      );
      const common = [...bySeries.values()].reduce((product, rows) => product * BigInt(rows.length), 1n);
      const means = new Map<string, bigint>();
      for (const rows of bySeries.values())
        for (const [path, sum] of selfByPath(oracleTree(rows))) {
          means.set(path, (means.get(path) ?? 0n) + (sum * BigInt(AVERAGE_SCALE) * common) / BigInt(rows.length));
        }
      if (new Set([...bySeries.values()].map(({ length }) => length)).size > 1) uneven++;
      for (const path of new Set([...found.keys(), ...means.keys()])) {
        const off = (found.get(path) ?? 0n) * common - (means.get(path) ?? 0n);
        // To the nearest, but for the last bits of a fraction.
        expect((off < 0n ? -off : off) * 2_000_000n <= common * 1_000_001n, path).toBe(true);
      }
    }),
    { numRuns },
  );
  expect(uneven).toBeGreaterThan(numRuns / 100);
});

test('an average is the same however many series are summed at once', () => {
  fc.assert(
    fc.property(averaged, ({ list, times, conditions: wanted, profileType: id }) => {
      const selector = formatSelector(wanted);
      const query: AverageStacksQuery = { kind: 'averageStacks', ...times, profileType: id, selector };
      const tables = list.map((dataset) => toTables(dataset));
      expect(runAverageStacks(query, tables, {}, undefined, 1)).toEqual(runAverageStacks(query, tables));
    }),
    { numRuns },
  );
});

/** Functions by name: what they cost themselves, and what the stacks cost that they are in at least once. */
function oracleFunctions(stacks: ReadonlyMap<string, bigint>): Map<string, [self: bigint, total: bigint]> {
  const sums = new Map<string, [bigint, bigint]>();
  for (const [path, value] of stacks) {
    const names = path.split(';').slice(1);
    for (const name of new Set(names)) {
      const [self, total] = sums.get(name) ?? [0n, 0n];
      sums.set(name, [self + (names.at(-1) === name ? value : 0n), total + value]);
    }
  }
  return sums;
}

test('a table of functions counts every sample once, recursion too, and a view the stacks through one function', () => {
  let recursive = 0;
  fc.assert(
    fc.property(world, ({ list, times, conditions: wanted, profileType: id, spread: how }) => {
      const query: StacktracesQuery = {
        kind: 'stacktraces',
        format: 'flamegraph',
        ...times,
        profileType: id,
        selector: formatSelector(wanted),
        maxNodes: 2,
      };
      const tree = stacktracesTree(runSpread(query, list, how));
      const stacks = selfByPath(oracleTree(oracleRows(list, times.startMs, times.endMs, [...wanted, typeIs(id)])));
      const views: [FunctionTreeColumns, Map<string, bigint>][] = [
        [tree, stacks],
        [stacksThrough(tree, 'run'), new Map([...stacks].filter(([path]) => path.split(';').slice(1).includes('run')))],
      ];
      for (const [view, want] of views) {
        const found = functionSums(view);
        expect(new Map(found.map(({ name, self, total }) => [name, [self, total]]))).toEqual(oracleFunctions(want));
        expect(treeTotal(view)).toBe([...want.values()].reduce((sum, value) => sum + value, 0n));
      }
      if ([...stacks.keys()].some((path) => new Set(path.split(';')).size < path.split(';').length)) recursive++;
    }),
    { numRuns },
  );
  expect(recursive).toBeGreaterThan(numRuns / 100);
});

test('a table is sorted by self, then total, then name', () => {
  const query: StacktracesQuery = {
    kind: 'stacktraces',
    format: 'flamegraph',
    startMs: 0,
    endMs: 2000,
    profileType: CPU_ID,
    selector: '{}',
    maxNodes: 0,
  };
  const how = { parts: [0], seed: 0 };
  const tree = stacktracesTree(runSpread(query, [cpuDataset({ 'main;b': 3n, 'main;a': 3n, 'main;c;main': 4n })], how));
  expect(functionSums(tree)).toEqual([
    { name: 'main', self: 4n, total: 10n },
    { name: 'a', self: 3n, total: 3n },
    { name: 'b', self: 3n, total: 3n },
    { name: 'c', self: 0n, total: 4n },
  ]);
});

test('too many nodes of all series together are refused, naming the limit', () => {
  const query: AverageStacksQuery = {
    kind: 'averageStacks',
    startMs: 0,
    endMs: 2000,
    profileType: CPU_ID,
    selector: '{}',
  };
  const world2 = ['x', 'y'].map((pod) => {
    const one = cpuDataset({ 'main;a': 1n, 'main;b': 1n });
    return { ...one, rows: one.rows.map((row) => ({ ...row, labels: [{ name: 'pod', value: pod }] })) };
  });
  const tables = world2.map((dataset) => toTables(dataset));
  expect(() => runQuery(query, tables, { maxResultNodes: 5 })).toThrow(/max_result_nodes/);
  expect(runQuery(query, tables, { maxResultNodes: 6 }).length).toBeGreaterThan(0);
});
