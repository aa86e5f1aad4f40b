import type { DatasetTables } from '@kiln/block';
import { CorruptDataError } from '@kiln/bytes';
import { expect, it } from 'vitest';
import { newQueryMerge } from './query-merge.ts';
import type { Query } from './query.ts';
import { finishQuery, runQuery } from './run.ts';
import { stacktracesTree } from './stacktraces.ts';
import { cpuDataset, CPU_ID } from './test-support/model.ts';
import { toTables } from './test-support/tables.ts';

const selection = { startMs: 0, endMs: 2000, profileType: CPU_ID, selector: '{}' };
const QUERIES: readonly Query[] = [
  { kind: 'stacktraces', ...selection, maxNodes: 0, format: 'tree' },
  { kind: 'pprof', ...selection, maxNodes: 0 },
  { kind: 'selectSeries', ...selection, stepMs: 7, groupBy: [], aggregation: 'sum', limit: 0 },
];

/** As a dataset of an object whose rows, and pages of them, fail their checksum. */
function damaged(tables: DatasetTables): DatasetTables {
  const fail = (): never => {
    throw new CorruptDataError('section 3', 0, 'checksum does not match');
  };
  return Object.defineProperties({ ...tables }, { rows: { get: fail }, pages: { get: fail } });
}

it.each(QUERIES)('a part that is damaged adds nothing, whatever was read of it before: $kind', (query) => {
  const [first, second] = [cpuDataset({ 'a;b': 3n, a: 1n }), cpuDataset({ 'a;c': 5n })].map((model) => toTables(model));
  const merge = newQueryMerge(query);
  merge.addDatasets([first!]);
  expect(() => merge.addDatasets([second!, damaged(first!)])).toThrow(CorruptDataError);
  expect(merge.toPartial()).toEqual(runQuery(query, [first!]));
  merge.addDatasets([second!, first!]);
  expect(merge.toPartial()).toEqual(runQuery(query, [first!, second!, first!]));
});

it.each<Query>([
  ...QUERIES,
  { kind: 'stacktraces', ...selection, maxNodes: 2, format: 'flamegraph' },
  {
    kind: 'selectSeries',
    ...selection,
    stepMs: 7,
    groupBy: ['pod'],
    aggregation: 'average',
    limit: 0,
    exemplars: 'profiles',
  },
  { kind: 'heatmap', ...selection, stepMs: 7, groupBy: [], limit: 0, of: 'profiles', exemplars: true },
])('what is finished where it grew is the answer of its bytes: $kind', (query) => {
  const [first, second] = [cpuDataset({ 'a;b': 3n, a: 1n }), cpuDataset({ 'a;c': 5n })].map((model) => toTables(model));
  const merge = newQueryMerge(query);
  expect(finishQuery(query, merge)).toEqual(finishQuery(query, new Uint8Array(0)));
  merge.addDatasets([first!]);
  merge.addPartial(runQuery(query, [second!]));
  const answer = finishQuery(query, merge.toPartial());
  expect(answer).not.toEqual(finishQuery(query, new Uint8Array(0)));
  expect(finishQuery(query, merge)).toEqual(answer);
});

it('the tree of a merge is the tree of its bytes', () => {
  const merge = newQueryMerge(QUERIES[0]!);
  merge.addDatasets([toTables(cpuDataset({ 'a;b': 3n, a: 1n }))]);
  const [grown, read] = [merge, merge.toPartial()].map((merged) => stacktracesTree(merged));
  const columns = ({ length, parent, name, selfLo, names }: NonNullable<typeof grown>): unknown[] =>
    Array.from({ length }, (_, node) => [parent[node], node > 0 && names.textOf(name[node]!), selfLo[node]]);
  expect(columns(grown!)).toEqual(columns(read!));
});

it('more sources than are merged at a time count each once', () => {
  const query: Query = { kind: 'labelNames', startMs: 0, endMs: 2000, matchers: [], utf8: true };
  const tables = toTables(cpuDataset({ a: 1n }));
  const merge = newQueryMerge(query);
  for (let i = 0; i < 40; i++) merge.addDatasets([tables]);
  expect(merge.toPartial()).toEqual(runQuery(query, [tables]));
});
