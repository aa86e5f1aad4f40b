import { labelSet, profileTypeId, type ValueType } from '@kiln/model';
import fc from 'fast-check';
import { newQueryMerge } from '../query-merge.ts';
import { mergePartials, runQuery } from '../run.ts';
import type { Query, SampleSelection } from '../query.ts';
import { CPU, type ModelDataset, type ModelLocation } from './model.ts';
import type { Condition } from './oracle.ts';
import { toTables } from './tables.ts';

/** Names with every trap: `other`, none, `total`, and pairs that UTF-16 and UTF-8 order differently. */
const functionName = fc.constantFrom('main', 'run', 'work', 'other', '', 'total', 'é', '😀', '\uFFFD', 'a', 'b');

const location: fc.Arbitrary<ModelLocation> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      binary: fc.constant('/usr/bin/app'),
      address: fc.constantFrom(0n, 7n),
      lines: fc.array(functionName, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      binary: fc.constantFrom('/usr/lib/libc.so.6', 'app', ''),
      address: fc.constantFrom(1n, 0xffffffffn, 0x7f00_0000_0001n),
      lines: fc.constant([]),
    }),
  },
);

/** Up to 2^57, so that a few hundred stay inside int64. */
const value = fc.oneof(
  { weight: 2, arbitrary: fc.constant(0n) },
  { weight: 4, arbitrary: fc.bigInt({ min: 1n, max: 4n }) },
  { weight: 2, arbitrary: fc.constantFrom(2n ** 52n - 1n, 2n ** 52n, 2n ** 53n + 1n, 2n ** 57n) },
);

const SAMPLES: ValueType = { type: 'samples', unit: 'count', periodType: 'cpu', periodUnit: 'nanoseconds' };
const SPACE: ValueType = { type: 'alloc_space', unit: 'bytes', periodType: '', periodUnit: '' };

/** `__unit__` as a client may send it: never the value type's. */
const label = fc.record({
  name: fc.constantFrom('env', 'pod', 'a.b', '__unit__'),
  value: fc.constantFrom('x', 'y', 'z é'),
});

const labels = fc.uniqueArray(label, { selector: ({ name }) => name, maxLength: 3 }).map((list) => labelSet(list));

/** Ids that differ in every half, so that one that is not looked at is noticed. */
export const profileIds: readonly string[] = ['0000000000000001', '0000000100000000', 'fedcba9876543210'];
export const spanIds: readonly string[] = ['0000000000000001', '0000000100000000', 'ffffffffffffffff'];
export const traceIds: readonly string[] = [
  '00000000000000000000000000000001',
  '00000000000000010000000000000000',
  '0123456789abcdef0123456789abcdef',
];

const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

/** At most one condition on samples, so that most still find something. */
export const sampleSelection: fc.Arbitrary<SampleSelection> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  fc.record({ profileIds: fc.subarray([...profileIds], { minLength: 1 }) }),
  fc.record({ spanIds: fc.subarray([...spanIds], { minLength: 1 }) }),
  fc.record({ traceIds: fc.subarray([...traceIds], { minLength: 1 }), profileIds: fc.subarray([...profileIds]) }),
  fc.record({ callSite: fc.array(functionName, { minLength: 1, maxLength: 3 }) }),
  fc.record({ callSite: fc.array(functionName, { maxLength: 1 }), spanIds: fc.subarray([...spanIds]) }),
);

export const dataset: fc.Arbitrary<ModelDataset> = fc
  .record({
    service: fc.constantFrom('api', 'web'),
    name: fc.constantFrom('process_cpu', 'memory'),
    types: fc.constantFrom([CPU], [SAMPLES, CPU], [SPACE]),
  })
  .chain((head) =>
    fc
      .array(
        fc.record({
          timeMs: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 40 })),
          id: fc.constantFrom(...profileIds),
          labels,
          samples: fc.array(
            fc.record({
              stack: fc.array(location, { maxLength: 5 }),
              values: fc.array(value, { minLength: head.types.length, maxLength: head.types.length }),
              spanId: rarely(fc.constantFrom(...spanIds)),
              traceId: rarely(fc.constantFrom(...traceIds)),
            }),
            { maxLength: 6 },
          ),
        }),
        { minLength: 1, maxLength: 7 },
      )
      .map((rows) => ({ ...head, rows })),
  );

export const datasets: fc.Arbitrary<ModelDataset[]> = fc.array(dataset, { maxLength: 4 });

export const range: fc.Arbitrary<{ startMs: number; endMs: number }> = fc
  .tuple(fc.integer({ min: -1, max: 4 }), fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 40 })))
  .map(([startMs, length]) => ({ startMs, endMs: startMs + length }));

const someConditions: fc.Arbitrary<Condition[]> = fc.array(
  fc.oneof(
    fc.record({
      name: fc.constantFrom('env', 'pod', 'a.b', 'none'),
      op: fc.constantFrom('=', '!='),
      value: fc.constantFrom('x', 'y', 'z é', ''),
    }),
    fc.record({
      name: fc.constantFrom('env', 'pod', 'a.b', 'none'),
      op: fc.constantFrom('=~', '!~'),
      value: fc.constantFrom('x|y', '.*', '.+', 'z.*', ''),
    }),
    fc.record({
      name: fc.constantFrom('service_name', '__name__', '__service_name__'),
      op: fc.constantFrom('=', '!=', '=~'),
      value: fc.constantFrom('api', 'web', 'process_cpu', 'memory'),
    }),
    fc.record({
      name: fc.constantFrom('__type__', '__unit__', '__period_type__', '__period_unit__'),
      op: fc.constantFrom('=', '!='),
      value: fc.constantFrom('cpu', 'count', 'bytes', ''),
    }),
  ),
  { maxLength: 2 },
);

export const conditions: fc.Arbitrary<Condition[]> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<Condition[]>([]) },
  { weight: 1, arbitrary: someConditions },
);

export const profileType: fc.Arbitrary<string> = fc.constantFrom(
  profileTypeId('process_cpu', CPU),
  profileTypeId('process_cpu', CPU),
  profileTypeId('memory', SPACE),
  profileTypeId('process_cpu', SAMPLES),
);

/** How to spread rows over sources and to merge what they answer. */
export interface Spread {
  readonly parts: readonly number[];
  readonly seed: number;
}

export const spread: fc.Arbitrary<Spread> = fc.record({
  parts: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 24 }),
  seed: fc.nat(),
});

/**
 * The merged partial of datasets whose rows are spread over up to four sources, merged in an order and a grouping of the seed: from a partial of each
 * source, or added one after the other, some of them as partials.
 */
export function runSpread(query: Query, list: readonly ModelDataset[], { parts, seed }: Spread): Uint8Array {
  let row = 0;
  const part = list.map(({ rows }) => rows.map(() => parts[row++ % parts.length]!));
  let sources = [0, 1, 2, 3].map((source) =>
    list
      .map((model, i) => ({ ...model, rows: model.rows.filter((_, k) => part[i]![k] === source) }))
      .filter(({ rows }) => rows.length > 0)
      .map((model) => toTables(model)),
  );
  if (seed % 2 === 1) sources = sources.toReversed();
  const cut = seed % 5;
  if (seed % 3 === 0) {
    const merge = newQueryMerge(query);
    for (const [i, source] of sources.entries())
      if (i < cut) merge.addDatasets(source);
      else merge.addPartial(runQuery(query, source));
    return merge.toPartial();
  }
  const partials = sources.map((source) => runQuery(query, source));
  return mergePartials(query, [mergePartials(query, partials.slice(cut)), ...partials.slice(0, cut)]);
}
