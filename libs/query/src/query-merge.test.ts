import type { DatasetTables } from '@kiln/block';
import { CorruptDataError } from '@kiln/bytes';
import { expect, it } from 'vitest';
import { newQueryMerge } from './query-merge.ts';
import type { Query } from './query.ts';
import { runQuery } from './run.ts';
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

it('more sources than are merged at a time count each once', () => {
  const query: Query = { kind: 'labelNames', startMs: 0, endMs: 2000, matchers: [], utf8: true };
  const tables = toTables(cpuDataset({ a: 1n }));
  const merge = newQueryMerge(query);
  for (let i = 0; i < 40; i++) merge.addDatasets([tables]);
  expect(merge.toPartial()).toEqual(runQuery(query, [tables]));
});
