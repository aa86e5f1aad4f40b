import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '@kiln/async';
import { KilnError, parseTenantIds, type TenantId } from '@kiln/model';
import type { Answer, Query } from '@kiln/query';
import { SelectMergeStacktracesRequestSchema, SelectMergeStacktracesResponseSchema } from '@kiln/rpc';
import { QueryFrontend, type ReadLimits } from './query-frontend.ts';
import { DAY, harness, limits, range, select, stats, TYPE } from './test-support/harness.ts';
import { NOW } from './test-support/tool-ports.ts';

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
    expect(await note(NOW - 1_800_001, NOW)).toBe(
      `${oldest}: max_query_lookback is 30m (flag --querier.max-query-lookback)`,
    );
    expect(await note(NOW - 3_600_000, NOW - 1_800_001)).toBe(
      `${oldest}, so the whole range is empty: max_query_lookback is 30m (flag --querier.max-query-lookback)`,
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

  test('takes int64 numbers in JSON digit by digit, also those that a double would round', async () => {
    const { url } = await harness();
    const refusal = async (fields: string): Promise<unknown> => {
      const response = await fetch(`${url}SelectMergeStacktraces`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-scope-orgid': 'acme' },
        body: `${JSON.stringify({ profileTypeID: TYPE, labelSelector: '{}', start: 1 }).slice(0, -1)},${fields}}`,
      });
      return ((await response.json()) as { message: string }).message;
    };
    expect(await refusal('"end":9223372036854775807')).toMatch(/^end is 9223372036854775807, allowed are/);
    expect(await refusal(`"end":${NOW},"maxNodes":9007199254740993`)).toMatch(/^max_nodes 9007199254740993 is out/);
    expect(await refusal('"end":9223372036854775808')).toMatch(/the body is not JSON of .*9223372036854775808/);
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
    const gaps = [
      { log: 'ab-0', after: 4, upTo: 9, reason: 'undecodable' },
      { object: 'tenants/a/b/1', reason: 'cpu of web cannot be read' },
    ];
    const { call } = await harness({}, { partial: new Uint8Array(0), gaps, stats });
    expect((await call('SelectMergeStacktraces', select)).headers.get('x-kiln-partial')).toBe(
      'log ab-0, offsets (4, 9]: undecodable; tenants/a/b/1: cpu of web cannot be read',
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
    expect(said).toMatch(/^log ab-0, offsets \(0, 1\]: kaputt: \?\?"x"; log ab-0, offsets \(1, 2\]: .*; and 484 more$/);
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

  test('over many tenants asks few of them at once, and none any more when its client has left', async () => {
    const query: Query = { kind: 'labelNames', startMs: 0, endMs: 1, matchers: [], utf8: true };
    const turns: (() => void)[] = [];
    let asked = 0;
    const queries = {
      query: async (): Promise<Answer> => {
        asked++;
        await new Promise<void>((resolve) => void turns.push(resolve));
        return { partial: texts('env'), gaps: [], stats };
      },
    };
    const client = new AbortController();
    const tenants = parseTenantIds(Array.from({ length: 20 }, (_, i) => `t${i}`).join('|'));
    const frontend = new QueryFrontend(queries, () => limits, new ManualClock(NOW));
    const answer = frontend.query(tenants, query, client.signal);
    expect(asked).toBe(4);
    client.abort(new Error('left'));
    for (const turn of turns) turn();
    await expect(answer).rejects.toThrow('left');
    expect(asked).toBe(4);
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
