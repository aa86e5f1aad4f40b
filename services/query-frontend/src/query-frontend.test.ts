import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ManualClock, systemClock } from '@kiln/async';
import { KilnError, parseTenantIds, type TenantId } from '@kiln/model';
import type { Answer, AnswerStats, Query } from '@kiln/query';
import { httpDefaults, runPlatform } from '@kiln/nest';
import { SelectMergeStacktracesRequestSchema, SelectMergeStacktracesResponseSchema } from '@kiln/rpc';
import { createMetrics, silentLogger } from '@kiln/telemetry';
import { queryFrontendDefaults } from './config.ts';
import { QueryFrontend, type ReadLimits } from './query-frontend.ts';
import { QueryCalls } from './query-calls.ts';
import { queryFrontendModule } from './query-frontend.module.ts';
import { toolPorts } from './test-support/tool-ports.ts';

const NOW = 1_800_000_000_000;
const DAY = 86_400_000;
const limits: ReadLimits = {
  maxQueryLookbackMs: 30 * DAY,
  retentionPeriodMs: 0,
  maxQueryLengthMs: 31 * DAY,
  maxFlamegraphNodesDefault: 8192,
  maxFlamegraphNodesMax: 1_048_576,
  maxFlamegraphNodesOnSelectMergeProfile: false,
  includeStrippedProfiles: false,
  queryAnalysisEnabled: true,
  queryAnalysisSeriesEnabled: true,
  maxResultNodes: 0,
  maxResultSeries: 0,
  maxResultPoints: 0,
};
const TYPE = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';

/** No two counts are equal. */
const stats: AnswerStats = {
  objects: 3,
  requests: 5,
  bytes: 81_234,
  rows: 4_801,
  pages: 2,
  buckets: 40,
  resolutionMs: 900_000,
  plans: 1,
  totalMs: 12,
};

interface Harness {
  asked: { tenant: TenantId; query: Query }[];
  call(
    method: string,
    body: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }>;
  url: string;
}

async function harness(
  some: Partial<ReadLimits> = {},
  answer: Answer | KilnError = { partial: new Uint8Array(0), gaps: [], stats },
): Promise<Harness> {
  const asked: Harness['asked'] = [];
  const queries = {
    query: (tenant: TenantId, query: Query) => {
      asked.push({ tenant, query });
      return answer instanceof KilnError ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
  const frontend = new QueryFrontend(queries, () => ({ ...limits, ...some }), new ManualClock(NOW));
  const clock = systemClock();
  const metrics = createMetrics({ ofProcess: false });
  const platform = await runPlatform({
    modules: [
      queryFrontendModule(queryFrontendDefaults, {
        answerer: new QueryCalls(frontend),
        ...toolPorts(),
        tenantsOf: parseTenantIds,
        limitOf: () => 0,
        clock,
        metrics,
      }),
    ],
    http: { ...httpDefaults, port: 0 },
    log: silentLogger,
    metrics,
    clock,
    random: () => 0,
    build: { version: '', revision: '', branch: '', runtime: '' },
    config: { effective: '', diff: '', defaults: '' },
    checks: [],
    shutdownDelayMs: 0,
    drainMs: 0,
  });
  onTestFinished(() => platform.stop());
  const url = `http://127.0.0.1:${platform.port}/querier.v1.QuerierService/`;
  return {
    asked,
    url,
    call: async (method, body, headers = {}) => {
      const response = await fetch(url + method, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-scope-orgid': 'acme', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
      const text = await response.text();
      return {
        status: response.status,
        body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
        headers: response.headers,
      };
    },
  };
}

const range = { start: String(NOW - 3_600_000), end: String(NOW) };
const select = { profileTypeID: TYPE, labelSelector: '{}', ...range };

describe('a read', () => {
  test('is asked of its own tenant, once, as checked', async () => {
    const { call, asked } = await harness();
    expect(await call('SelectMergeStacktraces', { ...select, maxNodes: 5, unknownField: [1] })).toMatchObject({
      status: 200,
      body: { flamegraph: { names: ['total'], levels: [{ values: ['0', '0', '0', '0'] }] } },
    });
    expect(asked).toEqual([
      {
        tenant: 'acme',
        query: {
          kind: 'stacktraces',
          format: 'flamegraph',
          startMs: NOW - 3_600_000,
          endMs: NOW,
          profileType: TYPE,
          selector: '{}',
          maxNodes: 5,
        },
      },
    ]);
  });

  test('of a series keeps the start that its steps count from, also before the lookback', async () => {
    const { call, asked } = await harness({ maxQueryLookbackMs: 1_800_000 });
    const early = { ...select, step: 1_200 };
    expect((await call('SelectSeries', early)).status).toBe(200);
    await call('SelectMergeStacktraces', select);
    await call('SelectSeries', { ...early, start: String(NOW - 1_000_000) });
    expect(asked.map(({ query }) => [query.startMs, 'oldestMs' in query ? query.oldestMs : undefined])).toEqual([
      [NOW - 3_600_000, NOW - 1_800_000],
      [NOW - 1_800_000, undefined],
      [NOW - 1_000_000, undefined],
    ]);
  });

  test('says what was left out of its range, and that nothing is left of it', async () => {
    const { call } = await harness({ maxQueryLookbackMs: 1_800_000 });
    const note = async (start: number, end: number): Promise<string | null> =>
      (await call('SelectMergeStacktraces', { ...select, start, end })).headers.get('x-kiln-note');
    const oldest = `nothing before ${new Date(NOW - 1_800_000).toISOString()} is answered`;
    expect(await note(NOW - 1_800_000, NOW)).toBe(null);
    expect(await note(NOW - 1_800_001, NOW)).toBe(`${oldest}: max_query_lookback is 30m`);
    expect(await note(NOW - 3_600_000, NOW - 1_800_001)).toBe(
      `${oldest}, so the whole range is empty: max_query_lookback is 30m`,
    );
  });

  test('takes snake_case names and numbers for int64, and protobuf', async () => {
    const { call, asked, url } = await harness();
    const snake = {
      profile_typeID: TYPE,
      label_selector: '{a="b"}',
      start: NOW - 5,
      end: NOW,
      format: 'PROFILE_FORMAT_TREE',
    };
    expect((await call('SelectMergeStacktraces', snake)).body).toEqual({});
    expect(asked[0]!.query).toMatchObject({ startMs: NOW - 5, selector: '{a="b"}', format: 'tree' });
    const request = create(SelectMergeStacktracesRequestSchema, {
      profileTypeID: TYPE,
      labelSelector: '{}',
      start: BigInt(NOW - 5),
      end: BigInt(NOW),
    });
    const response = await fetch(`${url}SelectMergeStacktraces`, {
      method: 'POST',
      headers: { 'content-type': 'application/proto', 'x-scope-orgid': 'acme' },
      body: toBinary(SelectMergeStacktracesRequestSchema, request),
    });
    const message = fromBinary(SelectMergeStacktracesResponseSchema, new Uint8Array(await response.arrayBuffer()));
    expect(message.flamegraph!.names).toEqual(['total']);
  });

  test.each<[string, string, Record<string, unknown>, Record<string, unknown>]>([
    ['spans', 'SelectMergeSpanProfile', { spanSelector: ['0123456789ABCDEF'] }, { spanIds: ['0123456789abcdef'] }],
    [
      'traces, as a pprof',
      'SelectMergeStacktraces',
      { format: 'PROFILE_FORMAT_PPROF', traceIdSelector: ['f'.repeat(32)], maxNodes: 5 },
      { kind: 'pprof', traceIds: ['f'.repeat(32)], maxNodes: 5 },
    ],
    [
      'profiles, as a call graph',
      'SelectMergeStacktraces',
      { format: 'PROFILE_FORMAT_DOT', profileIdSelector: ['FEDCBA98-7654-3210-0000-000000000000'] },
      { format: 'dot', profileIds: ['fedcba9876543210'], maxNodes: 100 },
    ],
    [
      'a call site, for PGO',
      'SelectMergeProfile',
      { stackTraceSelector: { callSite: [{ name: 'main' }], goPgo: { keepLocations: 5, aggregateCallees: true } } },
      { callSite: ['main'], goPgo: { keepLocations: 5, aggregateCallees: true } },
    ],
    ['a call site, over time', 'SelectSeries', { step: 1, stackTraceSelector: { callSite: [{}] } }, { callSite: [''] }],
    [
      'profiles, of a heatmap',
      'SelectHeatmap',
      { step: 0.5, queryType: 1, exemplarType: 2, groupBy: ['pod'], limit: 3 },
      { kind: 'heatmap', of: 'profiles', stepMs: 500, exemplars: true, groupBy: ['pod'], limit: 3 },
    ],
    ['spans, as exemplars', 'SelectSeries', { step: 1, exemplarType: 'EXEMPLAR_TYPE_SPAN' }, { exemplars: 'spans' }],
    ['nothing, in empty selectors', 'SelectMergeSpanProfile', { spanSelector: [] }, { maxNodes: 8192 }],
  ])('chooses samples by %s', async (_, method, body, query) => {
    const { call, asked } = await harness();
    expect((await call(method, { ...select, ...body })).status).toBe(200);
    expect(asked[0]!.query).toMatchObject(query);
  });

  test('of statistics, and of an analysis, needs no range', async () => {
    const { call, asked } = await harness();
    expect(await call('GetProfileStats', {})).toMatchObject({ status: 200, body: {} });
    expect((await call('AnalyzeQuery', { query: `${TYPE}{pod="a"}` })).status).toBe(200);
    await call('AnalyzeQuery', { ...range, query: '{pod="a"}' });
    expect(asked.map(({ query }) => query)).toMatchObject([
      { kind: 'profileStats', startMs: NOW - 30 * DAY, endMs: NOW + DAY },
      { kind: 'analyze', matchers: [`{__profile_type__="${TYPE}"}`, '{pod="a"}'], endMs: NOW + DAY },
      { kind: 'analyze', matchers: ['{pod="a"}'], endMs: NOW },
    ]);
  });

  test('of a diff is two reads, each of its own range and selection; the limit of nodes is one', async () => {
    const { call, asked } = await harness();
    const right = { ...select, start: String(NOW - 10), profileTypeID: 'memory:space:bytes::', maxNodes: 16 };
    const answer = await call('Diff', { left: { ...select, maxNodes: 5, spanSelector: ['0123456789abcdef'] }, right });
    expect(answer).toMatchObject({ status: 200, body: { flamegraph: { names: ['total'] } } });
    expect(asked.map(({ query }) => query)).toMatchObject([
      { startMs: NOW - 3_600_000, profileType: TYPE, spanIds: ['0123456789abcdef'] },
      { startMs: NOW - 10, profileType: 'memory:space:bytes::' },
    ]);
    expect(answer.headers.get('server-timing')).toContain('objects 6');
    const half = await call('Diff', { left: { start: '1', end: '2' }, right });
    expect([half.status, asked.length]).toEqual([200, 3]);
  });

  test.each<[string, string, unknown, number, string, string]>([
    ['without a tenant', 'ProfileTypes', {}, 401, 'unauthenticated', 'auth.multitenancy-enabled'],
    [
      'without a range',
      'SelectMergeProfile',
      { profileTypeID: TYPE, labelSelector: '{}' },
      400,
      'invalid_argument',
      'missing time range',
    ],
    ['with half a range', 'ProfileTypes', { start: 5 }, 400, 'invalid_argument', 'missing time range'],
    [
      'that ends before it starts',
      'Series',
      { start: String(NOW), end: String(NOW - 1) },
      400,
      'invalid_argument',
      'is after end',
    ],
    ['too long', 'LabelNames', { start: '1', end: String(NOW + 5 * DAY) }, 400, 'invalid_argument', 'max_query_length'],
    [
      'of no type',
      'SelectSeries',
      { ...select, profileTypeID: 'cpu', step: 1 },
      400,
      'invalid_argument',
      'found 1 part,',
    ],
    ['of no selector', 'SelectMergeStacktraces', { ...select, labelSelector: '' }, 400, 'invalid_argument', 'selector'],
    [
      'of a bad selector',
      'SelectMergeStacktraces',
      { ...select, labelSelector: '{a=~"("}' },
      400,
      'invalid_argument',
      '',
    ],
    ['without step', 'SelectSeries', select, 400, 'invalid_argument', 'invalid step 0'],
    [
      'of too many nodes',
      'SelectMergeStacktraces',
      { ...select, maxNodes: 1_048_577 },
      400,
      'invalid_argument',
      'max_flamegraph_nodes_max',
    ],
    [
      'of negative nodes',
      'SelectMergeStacktraces',
      { ...select, maxNodes: -1 },
      400,
      'invalid_argument',
      'max_nodes -1',
    ],
    ['of a label without name', 'LabelValues', range, 400, 'invalid_argument', 'name is required'],
    ['of half a diff', 'Diff', { left: select }, 400, 'invalid_argument', 'right: missing'],
    [
      'of a diff without a range',
      'Diff',
      { left: {}, right: select },
      400,
      'invalid_argument',
      'left: missing time range',
    ],
    [
      'of a diff without a type',
      'Diff',
      { left: select, right: { ...select, profileTypeID: 'cpu' } },
      400,
      'invalid_argument',
      'right: invalid profile type "cpu"',
    ],
    [
      'with a span that is none',
      'SelectMergeSpanProfile',
      { ...select, spanSelector: ['0123456789abcdef', '00'] },
      400,
      'invalid_argument',
      'span_selector has "00", want 16 hex digits',
    ],
    [
      'with a trace that is none',
      'SelectMergeProfile',
      { ...select, traceIdSelector: ['g'.repeat(32)] },
      400,
      'invalid_argument',
      'want 32 hex digits',
    ],
    [
      'with a profile that is none',
      'SelectMergeStacktraces',
      { ...select, profileIdSelector: ['0123456789abcdef'] },
      400,
      'invalid_argument',
      'profile_id_selector has "0123456789abcdef", want a UUID',
    ],
    [
      'with spans and traces',
      'SelectMergeStacktraces',
      { ...select, spanSelector: ['0123456789abcdef'], traceIdSelector: ['0'.repeat(32)] },
      400,
      'invalid_argument',
      'cannot be sent together',
    ],
    [
      'with PGO but no pprof',
      'SelectMergeStacktraces',
      { ...select, stackTraceSelector: { goPgo: { keepLocations: 5 } } },
      400,
      'invalid_argument',
      'PROFILE_FORMAT_PPROF',
    ],
    [
      'of a pprof of negative nodes',
      'SelectMergeProfile',
      { ...select, maxNodes: -1 },
      400,
      'invalid_argument',
      'max_nodes -1',
    ],
    [
      'of a heatmap of nothing',
      'SelectHeatmap',
      { ...select, step: 1 },
      400,
      'invalid_argument',
      'query_type is missing',
    ],
    [
      'of a heatmap of profiles with exemplars of spans',
      'SelectHeatmap',
      { ...select, step: 1, queryType: 'HEATMAP_QUERY_TYPE_INDIVIDUAL', exemplarType: 'EXEMPLAR_TYPE_SPAN' },
      400,
      'invalid_argument',
      'exemplar_type asks for spans, query_type for profiles',
    ],
    ['of a heatmap without step', 'SelectHeatmap', { ...select, queryType: 1 }, 400, 'invalid_argument', 'step 0'],
    [
      'of a heatmap of -1 series',
      'SelectHeatmap',
      { ...select, queryType: 1, step: 1, limit: -1 },
      400,
      'invalid_argument',
      'limit -1',
    ],
    [
      'of a heatmap of a moment',
      'SelectHeatmap',
      { ...select, queryType: 1, step: 1, start: range.end },
      400,
      'invalid_argument',
      'starts before it ends',
    ],
    [
      'of a heatmap of no selector',
      'SelectHeatmap',
      { ...select, queryType: 1, step: 1, labelSelector: '' },
      400,
      'invalid_argument',
      'selector',
    ],
    ['of statistics of two tenants', 'GetProfileStats', {}, 400, 'invalid_argument', 'of one tenant: found acme, b'],
    ['of an analysis of nothing', 'AnalyzeQuery', { ...range, query: '' }, 400, 'invalid_argument', 'selector'],
    [
      'of an analysis of a wrong type',
      'AnalyzeQuery',
      { ...range, query: 'a:b{}' },
      400,
      'invalid_argument',
      'found 2 parts',
    ],
    ['of broken JSON', 'ProfileTypes', '{', 400, 'invalid_argument', ''],
    ['of an empty body', 'ProfileTypes', '', 400, 'invalid_argument', ''],
    ['with a word for a number', 'ProfileTypes', { start: 'soon' }, 400, 'invalid_argument', ''],
  ])('%s is refused by name, and nobody is asked', async (what, method, body, status, code, sentence) => {
    const { call, asked } = await harness();
    const tenants = { 'without a tenant': '', 'of statistics of two tenants': 'acme|b' }[what];
    const answer = await call(method, body, tenants === undefined ? {} : { 'x-scope-orgid': tenants });
    expect([answer.status, answer.body['code']]).toEqual([status, code]);
    expect(answer.body['message']).toContain(sentence);
    expect(asked).toEqual([]);
  });

  test('with another content type is 415 and told which, another method 405', async () => {
    const { url } = await harness();
    const response = await fetch(`${url}ProfileTypes`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain', 'x-scope-orgid': 'a' },
      body: '{}',
    });
    expect([response.status, response.headers.get('accept-post')]).toEqual([
      415,
      expect.stringContaining('application/json'),
    ]);
    expect(
      (
        await fetch(`${url}ProfileTypes`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: '{}',
        })
      ).status,
    ).toBe(405);
  });
});

describe('the range', () => {
  test('wholly before the lookback is empty before anything else is looked at; partly, it starts at the lookback', async () => {
    const { call, asked } = await harness();
    const old = { start: '1000', end: '2000' };
    expect(await call('SelectMergeStacktraces', { ...old, profileTypeID: 'nonsense' })).toMatchObject({ status: 200 });
    for (const method of ['SelectSeries', 'SelectMergeProfile', 'Series', 'LabelNames', 'ProfileTypes']) {
      expect(await call(method, old)).toMatchObject({ status: 200, body: {} });
    }
    expect(asked).toEqual([]);
    await call('SelectMergeStacktraces', { ...select, start: '1000' });
    expect(asked[0]!.query).toMatchObject({ startMs: NOW - 30 * DAY, endMs: NOW });
  });

  test('left out of a discovery call is the whole lookback', async () => {
    const { call, asked } = await harness({ maxQueryLookbackMs: 3 * DAY });
    for (const [method, body] of [
      ['ProfileTypes', {}],
      ['LabelNames', { start: 0 }],
      ['LabelValues', { name: 'pod' }],
      ['Series', {}],
    ] as const)
      await call(method, body);
    expect(asked.map(({ query }) => query.kind)).toEqual(['profileTypes', 'labelNames', 'labelValues', 'series']);
    for (const { query } of asked) expect(query).toMatchObject({ startMs: NOW - 3 * DAY, endMs: NOW + DAY });
  });

  test('shows UTF-8 label names to those who accept them', async () => {
    const { call, asked } = await harness();
    await call('LabelNames', {});
    await call('LabelNames', {}, { accept: 'application/json;allow-utf8-labelnames=true, */*' });
    expect(asked.map(({ query }) => 'utf8' in query && query.utf8)).toEqual([false, true]);
  });
});

/** The partial of a set of texts. */
function texts(...values: string[]): Uint8Array {
  return Uint8Array.of(1, values.length, ...values.flatMap((text) => [text.length, ...new TextEncoder().encode(text)]));
}

describe('an answer', () => {
  test('from which something may be missing says what', async () => {
    const gaps = [{ log: 'ab-0', after: 4, upTo: 9, reason: 'undecodable' }];
    const { call } = await harness({}, { partial: new Uint8Array(0), gaps, stats });
    expect((await call('SelectMergeStacktraces', select)).headers.get('x-kiln-partial')).toBe(
      'ab-0 (4, 9] undecodable',
    );
  });

  test('with many gaps, or a reason that is no header text, still gets through', async () => {
    const gaps = Array.from({ length: 500 }, (_, i) => ({
      log: 'ab-0',
      after: i,
      upTo: i + 1,
      reason: 'kaputt: ∅\n"x"',
    }));
    const { call } = await harness({}, { partial: new Uint8Array(0), gaps, stats });
    const { status, headers } = await call('SelectMergeStacktraces', select);
    expect(status).toBe(200);
    const said = headers.get('x-kiln-partial')!;
    expect(said).toMatch(/^ab-0 \(0, 1\] kaputt: \?\?"x"; ab-0 \(1, 2\] .*; and 484 more$/);
    expect(said.length).toBeLessThan(4096);
  });

  test('says in Server-Timing what it took, and which resolution it used; of several tenants together', async () => {
    const read = 'objects 3, requests 5, bytes 81234, rows 4801, pages 2, buckets 40, plans 1, resolution 15m';
    const { call } = await harness();
    expect((await call('SelectSeries', { ...select, step: 60 })).headers.get('server-timing')).toBe(
      `read;dur=12;desc="${read}"`,
    );
    const two = await call('SelectMergeStacktraces', select, { 'x-scope-orgid': 'a|b' });
    expect(two.headers.get('server-timing')).toBe(
      'read;dur=12;desc="objects 6, requests 10, bytes 162468, rows 9602, pages 4, buckets 80, plans 2, resolution 15m"',
    );
    const ofProfiles = await harness(
      {},
      { partial: new Uint8Array(0), gaps: [], stats: { ...stats, resolutionMs: 0 } },
    );
    expect((await ofProfiles.call('SelectMergeStacktraces', select)).headers.get('server-timing')).not.toContain(
      'resolution',
    );
  });

  test('over several tenants is held to the strictest of their limits', async () => {
    const query: Query = { kind: 'labelValues', startMs: 0, endMs: 1, matchers: [], name: 'env' };
    const valuesOf: Record<string, Uint8Array> = { x: texts('dev', 'prod'), y: texts('prod', 'test') };
    const queries = { query: async (tenant: TenantId) => ({ partial: valuesOf[tenant]!, gaps: [], stats }) };
    const ask = (x: number, y: number): Promise<Answer> => {
      const series = (tenant: TenantId): ReadLimits => ({ ...limits, maxResultSeries: String(tenant) === 'x' ? x : y });
      return new QueryFrontend(queries, series, new ManualClock(NOW)).query(
        parseTenantIds('x|y'),
        query,
        new AbortController().signal,
      );
    };
    for (const [x, y] of [
      [3, 0],
      [0, 0],
      [5, 3],
    ] as const)
      expect((await ask(x, y)).partial).toEqual(texts('dev', 'prod', 'test'));
    for (const [x, y] of [
      [2, 0],
      [0, 2],
      [3, 2],
    ] as const) {
      await expect(ask(x, y)).rejects.toMatchObject({
        code: 'resource_exhausted',
        message: expect.stringContaining('max_result_series') as string,
      });
    }
  });

  test('that failed keeps the code and sentence of the failure', async () => {
    const { call } = await harness(
      {},
      new KilnError('unavailable', 'the owner of partition 3 is away', { retryAfterSeconds: 2 }),
    );
    const { status, body, headers } = await call('SelectMergeStacktraces', select);
    expect([status, body, headers.get('retry-after')]).toEqual([
      503,
      { code: 'unavailable', message: 'the owner of partition 3 is away' },
      '2',
    ]);
  });
});
