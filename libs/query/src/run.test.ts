import type { DatasetTables } from '@kiln/block';
import { CorruptDataError } from '@kiln/bytes';
import { KilnError, markedName, type Annotation } from '@kiln/model';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { decodeQuery, encodeQuery } from './query-codec.ts';
import type { Query } from './query.ts';
import { finishQuery, mergePartials, runQuery } from './run.ts';
import { datasets } from './test-support/arbitrary.ts';
import { cpuDataset, CPU_ID, type ModelDataset } from './test-support/model.ts';
import { toTables } from './test-support/tables.ts';

vi.setConfig({ testTimeout: 60_000 });

const LONG = process.env['KILN_LONG'] === '1';
const range = { startMs: 0, endMs: 2000 };
const selection = { ...range, profileType: CPU_ID, selector: '{}' };

const QUERIES: readonly Query[] = [
  { kind: 'stacktraces', ...selection, maxNodes: 5, format: 'flamegraph' },
  { kind: 'stacktraces', ...selection, maxNodes: 5, format: 'tree' },
  { kind: 'pprof', ...selection, maxNodes: 0 },
  { kind: 'selectSeries', ...selection, stepMs: 7, groupBy: ['env'], aggregation: 'average', limit: 3 },
  { kind: 'selectSeries', ...selection, stepMs: 7, groupBy: ['env'], aggregation: 'sum', limit: 0, oldestMs: 900 },
  { kind: 'profileTypes', ...range },
  { kind: 'labelNames', ...range, matchers: ['{a="b"}'], utf8: true },
  { kind: 'labelValues', ...range, matchers: [], name: 'env' },
  { kind: 'series', ...range, matchers: [], labelNames: ['env'], utf8: false },
  { kind: 'heatmap', ...selection, of: 'profiles', stepMs: 7, groupBy: ['env'], exemplars: true, limit: 3 },
  {
    kind: 'selectSeries',
    ...selection,
    stepMs: 7,
    groupBy: ['env'],
    aggregation: 'sum',
    limit: 0,
    exemplars: 'profiles',
  },
  { kind: 'analyze', ...range, matchers: ['{env=~".*"}'] },
  { kind: 'profileStats', ...range },
  { kind: 'pprofTypes', ...range, profileTypes: [CPU_ID, 'memory:inuse_space:bytes:space:bytes'], selector: '{}' },
];

/** They find nothing in data without ids. */
const SAMPLE_QUERIES: readonly Query[] = [
  { kind: 'pprof', ...selection, maxNodes: 0, spanIds: ['0123456789abcdef'], profileIds: ['fedcba9876543210'] },
  { kind: 'stacktraces', ...selection, maxNodes: 0, format: 'tree', traceIds: ['0123456789abcdef'.repeat(2)] },
  { kind: 'heatmap', ...selection, of: 'spans', stepMs: 7, groupBy: [], exemplars: true, limit: 0, oldestMs: 5 },
];

/** What a call does, as something to compare: its value, or its error's kind. */
function outcome(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    if (error instanceof CorruptDataError) return 'corrupt';
    if (error instanceof KilnError) return error.code;
    throw error;
  }
}

test.each([0, 2000])('a dataset with nothing but a row at an end of the range, %d ms, is wanted', (timeMs) => {
  const at = (ms: number): DatasetTables => toTables(cpuDataset({ 'a;b': 3n }, ms));
  const wanted = QUERIES.filter(({ kind }) => ['stacktraces', 'pprof', 'profileTypes', 'profileStats'].includes(kind));
  for (const query of wanted) {
    expect(runQuery(query, [at(timeMs)]).length, query.kind).toBeGreaterThan(0);
    expect(runQuery(query, [at(-1), at(2001)]).length, query.kind).toBe(0);
  }
});

const lowAt = (bytes: Uint8Array, at: number): DataView => new DataView(bytes.buffer, bytes.byteOffset + at, 8);

test('a query survives its bytes, and worker borders', () => {
  for (const query of [...QUERIES, ...SAMPLE_QUERIES]) {
    expect(decodeQuery(encodeQuery(query))).toEqual(query);
    expect(structuredClone(query)).toEqual(query);
  }
});

describe('bad bytes', () => {
  test('are no query', () => {
    const good = encodeQuery(QUERIES[0]!);
    const altered = (from: string, to: string): Uint8Array => {
      const text = new TextDecoder().decode(good);
      expect(text).toContain(from);
      return new TextEncoder().encode(text.replace(from, to));
    };
    expect(outcome(() => decodeQuery(new Uint8Array(0)))).toBe('corrupt');
    expect(outcome(() => decodeQuery(Uint8Array.of(2, 123, 125)))).toBe('corrupt');
    expect(outcome(() => decodeQuery(good.subarray(0, good.length - 1)))).toBe('corrupt');
    expect(outcome(() => decodeQuery(altered('"flamegraph"', '"svg"')))).toBe('corrupt');
    expect(outcome(() => decodeQuery(altered('"maxNodes":5', '"maxNodes":"5"')))).toBe('corrupt');
    expect(outcome(() => decodeQuery(altered('"stacktraces"', '"constructor"')))).toBe('corrupt');
    expect(outcome(() => decodeQuery(altered('"maxNodes":5', '"maxNodes":-5')))).toBe('invalid_argument');
    expect(outcome(() => decodeQuery(altered('"startMs":0', '"startMs":3000')))).toBe('invalid_argument');
    for (const ids of ['"spanIds":["1"]', '"profileIds":["0123456789abcdeF"]', '"traceIds":["0123456789abcdef"]'])
      expect(outcome(() => decodeQuery(altered('"maxNodes":5', `"maxNodes":5,${ids}`)))).toBe('invalid_argument');
  });

  test('of any kind are refused as corrupt, quickly, by merge and finish', () => {
    fc.assert(
      fc.property(fc.constantFrom(...QUERIES), fc.uint8Array({ maxLength: 80 }), (query, bytes) => {
        const start = performance.now();
        const partial = Uint8Array.of(1, ...bytes);
        outcome(() => finishQuery(query, partial));
        outcome(() => mergePartials(query, [partial, partial]));
        expect(performance.now() - start).toBeLessThan(1000);
      }),
      { numRuns: LONG ? 20_000 : 2000 },
    );
  });

  test('with a low part of a sum that is no whole number below 2^52 are refused as corrupt', () => {
    const query = QUERIES[3]!;
    const partial = runQuery(query, [toTables(cpuDataset({ a: 7n }))]);
    const at = partial.findIndex((_, i) => i + 8 <= partial.length && lowAt(partial, i).getFloat64(0, true) === 7);
    expect(at).toBeGreaterThan(0);
    for (const low of [-1, 1.5, 2 ** 52, Number.NaN, Number.POSITIVE_INFINITY]) {
      const damaged = partial.slice();
      lowAt(damaged, at).setFloat64(0, low, true);
      expect(outcome(() => finishQuery(query, damaged))).toBe('corrupt');
      expect(outcome(() => mergePartials(query, [damaged, partial]))).toBe('corrupt');
    }
  });

  test('made from good ones by one changed byte, or by a cut, never crash', () => {
    let corrupt = 0;
    fc.assert(
      fc.property(
        datasets,
        fc.constantFrom(...QUERIES),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        (list, query, at, flip, cut) => {
          const partial = runQuery(
            { ...query },
            list.map((model) => toTables(model)),
          );
          if (partial.length === 0) return;
          const place = at % partial.length;
          const damaged = cut ? partial.slice(0, place) : partial.slice();
          if (!cut) damaged[place] = damaged[place]! ^ flip;
          if (outcome(() => finishQuery(query, damaged)) === 'corrupt') corrupt++;
          outcome(() => mergePartials(query, [damaged, partial]));
        },
      ),
      { numRuns: LONG ? 10_000 : 1000 },
    );
    expect(corrupt).toBeGreaterThan(20);
  });
});

test('rows before the oldest time are left out of a series, and its steps stay where they are', () => {
  const rows = [90, 110, 190, 210].map((timeMs) => cpuDataset({ a: BigInt(timeMs) }, timeMs).rows[0]!);
  const tables = [toTables({ ...cpuDataset({}), rows })];
  const query = { kind: 'selectSeries', ...selection, startMs: 100, stepMs: 100, groupBy: [], limit: 0 } as const;
  const points = (oldestMs?: number): number[][] => {
    const asked = { ...query, aggregation: 'sum', ...(oldestMs === undefined ? {} : { oldestMs }) } as const;
    return finishQuery(asked, runQuery(asked, tables)).map(({ timeMs, value }) => [...timeMs, ...value]);
  };
  expect(points()).toEqual([[100, 200, 300, 90, 300, 210]]);
  expect(points(90)).toEqual(points());
  expect(points(111)).toEqual([[200, 300, 190, 210]]);
  expect(points(1e6)).toEqual([]);
});

describe('limits', () => {
  const tables = [toTables(cpuDataset({ 'a;b;c': 1n, 'a;d': 1n, e: 1n }))];
  const seriesOf = (...values: string[]): DatasetTables[] => {
    const { rows } = cpuDataset({ a: 1n });
    return [
      toTables({ ...cpuDataset({}), rows: values.map((value) => ({ ...rows[0]!, labels: [{ name: 'env', value }] })) }),
    ];
  };

  test('of tree nodes are named by the refusal, in run and in merge', () => {
    for (const query of [QUERIES[0]!, QUERIES[1]!, QUERIES[2]!]) {
      const partial = runQuery(query, tables, { maxResultNodes: 5 });
      expect(() => runQuery(query, tables, { maxResultNodes: 4 })).toThrow(
        'the answer has more than 4 tree nodes before truncation, allowed are 4 (max_result_nodes, flag --querier.max-result-nodes): narrow',
      );
      expect(outcome(() => mergePartials(query, [partial, partial], { maxResultNodes: 4 }))).toBe('resource_exhausted');
      expect(mergePartials(query, [partial, partial], { maxResultNodes: 5 }).length).toBeGreaterThan(0);
    }
  });

  test('of series are named by the refusal, in run and in merge, each kind of answer by its own word', () => {
    const asked: [Query, string][] = [
      [QUERIES[3]!, 'series'],
      [{ kind: 'series', ...range, matchers: [], labelNames: [], utf8: true }, 'series'],
      [{ kind: 'labelValues', ...range, matchers: [], name: 'env' }, 'label values'],
    ];
    for (const [query, word] of asked) {
      const [two, third] = [runQuery(query, seriesOf('x', 'y')), runQuery(query, seriesOf('z'))];
      const sentence = `the answer has more than 2 ${word}, allowed are 2 (max_result_series, flag --querier.max-result-series)`;
      expect(runQuery(query, seriesOf('x', 'y', 'z'), { maxResultSeries: 3 }).length).toBeGreaterThan(0);
      expect(() => runQuery(query, seriesOf('x', 'y', 'z'), { maxResultSeries: 2 })).toThrow(sentence);
      expect(mergePartials(query, [two, third], { maxResultSeries: 3 }).length).toBeGreaterThan(0);
      expect(() => mergePartials(query, [two, third], { maxResultSeries: 2 })).toThrow(sentence);
    }
    expect(() =>
      runQuery({ kind: 'profileTypes', ...range }, [...tables, toTables({ ...cpuDataset({ a: 1n }), name: 'wall' })], {
        maxResultSeries: 1,
      }),
    ).toThrow('more than 1 profile types');
  });

  test('of points count those of all series together, once however many rows they hold', () => {
    for (const aggregation of ['sum', 'average'] as const) {
      const query: Query = { ...QUERIES[3]!, aggregation } as Query;
      const [two, third] = [runQuery(query, seriesOf('x', 'y', 'x')), runQuery(query, seriesOf('z', 'x'))];
      const sentence =
        'the answer has more than 2 points, allowed are 2 (max_result_points, flag --querier.max-result-points): narrow';
      expect(runQuery(query, seriesOf('x', 'y', 'x'), { maxResultPoints: 2 })).toEqual(two);
      expect(() => runQuery(query, seriesOf('x', 'y', 'z'), { maxResultPoints: 2 })).toThrow(sentence);
      expect(mergePartials(query, [two, third], { maxResultPoints: 3 })).toEqual(mergePartials(query, [two, third]));
      expect(() => mergePartials(query, [two, third], { maxResultPoints: 2 })).toThrow(sentence);
    }
  });

  test('end a merge where they are passed: what comes behind is not looked at', () => {
    const corrupt = Uint8Array.of(99);
    const all = { maxResultNodes: 4, maxResultSeries: 1, maxResultPoints: 1 };
    const kinds = new Set(['stacktraces', 'pprof', 'selectSeries', 'series', 'labelValues']);
    for (const query of QUERIES.filter(({ kind }) => kinds.has(kind))) {
      const partials = [runQuery(query, tables), runQuery(query, seriesOf('x', 'y')), corrupt];
      expect(outcome(() => mergePartials(query, partials, all))).toBe('resource_exhausted');
      expect(outcome(() => mergePartials(query, partials))).toBe('corrupt');
    }
  });

  test('of 0 are none', () => {
    const none = { maxResultNodes: 0, maxResultSeries: 0, maxResultPoints: 0 };
    for (const query of QUERIES) expect(runQuery(query, tables, none)).toEqual(runQuery(query, tables));
  });
});

describe('refusals', () => {
  const run = (change: object): unknown => outcome(() => runQuery({ ...QUERIES[0]!, ...change } as Query, []));

  test('come before any data is looked at', () => {
    expect(run({})).toEqual(new Uint8Array(0));
    expect(run({ selector: '' })).toBe('invalid_argument');
    expect(run({ selector: '{a=~"("}' })).toBe('invalid_argument');
    expect(run({ profileType: 'cpu' })).toBe('invalid_argument');
    expect(run({ profileType: `${CPU_ID}:delta` })).toEqual(new Uint8Array(0));
    expect(run({ startMs: 3000 })).toBe('invalid_argument');
    expect(run({ startMs: 0.5 })).toBe('invalid_argument');
    expect(run({ endMs: Number.NaN })).toBe('invalid_argument');
    expect(outcome(() => runQuery({ kind: 'labelValues', ...range, matchers: [], name: '' }, []))).toBe(
      'invalid_argument',
    );
    expect(outcome(() => runQuery({ ...QUERIES[3]!, stepMs: 0 } as Query, []))).toBe('invalid_argument');
  });
});

test('a pprof above int64 is refused, and one without data has no stacktraces', () => {
  const query: Query = { kind: 'pprof', ...selection, maxNodes: 0 };
  const partial = runQuery(query, [toTables(cpuDataset({ a: 2n ** 62n }))]);
  expect(() => finishQuery(query, mergePartials(query, [partial, partial]))).toThrow(
    /above|sum of the selected values is 9223372036854775808/,
  );
  expect(finishQuery(query, new Uint8Array(0))).toMatchObject({
    symbols: { stacks: { length: 0 } },
    type: { name: 'process_cpu', type: 'cpu' },
  });
});

test('series come by total, largest first, and equal totals by labels; the limit cuts that order', () => {
  const row = (env: string, value: bigint, timeMs = 1000): object => ({
    ...cpuDataset({ a: value }, timeMs).rows[0]!,
    labels: env === '' ? [] : [{ name: 'env', value: env }],
  });
  const rows = [row('b', 3n), row('é', 3n), row('', 3n), row('a', 3n), row('z', 1n), row('z', 3n, 2000)];
  const tables = [toTables({ ...cpuDataset({}), rows } as ModelDataset)];
  const query: Query = {
    kind: 'selectSeries',
    ...selection,
    stepMs: 500,
    groupBy: ['env'],
    aggregation: 'sum',
    limit: 0,
  };
  const order = (limit: number): (string | undefined)[] =>
    finishQuery({ ...query, limit }, runQuery(query, tables)).map(({ labels }) => labels[0]?.value);
  expect(order(0)).toEqual(['z', undefined, 'a', 'b', 'é']);
  expect(order(2)).toEqual(['z', undefined]);
  const [z] = finishQuery(query, runQuery(query, tables));
  expect(z).toEqual({
    labels: [{ name: 'env', value: 'z' }],
    timeMs: Float64Array.of(1000, 2000),
    value: Float64Array.of(1, 3),
  });
});

test('the first step reaches back to just behind startMs - stepMs, and rows behind the last step are left out', () => {
  const times = [500, 501, 1000, 1001, 1500, 1999, 2000];
  const rows = times.map((timeMs, i) => cpuDataset({ a: 10n ** BigInt(i) }, timeMs).rows[0]!);
  const query: Query = {
    ...selection,
    kind: 'selectSeries',
    startMs: 1000,
    endMs: 1999,
    stepMs: 500,
    groupBy: [],
    aggregation: 'sum',
    limit: 0,
  };
  const [series] = finishQuery(query, runQuery(query, [toTables({ ...cpuDataset({}), rows })]));
  expect(series).toEqual({ labels: [], timeMs: Float64Array.of(1000, 1500), value: Float64Array.of(110, 11000) });
});

test('a step of one millisecond over a month costs what the rows cost', () => {
  const query: Query = {
    kind: 'selectSeries',
    ...selection,
    endMs: 31 * 86_400_000,
    stepMs: 1,
    groupBy: [],
    aggregation: 'sum',
    limit: 0,
  };
  const start = performance.now();
  const [series] = finishQuery(query, runQuery(query, [toTables(cpuDataset({ a: 5n }, 30 * 86_400_000))]));
  expect(series).toEqual({ labels: [], timeMs: Float64Array.of(30 * 86_400_000), value: Float64Array.of(5) });
  expect(performance.now() - start).toBeLessThan(500);
});

describe('rows of a mark', () => {
  const [throttled, sampled]: Annotation[] = [
    { key: 'k.throttled', value: '{"body":{}}' },
    { key: 'k.sampled', value: '' },
  ] as [Annotation, Annotation];
  /** One row of value 10^power at a time, with what is said of it. */
  const marked = (power: bigint, timeMs: number, annotations: Annotation[], isStripped = false): DatasetTables => {
    const dataset = cpuDataset({ a: 10n ** power }, timeMs);
    return { ...toTables(dataset), name: markedName(dataset.name, { isStripped, annotations }) };
  };
  const tables = [
    marked(0n, 900, []),
    marked(1n, 1000, [throttled!]),
    marked(2n, 1400, [sampled!, throttled!]),
    marked(3n, 1500, [sampled!]),
    marked(4n, 1500, [sampled!], true),
    marked(5n, 1900, []),
  ];
  const series: Query = {
    kind: 'selectSeries',
    ...selection,
    startMs: 1000,
    stepMs: 500,
    groupBy: [],
    aggregation: 'sum',
    limit: 0,
  };

  test('have their annotations on every point that they are in, whatever is merged with what', () => {
    const whole = runQuery(series, tables);
    const [a, b, c, d, e, f] = tables.map((one) => runQuery(series, [one])) as [Uint8Array, ...Uint8Array[]];
    const merged = mergePartials(series, [mergePartials(series, [f!, d!, b!]), mergePartials(series, [c!, a, e!])]);
    for (const partial of [whole, merged]) {
      expect(finishQuery(series, partial)).toEqual([
        {
          labels: [],
          timeMs: Float64Array.of(1000, 1500, 2000),
          value: Float64Array.of(11, 1100, 100_000),
          annotations: [[throttled], [sampled, throttled], []],
        },
      ]);
    }
  });

  test('that sampling has stripped are in no answer but that of a series which asks for them', () => {
    const asked = { ...series, includesStripped: true };
    expect(decodeQuery(encodeQuery(asked))).toEqual(asked);
    expect(finishQuery(asked, runQuery(asked, tables))[0]!.value).toEqual(Float64Array.of(11, 11_100, 100_000));
    const stripped = [marked(1n, 1000, [], true)];
    for (const query of QUERIES.filter(({ kind }) => kind !== 'profileStats'))
      expect([query.kind, runQuery(query, stripped)]).toEqual([query.kind, runQuery(query, [])]);
  });

  test('are of the plain name for selectors and for what is found', () => {
    const only = [marked(1n, 1000, [throttled!])];
    const types: Query = { kind: 'profileTypes', ...range };
    expect(finishQuery(types, runQuery(types, only)).map(({ id }) => id)).toEqual([CPU_ID]);
    const named = { ...series, selector: '{__name__="process_cpu"}', groupBy: ['__name__', '__profile_type__'] };
    expect(finishQuery(named, runQuery(named, only))[0]!.labels.map(({ value }) => value)).toEqual([
      'process_cpu',
      CPU_ID,
    ]);
  });
});

test('a point above int64 is refused, one at its end is not', () => {
  const query: Query = { kind: 'selectSeries', ...selection, stepMs: 500, groupBy: [], aggregation: 'sum', limit: 0 };
  const tables = [toTables(cpuDataset({ a: 2n ** 63n - 1n }))];
  expect(finishQuery(query, runQuery(query, tables))[0]!.value[0]).toBe(2 ** 63);
  const twice = mergePartials(query, [runQuery(query, tables), runQuery(query, tables)]);
  expect(() => finishQuery(query, twice)).toThrow(
    /sum of the selected values is 18446744073709551614.*9223372036854775807/,
  );
});

test('of several groups the refusal names the one that is above int64', () => {
  const query: Query = {
    kind: 'selectSeries',
    ...selection,
    stepMs: 500,
    groupBy: ['service_name'],
    aggregation: 'sum',
    limit: 0,
  };
  const partial = runQuery(query, [toTables(cpuDataset({ a: 2n ** 63n - 1n }))]);
  expect(() => finishQuery(query, mergePartials(query, [partial, partial]))).toThrow(
    /sum of the selected values of \{service_name="[^"]+"\} is 18446744073709551614/,
  );
});
