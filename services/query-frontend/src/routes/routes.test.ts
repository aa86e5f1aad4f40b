import { describe, expect, test } from 'vitest';
import { ManualClock } from '@kiln/async';
import type { TenantId } from '@kiln/model';
import type { DatasetTables } from '@kiln/block';
import { runQuery, type Query } from '@kiln/query';
import { QueryCalls } from '../query-calls.ts';
import { QueryFrontend } from '../query-frontend.ts';
import { DAY, limits, stats, TYPE } from '../test-support/harness.ts';
import { NOW } from '../test-support/tool-ports.ts';
import { timelineOf, timelineStep } from './timeline.ts';

/** The reads by GET over a tenant without profiles, unless told what its queries find. */
function routes(partialOf: (query: Query) => Uint8Array = () => new Uint8Array(0)) {
  const asked: Query[] = [];
  const queries = {
    query: (_tenant: TenantId, query: Query) => {
      asked.push(query);
      return Promise.resolve({ partial: partialOf(query), gaps: [], stats });
    },
  };
  const calls = new QueryCalls(new QueryFrontend(queries, () => limits, new ManualClock(NOW)));
  return {
    asked,
    get: async (path: string, parameters: Record<string, string> | [string, string][] = {}) => {
      const search = new URLSearchParams(parameters).toString();
      const call = { path, search, acceptsGzip: false, tenants: ['acme' as TenantId], headers: {} };
      const { message, headers } = await calls.answer(call, new AbortController().signal);
      return { text: new TextDecoder().decode(message), headers };
    },
  };
}

describe('GET /pyroscope/render', () => {
  test('asks for the graph and its timeline, as QuerierService would be asked', async () => {
    const { get, asked } = routes();
    const query = `${TYPE}{service_name="api",pod=~"a.*"}`;
    const parameters = { query, from: String(NOW - 3_600_000), until: String(NOW), 'max-nodes': '7', maxNodes: '9' };
    const { text, headers } = await get('/pyroscope/render', parameters);
    const selection = {
      startMs: NOW - 3_600_000,
      endMs: NOW,
      profileType: TYPE,
      selector: '{service_name="api",pod=~"a.*"}',
    };
    expect(asked).toEqual([
      { kind: 'stacktraces', format: 'flamegraph', ...selection, maxNodes: 9 },
      { kind: 'selectSeries', ...selection, stepMs: 15_000, groupBy: [], aggregation: 'sum', limit: 0 },
    ]);
    expect(headers).toMatchObject({ 'content-type': 'application/json' });
    expect(headers['server-timing']!.match(/read;dur=12/g)).toHaveLength(2);
    expect(JSON.parse(text)).toEqual({
      version: 1,
      flamebearer: { names: ['total'], levels: [[0, 0, 0, 0]], numTicks: 0, maxSelf: 0 },
      metadata: { format: 'single', spyName: '', sampleRate: 1_000_000_000, units: 'samples', name: 'cpu' },
      timeline: {
        startTime: (NOW - 3_600_000) / 1000,
        samples: Array.from({ length: 240 }, () => 0),
        durationDelta: 15,
        watermarks: null,
      },
      groups: null,
      heatmap: null,
    });
  });

  test('takes the type as a matcher of __name__ too, and the average where it is asked for', async () => {
    const { get, asked } = routes();
    const query = `{__name__="${TYPE}",a="b"}`;
    await get('/pyroscope/render', [
      ['query', query],
      ['from', 'now-1h'],
      ['aggregation', 'avg'],
      ['groupBy', 'pod'],
      ['groupBy', 'zone'],
      ['maxNodes', 'many'],
    ]);
    expect(asked[0]).toMatchObject({
      profileType: TYPE,
      selector: '{a="b"}',
      startMs: NOW - 3_600_000,
      maxNodes: 8192,
    });
    expect(asked[1]).toMatchObject({ aggregation: 'average', groupBy: ['pod'] });
  });

  test.each([
    ['nothing', {}, /query is missing/],
    ['no type', { query: '{a="b"}' }, /names no profile type/],
    ['half a type', { query: 'process_cpu:cpu{}' }, /found 2 parts, want 5/],
    ['a selector that does not parse', { query: `${TYPE}{a=` }, /at character|expected/],
    ['no start', { query: `${TYPE}{}`, from: '0' }, /missing time range/],
    ['a start after its end', { query: `${TYPE}{}`, from: 'now', until: 'now-1h' }, /start \d+ is after end/],
    ['a start beyond any clock', { query: `${TYPE}{}`, from: '9'.repeat(18) }, /allowed are Unix milliseconds/],
  ])('refuses %s', async (_what, parameters, why) => {
    await expect(routes().get('/pyroscope/render', parameters)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(why) as string,
    });
  });
});

describe('GET /pyroscope/label-values', () => {
  test('answers types of the last hour for __name__, and values of any other label', async () => {
    const { get, asked } = routes();
    expect((await get('/pyroscope/label-values', { label: '__name__' })).text).toBe('null');
    expect((await get('/pyroscope/label-values', { label: 'pod', query: '{a="b"}' })).text).toBe('[]');
    expect(asked).toMatchObject([
      { kind: 'profileTypes', startMs: NOW - 3_600_000, endMs: NOW },
      { kind: 'labelValues', name: 'pod', matchers: ['{a="b"}'], startMs: NOW - 30 * DAY },
    ]);
    await expect(get('/pyroscope/label-values')).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});

describe('GET /api/v1/flamegraph and /api/v1/top', () => {
  test('ask for the last hour when no times are given, and answer no profiles with an empty graph', async () => {
    const { get, asked } = routes();
    const { text } = await get('/api/v1/flamegraph', { query: `${TYPE}{a="b"}`, function: 'main "x"' });
    expect(asked).toMatchObject([{ kind: 'stacktraces', startMs: NOW - 3_600_000, endMs: NOW, selector: '{a="b"}' }]);
    expect(JSON.parse(text)).toEqual({
      profileType: TYPE,
      selector: '{a="b"}',
      from: NOW - 3_600_000,
      until: NOW,
      aggregation: 'sum',
      unit: 'nanoseconds',
      total: 0,
      text: '0 ns',
      view: { function: 'main "x"', total: 0, text: '0 ns', ofWhole: 0 },
      functionCount: 0,
      functions: [],
      flamegraph: { names: ['total'], levels: [[0, 0, 0, 0]] },
    });
    expect((await get('/api/v1/top', { query: `${TYPE}{}`, from: '1000', until: '2000' })).text).toContain('"total":0');
  });

  test.each([
    ['memory:inuse_space:bytes:space:bytes', 'averageStacks'],
    ['goroutines:goroutine:count:goroutine:count', 'averageStacks'],
    ['memory:alloc_space:bytes:space:bytes', 'stacktraces'],
  ])('read %s as %s unless the aggregation is named', async (type, kind) => {
    const { get, asked } = routes();
    await get('/api/v1/top', { query: `${type}{}` });
    await get('/api/v1/top', { query: `${type}{}`, aggregation: 'sum' });
    await get('/api/v1/top', { query: `${type}{}`, aggregation: 'average' });
    expect(asked.map((query) => query.kind)).toEqual([kind, 'stacktraces', 'averageStacks']);
  });

  test.each([
    [{ query: `${TYPE}{}`, aggregation: 'mean' }, /want sum or average/],
    [{ query: `${TYPE}{}`, limit: '-1' }, /limit is "-1"/],
    [{ query: `${TYPE}{a=~"("}` }, /invalid regex/],
    [{ query: `${TYPE}{}`, from: 'now', until: 'now-1h' }, /is after end/],
    [{ query: `${TYPE}{}`, from: 'yesterday' }, /^from is "yesterday": want now, now-1h30m/],
    [{ query: `${TYPE}{}`, until: 'now-1x' }, /^until is "now-1x": want/],
  ])('refuse %j', async (parameters, why) => {
    await expect(routes().get('/api/v1/top', parameters)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(why) as string,
    });
  });

  test('refuse more nodes than the limit allows, naming it', async () => {
    await expect(routes().get('/api/v1/flamegraph', { query: `${TYPE}{}`, maxNodes: '1000000000' })).rejects.toThrow(
      /max_flamegraph_nodes_max/,
    );
  });
});

describe('GET /pprof', () => {
  test('looks for all value types of a name without a type, and says where it found none', async () => {
    const { get, asked } = routes();
    await expect(get('/pprof', { query: 'memory{pod="a"}' })).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('no profiles of memory{pod="a"} from 2027-01-15T07:00:00.000Z to') as string,
    });
    await expect(get('/pprof', { query: `${TYPE}{}`, from: '1970' })).rejects.toMatchObject({ code: 'not_found' });
    expect(asked).toMatchObject([
      { kind: 'series', matchers: ['{__name__="memory",pod="a"}'], labelNames: ['__profile_type__'] },
      { kind: 'pprofTypes', profileTypes: [TYPE] },
    ]);
    await expect(get('/pprof', { query: 'memory:inuse{}' })).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});

describe('GET /pprof of a name', () => {
  test.each([
    [
      ['inuse_space', 'other', 'alloc_space', 'inuse_objects', 'alloc_objects'],
      ['alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space', 'other'],
    ],
    [
      ['cpu', 'samples'],
      ['samples', 'cpu'],
    ],
    [
      ['delay', 'contentions'],
      ['contentions', 'delay'],
    ],
  ])('numbers the value types %j as Go does', async (stored, want) => {
    const period = { periodType: 'space', periodUnit: 'bytes' };
    const types = stored.map((type) => ({ type, unit: 'count', ...period }));
    const series = [[{ name: 'service_name', value: 'a' }]];
    const totals = types.map(() => ({ lo: Float64Array.of(1), hi: undefined }));
    const rows = { length: 1, series: Uint32Array.of(0), timeMs: Float64Array.of(NOW), totals };
    const tables = {
      service: 'a',
      name: 'memory',
      types,
      minMs: NOW,
      maxMs: NOW,
      series,
      rows,
    } as unknown as DatasetTables;
    const { get, asked } = routes((query) => (query.kind === 'series' ? runQuery(query, [tables]) : new Uint8Array(0)));
    await expect(get('/pprof', { query: 'memory{}' })).rejects.toMatchObject({ code: 'not_found' });
    expect(asked[1]).toMatchObject({ profileTypes: want.map((type) => `memory:${type}:count:space:bytes`) });
  });
});

describe('Kiln’s own routes', () => {
  test.each([
    [{ from: '9'.repeat(26) }, /^from is "9+": want/],
    [{ from: 'now-1mo' }, /^from is "now-1mo": want/],
    [{ from: '20261301' }, /^from is "20261301": want/],
    [{ until: '20260230' }, /^until is "20260230": want/],
    [{ from: '12345678901234' }, /^from is "12345678901234": want/],
    [{ maxNodes: 'abc' }, /^maxNodes is "abc": want a whole number/],
    [{ 'max-nodes': '1.5' }, /^max-nodes is "1.5": want a whole number/],
    [{ maxNodes: '99999999999999999999' }, /max_nodes 99999999999999999999 is out of bounds/],
    [{ lmit: '2' }, /^\/api\/v1\/flamegraph has no parameter "lmit", only query, .*: did you mean limit\?$/],
  ])('refuse %j', async (parameters, why) => {
    await expect(routes().get('/api/v1/flamegraph', { query: `${TYPE}{}`, ...parameters })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(why) as string,
    });
  });

  test('refuse what another of them takes', async () => {
    const parameters = { query: `${TYPE}{}`, limit: '2' };
    await expect(routes().get('/pprof', parameters)).rejects.toThrow(/^\/pprof has no parameter "limit"/);
    await expect(routes().get('/api/v1/top', { ...parameters, maxNodes: '9' })).rejects.toThrow(
      /no parameter "maxNodes"/,
    );
  });

  test.each([
    'now',
    'now-1h30m',
    'now-2M',
    'now-1mon',
    'now-3days',
    '1700000000',
    `${NOW}`,
    '20260228',
    '1_700_000_000',
  ])('take %s as a time', async (from) => {
    const { get, asked } = routes();
    await get('/api/v1/top', { query: `${TYPE}{}`, from, until: 'now' });
    expect(asked.length).toBeLessThan(2);
  });
});

describe('a timeline', () => {
  test.each([
    [60, 15],
    [26_250, 15],
    [26_251, 20],
    [86_400, 60],
    [7 * 86_400, 300],
    [30 * 86_400, 1800],
    [1500 * 3600 * 24, 12 * 3600],
    [1500 * 86_400 * 50, 365 * 86_400],
  ])('of %d seconds has a point every %d', (seconds, step) => {
    expect(timelineStep(0n, BigInt(seconds) * 1000n)).toBe(step);
  });

  test('begins and ends on whole steps, is zero where nothing is, and leaves out what lies outside', () => {
    const points = [14_000n, 20_000n, 50_000n, 60_000n].map((timestamp, i) => ({ timestamp, value: i + 0.9 }));
    expect(timelineOf(points, 20_000n, 61_000n, 15)).toEqual({
      startTime: 15,
      samples: [1, 0, 2],
      durationDelta: 15,
      watermarks: null,
    });
    expect(timelineOf([], 20_000n, 20_000n, 15).samples).toEqual([]);
  });
});
