import { formatSelector } from '@kiln/model';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Exemplar } from './exemplars.ts';
import { rowRange, type HeatmapQuery, type SelectSeriesQuery } from './query.ts';
import { finishQuery, mergePartials, runQuery } from './run.ts';
import { conditions, datasets, profileType, range, runSpread, spread } from './test-support/arbitrary.ts';
import { CPU, CPU_ID, stack, type ModelDataset } from './test-support/model.ts';
import {
  oracleExemplar,
  oracleRows,
  oracleValues,
  selectSamples,
  type Condition,
  type OracleRow,
  type OracleValue,
} from './test-support/oracle.ts';
import { toTables } from './test-support/tables.ts';

vi.setConfig({ testTimeout: 60_000 });

const numRuns = process.env['KILN_LONG'] === '1' ? 3000 : 300;
const world = fc.record({ list: datasets, times: range, wanted: conditions, id: profileType, how: spread });
const shape = fc.record({
  stepMs: fc.integer({ min: 1, max: 12 }),
  groupBy: fc.uniqueArray(fc.constantFrom('env', 'pod', 'none', 'service_name', '__type__'), { maxLength: 2 }),
  of: fc.constantFrom('profiles' as const, 'spans' as const),
});

function rowsOf(
  list: readonly ModelDataset[],
  query: SelectSeriesQuery | HeatmapQuery,
  wanted: readonly Condition[],
): OracleRow[] {
  const { startMs, endMs } = rowRange(query);
  const type: Condition = { name: '__profile_type__', op: '=', value: query.profileType };
  return oracleRows(list, startMs, endMs, [...wanted, type]);
}

/** An exemplar in the oracle's form. */
function shown(exemplar: Exemplar | undefined, group: OracleValue['group']): OracleValue | undefined {
  if (exemplar === undefined) return undefined;
  const { timeMs, value, profileId, spanId, traceId, labels } = exemplar;
  const id = profileId === '' ? spanId + (traceId || '0'.repeat(32)) : profileId.replaceAll('-', '').slice(0, 16);
  return { group, timeMs, value, id, labels: labels.map((label) => `${label.name}=${label.value}`).toSorted() };
}

const edgeOf = (timeMs: number, { startMs, stepMs }: { startMs: number; stepMs: number }): number => {
  let edge = startMs;
  while (edge < timeMs) edge += stepMs;
  return edge;
};

it('each point of a series has the largest value of its step as exemplar, whatever the split', () => {
  let found = 0;
  fc.assert(
    fc.property(world, shape, fc.constantFrom([], ['main']), ({ list, times, wanted, id, how }, given, callSite) => {
      const { of, ...steps } = given;
      const query: SelectSeriesQuery = {
        kind: 'selectSeries',
        ...times,
        ...steps,
        selector: formatSelector(wanted),
        profileType: id,
        aggregation: 'sum',
        limit: 0,
        exemplars: of,
        callSite,
      };
      const values = oracleValues(selectSamples(rowsOf(list, query, wanted), { callSite }), of, query.groupBy);
      const series = finishQuery(query, runSpread(query, list, how));
      for (const { labels, timeMs, exemplars } of series) {
        expect(exemplars!.length).toBe(timeMs.length);
        for (const [i, edge] of timeMs.entries()) {
          const group = JSON.stringify(labels);
          const here = values.filter(
            (one) => JSON.stringify(one.group) === group && edgeOf(one.timeMs, query) === edge,
          );
          expect(shown(exemplars![i], labels)).toEqual(oracleExemplar(here));
          found += here.length;
        }
      }
      const { exemplars: _, ...plain } = query;
      const without = finishQuery(plain, runSpread(plain, list, how));
      expect(series.map(({ labels, timeMs, value }) => ({ labels, timeMs, value }))).toEqual(without);
    }),
    { numRuns },
  );
  expect(found).toBeGreaterThan(numRuns / 20);
});

it('a profile that is spread over series and sources is one value, with the labels that all of them have', () => {
  const id = 'fedcba9876543210';
  const part = (pod: string, value: bigint): ModelDataset => ({
    service: 'api',
    name: 'process_cpu',
    types: [CPU],
    rows: [
      {
        timeMs: 1000,
        id,
        labels: [
          { name: 'pod', value: pod },
          { name: 'env', value: 'x' },
        ],
        samples: [{ stack: stack('main'), values: [value] }],
      },
      { timeMs: 1000, id: '0000000000000001', labels: [], samples: [{ stack: stack('main'), values: [12n] }] },
    ],
  });
  const query: SelectSeriesQuery = {
    kind: 'selectSeries',
    startMs: 1000,
    endMs: 2000,
    profileType: CPU_ID,
    selector: '{}',
    stepMs: 1000,
    groupBy: ['service_name'],
    aggregation: 'sum',
    limit: 0,
    exemplars: 'profiles',
  };
  const partials = [part('a', 10n), part('b', 20n)].map((list) => runQuery(query, [toTables(list)]));
  const [series] = finishQuery(query, mergePartials(query, partials));
  expect(series!.exemplars).toMatchObject([
    { value: 30n, profileId: 'fedcba98-7654-3210-0000-000000000000', spanId: '', traceId: '' },
  ]);
  const names = series!.exemplars![0]!.labels.map((label) => label.name);
  expect(names).toContain('env');
  expect(names).not.toContain('pod');
  expect(names).not.toContain('service_name');
});

describe('a heatmap', () => {
  it('counts each value once, in its step and cell, whatever the split', () => {
    let found = 0;
    fc.assert(
      fc.property(world, shape, fc.integer({ min: 0, max: 2 }), ({ list, times, wanted, id, how }, given, limit) => {
        const query: HeatmapQuery = {
          kind: 'heatmap',
          ...times,
          ...given,
          selector: formatSelector(wanted),
          profileType: id,
          exemplars: true,
          limit,
        };
        const values = oracleValues(rowsOf(list, query, wanted), query.of, query.groupBy);
        const all = values.map(({ value }) => value).toSorted((a, b) => (a < b ? -1 : 1));
        const min = all[0] ?? 0n;
        const width = (all.at(-1) ?? 0n) - min || 1n;
        const cellOf = (value: bigint): number => Math.min(19, Number(((value - min) * 20n) / width));
        const groups = Map.groupBy(values, (one) => JSON.stringify(one.group));
        const heatmap = finishQuery(query, runSpread(query, list, how));
        if (values.length > 0)
          expect(heatmap.yMin).toEqual(Array.from({ length: 20 }, (_, cell) => min + (BigInt(cell) * width) / 20n));
        const sizes = [...groups.values()].map(({ length }) => length).toSorted((a, b) => b - a);
        const counts = heatmap.series.map(({ slots }) =>
          slots.reduce((sum, slot) => sum + slot.counts.reduce((a, b) => a + b, 0), 0),
        );
        expect(counts).toEqual(limit === 0 ? sizes : sizes.slice(0, limit));
        for (const { labels, slots } of heatmap.series) {
          const own = groups.get(JSON.stringify(labels))!;
          const bySlot = Map.groupBy(own, ({ timeMs }) => edgeOf(timeMs, query));
          expect(slots.map(({ timeMs }) => timeMs)).toEqual([...bySlot.keys()].toSorted((a, b) => a - b));
          for (const slot of slots) {
            const here = bySlot.get(slot.timeMs)!;
            const cells = Map.groupBy(here, ({ value }) => cellOf(value));
            expect([...slot.counts]).toEqual(Array.from({ length: 20 }, (_, cell) => cells.get(cell)?.length ?? 0));
            const best = [...cells].toSorted(([a], [b]) => a - b).map(([, cell]) => oracleExemplar(cell));
            expect(slot.exemplars.map((one) => shown(one, labels))).toEqual(best);
            found += here.length;
          }
        }
      }),
      { numRuns },
    );
    expect(found).toBeGreaterThan(numRuns / 20);
  });

  const rows = (values: readonly (readonly [timeMs: number, value: bigint])[]): ModelDataset => ({
    service: 'api',
    name: 'process_cpu',
    types: [CPU],
    rows: values.map(([timeMs, value], i) => ({
      timeMs,
      id: i.toString(16).padStart(16, '0'),
      labels: [],
      samples: [{ stack: stack('main'), values: [value] }],
    })),
  });
  const query: HeatmapQuery = {
    kind: 'heatmap',
    startMs: 100,
    endMs: 125,
    profileType: CPU_ID,
    selector: '{}',
    of: 'profiles',
    stepMs: 10,
    groupBy: [],
    exemplars: false,
    limit: 0,
  };
  const slotsOf = (list: ModelDataset): unknown[][] =>
    finishQuery(query, runQuery(query, [toTables(list)])).series.flatMap(({ slots }) =>
      slots.map(({ timeMs, counts }) => [timeMs, ...[...counts.entries()].filter(([, count]) => count > 0)]),
    );

  it('reaches back one step, and its last slot ends behind the range', () => {
    const list = rows([
      [90, 9n],
      [91, 1n],
      [100, 3n],
      [101, 21n],
      [125, 11n],
      [126, 99n],
    ]);
    expect(slotsOf(list)).toEqual([
      [100, [0, 1], [2, 1]],
      [110, [19, 1]],
      [130, [10, 1]],
    ]);
  });

  it('of equal values has them in its lowest cell; the largest belongs to the last', () => {
    expect(
      slotsOf(
        rows([
          [100, 7n],
          [100, 7n],
        ]),
      ),
    ).toEqual([[100, [0, 2]]]);
    const large = 2n ** 62n;
    expect(
      slotsOf(
        rows([
          [100, large],
          [100, large + 19n],
          [100, large + 20n],
        ]),
      ),
    ).toEqual([[100, [0, 1], [19, 2]]]);
  });
});
