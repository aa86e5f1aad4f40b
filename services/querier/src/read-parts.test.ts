import { crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { ManualClock, seededRandom } from '@kiln/async';
import {
  openPart,
  PageBuilder,
  SymbolTable,
  writeBlock,
  type Codecs,
  type DatasetTables,
  type Page,
} from '@kiln/block';
import { labelSet, parseTenantId } from '@kiln/model';
import { memoryStore, type ObjectStore } from '@kiln/objstore';
import { finishQuery, newQueryMerge, runQuery, type Query } from '@kiln/query';
import { expect, test } from 'vitest';
import { newStats, readParts } from './read-parts.ts';

const tenant = parseTenantId('a');
const ROWS = 30_000;
const PAGE_ROWS = 1_000;
const SERIES = 100;
const HOUR = 3_600_000;
/** Kinds of sections (FORMAT.md). */
const KIND = { series: 4, symbols: 8 };
const codecs: Codecs = {
  crc32,
  zstdCompress: (bytes) => zstdCompressSync(bytes),
  zstdDecompress: (bytes, maxLength) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxLength) }),
};

/** Rows of one service, sorted as in a block, with ids and values that do not compress. */
function datasetOf(service: string, length = ROWS): DatasetTables {
  const random = seededRandom(service.length);
  const symbols = new SymbolTable();
  symbols.stacks.intern(0);
  const rows = Array.from({ length }, (_, row) => row);
  const value = Float64Array.from(rows, () => 1 + Math.floor(random() * 2 ** 40));
  const pages: Page[] = [];
  for (let firstRow = 0; firstRow < length; firstRow += PAGE_ROWS) {
    const page = new PageBuilder(1);
    for (let row = firstRow; row < firstRow + PAGE_ROWS; row++)
      page.add(Uint32Array.of(0), [{ lo: value.subarray(row, row + 1), hi: undefined }], 1);
    pages.push({ firstRow, rows: PAGE_ROWS, bytes: page.toBytes() });
  }
  const perSeries = length / SERIES;
  return {
    service,
    name: 'cpu',
    types: [{ type: 'cpu', unit: 'nanoseconds', periodType: 'cpu', periodUnit: 'nanoseconds' }],
    minMs: 0,
    maxMs: (perSeries - 1) * 10_000,
    series: Array.from({ length: SERIES }, (_, i) =>
      labelSet([
        { name: 'service_name', value: service },
        { name: 'pod', value: `pod-${String(i).padStart(3, '0')}` },
      ]),
    ),
    rows: {
      length,
      series: Uint32Array.from(rows, (row) => Math.floor(row / perSeries)),
      timeMs: Float64Array.from(rows, (row) => (row % perSeries) * 10_000),
      id: Uint8Array.from({ length: length * 8 }, () => Math.floor(random() * 256)),
      offset: undefined,
      totals: [{ lo: value, hi: undefined }],
    },
    pages,
    symbols: symbols.symbols(),
    spans: spansOf(value),
  };
}

/** Every 500th row is of a span. */
function spansOf(value: Float64Array): DatasetTables['spans'] {
  const row = Uint32Array.from({ length: value.length / 500 }, (_, i) => i * 500);
  const id = BigUint64Array.from(row, (_, i) => BigInt(i % 5) + 1n);
  return {
    length: row.length,
    row,
    stack: new Uint32Array(row.length),
    spanId: id,
    traceIdHi: id,
    traceIdLo: new BigUint64Array(row.length),
    values: [{ lo: Float64Array.from(row, (at) => value[at]!), hi: undefined }],
  };
}

const range = { startMs: 0, endMs: HOUR, profileType: 'cpu:cpu:nanoseconds:cpu:nanoseconds' };
const graph = (selector: string, endMs = HOUR): Query => ({
  kind: 'stacktraces',
  ...range,
  endMs,
  selector,
  maxNodes: 0,
  format: 'tree',
});
const series = (selector: string): Query => ({
  kind: 'selectSeries',
  ...range,
  selector,
  stepMs: 60_000,
  groupBy: [],
  aggregation: 'sum',
  limit: 0,
});

test('of a large part, what the query wants is fetched, and the answer is that of the whole part', async () => {
  const datasets = ['web', 'db', 'queue'].map((service) => datasetOf(service));
  const block = writeBlock({ level: 2, blockId: new Uint8Array(16), tenant, datasets }, codecs);
  const objects: ObjectStore = memoryStore();
  await objects.put('b', block.bytes);
  const { off, len } = block.entry;
  const tables = openPart(block.bytes.subarray(off, off + len), tenant, codecs).datasets.map((d) => d.tables());
  const clock = new ManualClock(0);
  const share = async (query: Query): Promise<number> => {
    const stats = newStats();
    const merge = newQueryMerge(query, {}, stats);
    const options = { signal: new AbortController().signal, merge, concurrency: 1, stats, all: true };
    const answer = await clock.run(
      readParts({ objects, codecs, clock }, tenant, query, [{ object: 'b', ...block.entry }], options),
    );
    expect([answer.gone, answer.damaged]).toEqual([[], []]);
    expect(merge.toPartial()).toEqual(runQuery(query, tables));
    expect([stats.objects, stats.rows]).toEqual([1, ROWS * 3]);
    return stats.bytes / len;
  };
  expect(len).toBeGreaterThan(1024 * 1024);
  const all = await share(graph('{}'));
  const edge = await share(graph('{}', HOUR / 2));
  const minutes = await share(graph('{}', HOUR / 2 - 1));
  const one = await share(graph('{service_name="db"}'));
  const pod = await share(graph('{service_name="db", pod="pod-040"}'));
  const totals = await share(series('{service_name="db"}'));
  const none = await share(graph('{service_name="nobody"}'));
  const span = await share({ ...graph('{}'), spanIds: ['0000000000000002'] } as Query);
  const id = Buffer.from(datasets[0]!.rows.id.subarray(80, 88)).toString('hex');
  const profile = await share({ ...graph('{service_name="web"}'), profileIds: [id] } as Query);
  const heatmap: Query = {
    kind: 'heatmap',
    ...range,
    selector: '{}',
    of: 'spans',
    stepMs: 60_000,
    groupBy: [],
    exemplars: true,
    limit: 0,
  };
  const queries: Query[] = [
    graph('{}', HOUR / 2 + 1),
    graph('{pod!="pod-099"}'),
    { ...graph('{}'), traceIds: ['0000000000000003'.padEnd(32, '0')] } as Query,
    { ...graph('{pod="pod-040"}'), callSite: ['main'] } as Query,
    { ...series('{pod="pod-040"}'), callSite: ['main'] } as Query,
    { ...series('{pod="pod-040"}'), exemplars: 'profiles' } as Query,
    { ...series('{pod="pod-040"}'), exemplars: 'spans', callSite: ['main'] } as Query,
    heatmap,
    { ...heatmap, of: 'profiles', selector: '{pod="pod-040"}' },
    { kind: 'analyze', startMs: 0, endMs: HOUR, matchers: ['{service_name="db"}'] },
    {
      kind: 'pprofTypes',
      startMs: 0,
      endMs: HOUR / 2 + 1,
      profileTypes: ['no:of:these:a:b', range.profileType],
      selector: '{}',
    },
    { kind: 'profileStats', startMs: 5, endMs: HOUR / 2 },
  ];
  for (const query of queries) await share(query);
  expect(all).toBeLessThan(0.05);
  expect(minutes).toBeLessThan(0.1);
  expect(minutes).toBeGreaterThan(all);
  expect(one).toBeLessThan(0.05);
  // Of a range that ends within a bucket all pages, but no ids.
  expect(edge).toBeGreaterThan(0.3);
  expect(edge).toBeLessThan(0.65);
  expect(pod).toBeLessThan(0.15);
  expect(totals).toBeLessThan(0.12);
  expect(none).toBeLessThan(0.05);
  expect(span).toBeLessThan(0.8); // no page: the ids of rows are the most of it
  expect(profile).toBeLessThan(0.3);
});

test('of a part of a store far away, pages that lie apart are fetched at the same time', async () => {
  const datasets = ['web', 'db', 'queue', 'mail', 'cron', 'auth'].map((service) => datasetOf(service));
  const block = writeBlock({ level: 2, blockId: new Uint8Array(16), tenant, datasets }, codecs);
  const clock = new ManualClock(0);
  const stored = memoryStore();
  await stored.put('b', block.bytes);
  let underWay = 0;
  let most = 0;
  const objects: Pick<ObjectStore, 'getRange'> = {
    getRange: async (key, offset, length) => {
      most = Math.max(most, ++underWay);
      await clock.sleep(30);
      underWay--;
      return stored.getRange(key, offset, length);
    },
  };
  const query = graph('{pod="pod-040"}');
  const stats = newStats();
  const merge = newQueryMerge(query, {}, stats);
  const options = { signal: new AbortController().signal, merge, concurrency: 1, stats, all: true };
  await clock.run(readParts({ objects, codecs, clock }, tenant, query, [{ object: 'b', ...block.entry }], options));
  expect(merge.toPartial()).toEqual(runQuery(query, datasets));
  expect(most).toBe(4);
  expect(stats.requests).toBeGreaterThan(6);
  expect(clock.nowMs()).toBeLessThan(30 * (stats.requests - 2));
});

test('of a damaged part, only the damaged dataset is left out, and named', async () => {
  const services = ['web', 'db', 'queue'];
  for (const rows of [ROWS, 1_000]) {
    const datasets = services.map((service) => datasetOf(service, rows));
    const block = writeBlock({ level: 2, blockId: new Uint8Array(16), tenant, datasets }, codecs);
    const { off, len } = block.entry;
    const whole = block.bytes.slice(off, off + len);
    const opened = openPart(whole, tenant, codecs).datasets;
    const clock = new ManualClock(0);
    const read = async (query: Query, at: number) => {
      const objects: ObjectStore = memoryStore();
      const bytes = block.bytes.slice();
      bytes[off + at]! ^= 1;
      await objects.put('b', bytes);
      const merge = newQueryMerge(query);
      const stats = newStats();
      const options = { signal: new AbortController().signal, merge, concurrency: 1, stats, all: true };
      const { damaged } = await clock.run(
        readParts({ objects, codecs, clock }, tenant, query, [{ object: 'b', ...block.entry }], options),
      );
      return { partial: merge.toPartial(), damaged, rows: stats.rows };
    };
    const discovery: Query = { kind: 'labelValues', startMs: 0, endMs: HOUR, matchers: [], name: 'service_name' };
    const placeOf = (wanted: number): number => opened[1]!.sections.find(({ kind }) => kind === wanted)!.off + 40;
    const others = opened.filter((_, i) => i !== 1).map((dataset) => dataset.tables());
    const queries = [
      [graph('{}'), KIND.symbols],
      [series('{}'), KIND.series],
      [discovery, KIND.series],
    ] as const;
    for (const [query, section] of queries) {
      const found = await read(query, placeOf(section));
      expect(found.partial).toEqual(runQuery(query, others));
      expect(found.rows).toBe(2 * rows);
      expect(found.damaged).toEqual([
        { object: 'b', reason: expect.stringMatching(/^cpu of db cannot be read: corrupt section \d+ at byte \d+: /) },
      ]);
    }
    const untouched = await read(graph('{service_name="web"}'), placeOf(KIND.symbols));
    expect([untouched.damaged, untouched.rows]).toEqual([[], 3 * rows]);
    // Damage of what says where datasets lie takes all of them.
    const lost = await read(graph('{}'), len - 40);
    expect(lost).toMatchObject({ rows: 0, damaged: [{ reason: expect.stringContaining('its part of the tenant') }] });
  }
});

test('of a part of many datasets, some are decoded at a time, and what was added before damage was met counts once', async () => {
  const names = Array.from({ length: 300 }, (_, i) => `service-${i}`);
  const datasets = names.map((service) => datasetOf(service, PAGE_ROWS));
  const block = writeBlock({ level: 2, blockId: new Uint8Array(16), tenant, datasets }, codecs);
  const { off, len } = block.entry;
  const opened = openPart(block.bytes.slice(off, off + len), tenant, codecs).datasets;
  const clock = new ManualClock(0);
  const queries = [
    [graph('{}'), KIND.symbols],
    [series('{}'), KIND.series],
    [{ kind: 'analyze', startMs: 0, endMs: HOUR, matchers: [] } satisfies Query, KIND.series],
  ] as const;
  for (const [query, section] of queries)
    for (const damagedOnes of [[], [280], [10, 299]]) {
      const objects: ObjectStore = memoryStore();
      const bytes = block.bytes.slice();
      for (const i of damagedOnes)
        bytes[off + opened[i]!.sections.find(({ kind }) => kind === section)!.off + 40]! ^= 1;
      await objects.put('b', bytes);
      const merge = newQueryMerge(query);
      let most = 0;
      const counting = {
        addDatasets: (some: Iterable<DatasetTables>, part?: object) => {
          const list = [...some];
          most = Math.max(most, list.length);
          merge.addDatasets(list, part);
        },
        addPartial: (partial: Uint8Array) => merge.addPartial(partial),
        toPartial: () => merge.toPartial(),
        finish: (asked: Query) => merge.finish(asked),
      };
      const stats = newStats();
      const options = { signal: new AbortController().signal, merge: counting, concurrency: 1, stats, all: true };
      const { damaged } = await clock.run(
        readParts({ objects, codecs, clock }, tenant, query, [{ object: 'b', ...block.entry }], options),
      );
      const others = opened.filter((_, i) => !damagedOnes.includes(i)).map((dataset) => dataset.tables());
      expect(merge.toPartial()).toEqual(runQuery(query, others));
      expect(stats.rows).toBe(PAGE_ROWS * others.length);
      expect(damaged.map(({ reason }) => reason)).toEqual(
        damagedOnes.map((i) => expect.stringContaining(`cpu of service-${i} cannot be read`) as string),
      );
      expect(most).toBeLessThanOrEqual(256);
      expect(stats.requests).toBeLessThan(10);
    }
});

test('of a part that lies in the range, the catalog alone says how old it is', async () => {
  const clock = new ManualClock(0);
  const stats = newStats();
  const query: Query = { kind: 'profileStats', startMs: 0, endMs: HOUR };
  const merge = newQueryMerge(query, {}, stats);
  const ref = { object: 'not there', off: 0, len: 1, rows: 1, tenant, minMs: 5, maxMs: HOUR };
  const options = { signal: new AbortController().signal, merge, concurrency: 1, stats, all: true };
  const answer = await clock.run(readParts({ objects: memoryStore(), codecs, clock }, tenant, query, [ref], options));
  expect([answer, stats.requests]).toEqual([{ gone: [], damaged: [] }, 0]);
  expect(finishQuery(query, merge.toPartial())).toEqual({ oldestMs: 5, newestMs: HOUR });
});
