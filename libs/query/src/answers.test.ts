import { formatSelector, type Label } from '@kiln/model';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import type {
  LabelNamesQuery,
  PprofQuery,
  Query,
  SampleSelection,
  SelectSeriesQuery,
  StacktracesQuery,
} from './query.ts';
import { rowRange } from './query.ts';
import { finishQuery, mergePartials, runQuery } from './run.ts';
import type { StackValues } from './symbol-codec.ts';
import {
  conditions,
  datasets,
  profileType,
  range,
  runSpread,
  sampleSelection,
  spread,
} from './test-support/arbitrary.ts';
import type { ModelDataset } from './test-support/model.ts';
import {
  oracleCutTree,
  oracleFlameGraph,
  oracleRows,
  oracleSeries,
  oracleTree,
  readTreeBytes,
  selectSamples,
  type Condition,
  type OracleRow,
} from './test-support/oracle.ts';
import { asFlameGraph, asTree } from './test-support/results.ts';
import { toTables } from './test-support/tables.ts';

/*
 * Every kind of query over random data, with the rows spread over several sources and the partials merged in any order and
 * grouping, against the slow and obvious model.
 */

const numRuns = process.env['KILN_LONG'] === '1' ? 3000 : 300;
vi.setConfig({ testTimeout: 120_000 });
const maxNodes = fc.integer({ min: 0, max: 12 });
const world = fc.record({
  list: datasets,
  times: range,
  conditions,
  profileType,
  samples: sampleSelection,
  maxNodes,
  spread,
});

function rowsOf(
  list: readonly ModelDataset[],
  query: { startMs: number; endMs: number },
  wanted: readonly Condition[],
  id?: string,
  samples: SampleSelection = {},
): OracleRow[] {
  const type: Condition[] = id === undefined ? [] : [{ name: '__profile_type__', op: '=', value: id }];
  return selectSamples(oracleRows(list, query.startMs, query.endMs, [...wanted, ...type]), samples);
}

test('flame graphs are exact, whatever the split', () => {
  let filled = 0;
  fc.assert(
    fc.property(
      world,
      ({ list, times, conditions: wanted, profileType: id, samples, maxNodes: nodes, spread: how }) => {
        const query: StacktracesQuery = {
          kind: 'stacktraces',
          ...times,
          selector: formatSelector(wanted),
          profileType: id,
          ...samples,
          maxNodes: nodes,
          format: 'flamegraph',
        };
        const { names, levels, total, maxSelf } = asFlameGraph(finishQuery(query, runSpread(query, list, how)));
        const want = oracleFlameGraph(oracleTree(rowsOf(list, query, wanted, id, samples)), nodes);
        expect({ names, levels: levels.map((level) => Array.from(level, BigInt)), total, maxSelf }).toEqual(want);
        if (total > 0n) filled++;
      },
    ),
    { numRuns },
  );
  expect(filled).toBeGreaterThan(numRuns / 20);
});

test('tree bytes are exact, whatever the split', () => {
  fc.assert(
    fc.property(
      world,
      ({ list, times, conditions: wanted, profileType: id, samples, maxNodes: nodes, spread: how }) => {
        const query: StacktracesQuery = {
          kind: 'stacktraces',
          ...times,
          selector: formatSelector(wanted),
          profileType: id,
          ...samples,
          maxNodes: nodes,
          format: 'tree',
        };
        const tree = asTree(finishQuery(query, runSpread(query, list, how)));
        const want = oracleCutTree(oracleTree(rowsOf(list, query, wanted, id, samples)), nodes);
        expect(tree.length === 0 ? undefined : readTreeBytes(tree)).toEqual(
          want.children.length === 0 ? undefined : want,
        );
      },
    ),
    { numRuns },
  );
});

/** A location with lines has no address of its own: engine.md §7. */
test('a pprof has the stacktraces, lines, addresses and binaries of the rows, whatever the split', () => {
  fc.assert(
    fc.property(world, ({ list, times, conditions: wanted, profileType: id, samples, spread: how }) => {
      const query: PprofQuery = {
        kind: 'pprof',
        ...times,
        selector: formatSelector(wanted),
        profileType: id,
        ...samples,
        maxNodes: 0,
      };
      const want = new Map<string, bigint>();
      for (const row of rowsOf(list, query, wanted, id, samples)) {
        for (const { stack, value } of row.samples) {
          const key = JSON.stringify(
            stack.map(({ binary, address, lines }) => [
              binary,
              `id of ${binary}`,
              String(lines.length === 0 ? address : 0n),
              lines.map(symbol),
            ]),
          );
          if (value > 0n) want.set(key, (want.get(key) ?? 0n) + value);
        }
      }
      const found = readStacks(finishQuery(query, runSpread(query, list, how)));
      expect(found).toEqual(want);
    }),
    { numRuns },
  );
});

const symbol = (name: string): unknown[] => [name, `_Z${name}`, `${name}.go`, name.length - 3, name.length * 10];

function readStacks({ symbols, values }: StackValues): Map<string, bigint> {
  const { strings, functions, mappings, locations, tree, stacks } = symbols;
  const text = (row: number): string =>
    new TextDecoder().decode(strings.bytes.subarray(strings.offsets[row], strings.offsets[row + 1]));
  const place = (row: number): unknown[] => {
    const mapping = locations.mapping[row]!;
    const address = (BigInt(locations.addressHi[row]!) << 32n) | BigInt(locations.addressLo[row]!);
    const lines: unknown[] = [];
    for (let line = locations.lineStart[row]!; line < locations.lineStart[row + 1]!; line++) {
      const fn = locations.lineFunction[line]!;
      lines.push([
        text(functions.name[fn]!),
        text(functions.systemName[fn]!),
        text(functions.fileName[fn]!),
        functions.startLine[fn],
        locations.lineNumber[line],
      ]);
    }
    return [text(mappings.fileName[mapping]!), text(mappings.buildId[mapping]!), String(address), lines];
  };
  const found = new Map<string, bigint>();
  for (let stack = 0; stack < stacks.length; stack++) {
    const path: unknown[] = [];
    for (let node = stacks.node[stack]!; node !== 0; node = tree.parent[node]!)
      path.unshift(place(tree.location[node]!));
    found.set(JSON.stringify(path), (BigInt(values.hi?.[stack] ?? 0) << 52n) + BigInt(values.lo[stack]!));
  }
  return found;
}

test('series have exact sums and means per step, whatever the split', () => {
  const shape = fc.record({
    stepMs: fc.oneof(fc.constantFrom(1, 2), fc.integer({ min: 1, max: 30 })),
    groupBy: fc.uniqueArray(fc.constantFrom('env', 'pod', 'a.b', 'none', 'service_name', '__name__', '__type__'), {
      maxLength: 3,
    }),
    aggregation: fc.constantFrom('sum' as const, 'average' as const),
  });
  fc.assert(
    fc.property(world, shape, ({ list, times, conditions: wanted, profileType: id, samples, spread: how }, given) => {
      const { callSite = [] } = samples;
      const query: SelectSeriesQuery = {
        kind: 'selectSeries',
        ...times,
        selector: formatSelector(wanted),
        profileType: id,
        limit: 0,
        callSite,
        ...given,
      };
      const want = oracleSeries(rowsOf(list, rowRange(query), wanted, id, { callSite }), query);
      const found = finishQuery(query, runSpread(query, list, how));
      const values = new Map(want.map(({ labels, points }) => [JSON.stringify(labels), points]));
      expect(found.map(({ labels }) => JSON.stringify(labels)).toSorted()).toEqual([...values.keys()].toSorted());
      for (const { labels, timeMs, value } of found) {
        const points = values.get(JSON.stringify(labels))!;
        expect([...timeMs]).toEqual(points.map((point) => point.timeMs));
        expect([...value]).toEqual(
          points.map(({ sum, rows }) => (given.aggregation === 'sum' ? Number(sum) : Number(sum) / Number(rows))),
        );
      }
      expect(finishQuery({ ...query, limit: 2 }, runSpread(query, list, how))).toEqual(found.slice(0, 2));
      const totals = (labels: readonly Label[]): bigint =>
        values.get(JSON.stringify(labels))!.reduce((all, { sum }) => all + sum, 0n);
      const sums = found.map(({ labels }) => totals(labels));
      expect(given.aggregation === 'average' || sums.every((sum, i) => i === 0 || sums[i - 1]! >= sum)).toBe(true);
    }),
    { numRuns },
  );
});

test('discovery finds the labels of rows in the range that have a value, and only those', () => {
  const asked = fc.record({
    name: fc.constantFrom(
      'env',
      'pod',
      'a.b',
      'none',
      'service_name',
      '__profile_type__',
      '__period_type__',
      '__service_name__',
    ),
    utf8: fc.boolean(),
    labelNames: fc.uniqueArray(fc.constantFrom('env', 'a.b', 'service_name', '__type__', 'none'), { maxLength: 3 }),
    split: fc.boolean(),
  });
  fc.assert(
    fc.property(world, asked, ({ list, times, conditions: wanted, spread: how }, { name, utf8, labelNames, split }) => {
      const matchers = split ? wanted.map((condition) => formatSelector([condition])) : [formatSelector(wanted)];
      const rows = rowsOf(list, times, wanted);
      const ask = <Q extends Query>(query: Q): ReturnType<typeof finishQuery<Q>> =>
        finishQuery(query, runSpread(query, list, how));
      const plain = (label: string): boolean => utf8 || label !== 'a.b';
      const sorted = (texts: Iterable<string>): string[] => [...new Set(texts)].toSorted();
      const names: LabelNamesQuery = { kind: 'labelNames', ...times, matchers, utf8 };
      expect(ask(names)).toEqual(sorted(rows.flatMap(({ labels }) => [...labels.keys()].filter(plain))));
      expect(ask({ kind: 'labelValues', ...times, matchers, name })).toEqual(
        sorted(rows.flatMap(({ labels }) => labels.get(name) ?? [])),
      );
      const sets = rows.map(({ labels }) =>
        [...labels]
          .filter(
            ([label]) =>
              plain(label) && (labelNames.length === 0 || labelNames.some((wantedName) => wantedName === label)),
          )
          .toSorted(([a], [b]) => (a < b ? -1 : 1)),
      );
      const found = ask({ kind: 'series', ...times, matchers, labelNames, utf8 }).map((set) =>
        JSON.stringify(set.map((label) => [label.name, label.value])),
      );
      expect(found.toSorted()).toEqual(sorted(sets.map((set) => JSON.stringify(set))));
      expect(new Set(found).size).toBe(found.length);
      const types = ask({ kind: 'profileTypes', ...times });
      expect(types.map(({ id }) => id)).toEqual(
        sorted(rowsOf(list, times, []).map(({ labels }) => labels.get('__profile_type__')!)),
      );
    }),
    { numRuns },
  );
});

test('merging is associative and commutative, and an empty partial changes nothing', () => {
  fc.assert(
    fc.property(world, ({ list, times, profileType: id, maxNodes: nodes }) => {
      const queries: Query[] = [
        { kind: 'stacktraces', ...times, selector: '{}', profileType: id, maxNodes: nodes, format: 'flamegraph' },
        {
          kind: 'selectSeries',
          ...times,
          selector: '{}',
          profileType: id,
          stepMs: 3,
          groupBy: ['env'],
          aggregation: 'sum',
          limit: 0,
        },
        { kind: 'series', ...times, matchers: [], labelNames: [], utf8: true },
      ];
      for (const query of queries) {
        const [a = EMPTY, b = EMPTY, c = EMPTY] = list.map((model) => runQuery(query, [toTables(model)]));
        const merge = (...partials: Uint8Array[]): Uint8Array => mergePartials(query, partials);
        const want = finishQuery(query, merge(a, b, c));
        expect(finishQuery(query, merge(merge(a, b), c))).toEqual(want);
        expect(finishQuery(query, merge(a, merge(b, c)))).toEqual(want);
        expect(finishQuery(query, merge(c, EMPTY, b, a))).toEqual(want);
      }
    }),
    { numRuns: numRuns / 3 },
  );
});

const EMPTY = new Uint8Array(0);
