import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeTree, Oracle, querierMessages, stacksOfAnswer } from '../oracle/index.ts';
import { captureBody, captureHeaders, profilecliCaptures } from '../support/captured.ts';
import { connectPush } from '../support/http-client.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { MarkedTenants, manyTenants } from '../support/marked-tenants.ts';
import { buildPprof, type BuiltSample } from '../support/profile-builder.ts';
import { rawCall, rpcCall, type RawAnswer } from '../support/rpc-call.ts';
import { requireService } from '../support/services.ts';
import { hasTool } from './programs.ts';

/*
 * The calls of Grafana's data source, the old built-in page, Profiles Drilldown and profilecli's canary (contract/clients.md §2.3, §2.7, §2.8, §3.1), in
 * their protocols and in their order: only the address is changed. Contents against the oracle.
 */

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);

type Json = Record<string, unknown>;

const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const SAMPLES = 'process_cpu:samples:count:cpu:nanoseconds';
const INUSE = 'memory:inuse_space:bytes:space:bytes';
const CANARY = 'deadmans_switch:made_up:profilos:made_up:profilos';
const CANARY_SPAN = '00000bac2a5ab0c7';
const TENANT = 'anonymous';

const now = Date.now();
const range = { start: now - 600_000, end: now + 60_000 };
const oracleRange = { startMs: range.start, endMs: range.end };
const API = '{service_name="api"}';

let dir = '';
let kiln: RunningKiln;
let tenants: RunningKiln;
let neighbours: MarkedTenants;
const oracle = new Oracle();

const frames = (path: string): BuiltSample['frames'] =>
  path
    .split(';')
    .map((name) => ({ name, file: `${name}.go`, startLine: 3, line: 7 }))
    .toReversed();

/** The end-to-end data: two services, two kinds of profile, a label per pod; then what the canary sends. */
function profiles(): { labels: [string, string][]; bytes: Uint8Array }[] {
  const sent: { labels: [string, string][]; bytes: Uint8Array }[] = [];
  for (const [n, service] of ['api', 'api', 'web'].entries()) {
    for (let minute = 1; minute <= 5; minute++) {
      const timeNanos = BigInt(now - minute * 60_000) * 1_000_000n + BigInt(n + 1);
      const labels: [string, string][] = [
        ['service_name', service],
        ['pod', `pod-${n}`],
        ['k8s.namespace', 'prod'],
      ];
      const work = BigInt(minute * 1000 + n);
      sent.push({
        labels: [['__name__', 'process_cpu'], ...labels],
        bytes: buildPprof({
          types: [
            ['samples', 'count'],
            ['cpu', 'nanoseconds'],
          ],
          periodType: ['cpu', 'nanoseconds'],
          period: 10_000_000n,
          timeNanos,
          durationNanos: 10_000_000_000n,
          samples: [
            { frames: frames('main;serve;parse'), values: [1n, work] },
            { frames: frames('main;serve;parse;parse'), values: [2n, 2n * work] },
            { frames: frames(`main;idle-${service}`), values: [3n, 5n] },
          ],
        }),
      });
      sent.push({
        labels: [['__name__', 'memory'], ...labels],
        bytes: buildPprof({
          types: [['inuse_space', 'bytes']],
          periodType: ['space', 'bytes'],
          period: 524_288n,
          timeNanos,
          samples: [{ frames: frames('main;cache'), values: [work * BigInt(minute)] }],
        }),
      });
    }
  }
  sent.push({
    labels: [
      ['__name__', 'deadmans_switch'],
      ['service_name', 'pyroscope-canary-exporter'],
      ['job', 'canary-exporter'],
    ],
    bytes: buildPprof({
      types: [['made_up', 'profilos']],
      periodType: ['made_up', 'profilos'],
      period: 1n,
      timeNanos: BigInt(now) * 1_000_000n + 7n,
      samples: [
        { frames: frames('func2;func1'), values: [10n] },
        { frames: frames('func1'), values: [20n], labels: [['profile_id', CANARY_SPAN]] },
      ],
    }),
  });
  return sent;
}

beforeAll(async () => {
  if (!built) return;
  dir = mkdtempSync(join(tmpdir(), 'kiln-grafana-'));
  kiln = await startKiln({ dataDir: join(dir, 'one'), timeoutMs: 90_000 });
  tenants = await startKiln({
    dataDir: join(dir, 'many'),
    flags: [manyTenants],
    timeoutMs: 90_000,
  });
  neighbours = new MarkedTenants(join(dir, 'many'));
  await neighbours.push(tenants.url);
  for (const { labels, bytes } of profiles()) {
    oracle.push({ tenant: TENANT, labels, pprofBytes: bytes, receivedMs: now });
    const { status } = await connectPush(kiln.url, [{ labels, samples: [{ profile: bytes }] }]);
    if (status !== 200) throw new Error(`a push was answered ${status}`);
  }
}, 240_000);
afterAll(async () => {
  if (!built) return;
  await neighbours.look(tenants);
  await Promise.all([kiln.stop(), tenants.stop()]);
  rmSync(dir, { recursive: true, force: true });
});

/** As connect-go sends it: binary, with the protocol's version, over HTTP/1.1. */
async function dataSource(method: string, request: Json): Promise<Json> {
  const { request: form, response } = querierMessages[method]!;
  const answer = await rpcCall(kiln.url, {
    protocol: 'connect',
    transport: 'http1',
    path: `/querier.v1.QuerierService/${method}`,
    body: form.encode(request),
    headers: { 'connect-protocol-version': '1', 'accept-encoding': 'gzip', 'user-agent': 'connect-go/1.19.2' },
  });
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/proto']);
  return response === undefined ? { profile: answer.message } : response.decode(answer.message);
}

/** As Drilldown sends it through Grafana's proxy: JSON without the protocol's version. */
async function drilldown(path: string, request: Json, url = kiln.url, more: Record<string, string> = {}) {
  const headers = { 'content-type': 'application/json', 'x-grafana-org-id': '1', ...more };
  const answer = await rawCall(url, {
    transport: 'http1',
    method: 'POST',
    path: `/${path}`,
    headers,
    body: JSON.stringify(request),
  });
  return { status: answer.status, body: JSON.parse(answer.body.toString()) as Json };
}

const get = (path: string, parameters: Record<string, string> = {}): Promise<RawAnswer> =>
  rawCall(kiln.url, {
    transport: 'http1',
    method: 'GET',
    path: `${path}?${new URLSearchParams(parameters).toString()}`,
  });

const graphOf = (selector: string, type = CPU) =>
  oracle.flameGraph(TENANT, { ...oracleRange, profileTypeId: type, selector });

/** A graph of JSON with 64-bit numbers as text, or of a binary answer. */
function graphIn(message: Json): unknown {
  const graph = message['flamegraph'] as { names: string[]; levels: { values: unknown[] }[]; total: string };
  return { names: graph.names, levels: graph.levels.map(({ values }) => values.map((v) => BigInt(v as string))) };
}

const wanted = (selector: string, type = CPU): unknown => {
  const { names, levels } = graphOf(selector, type);
  return { names, levels };
};

describe.skipIf(!built)("Grafana's data source", { timeout: 60_000 }, () => {
  test('is saved and tested: profile types of January 1970 are an empty answer', async () => {
    expect(await dataSource('ProfileTypes', { start: 1000, end: 4000 })).toEqual({ profileTypes: [] });
    expect(((await dataSource('ProfileTypes', {}))['profileTypes'] as Json[]).map(({ ID }) => ID)).toEqual(
      oracle.profileTypes(TENANT, oracleRange),
    );
  });

  test('opens its editor: types, labels without hidden ones, values', async () => {
    const { profileTypes } = await dataSource('ProfileTypes', range);
    expect((profileTypes as Json[]).find(({ ID }) => ID === CPU)).toMatchObject({
      name: 'process_cpu',
      sampleType: 'cpu',
    });
    const matchers = [`{__profile_type__="${CPU}", service_name="api"}`];
    expect((await dataSource('LabelNames', { matchers, ...range }))['names']).toEqual(
      oracle.labelNames(TENANT, oracleRange, { matchers }),
    );
    for (const selector of [matchers[0]!, '{service_name=~"a.*"}', '{service_name!="web"}', '{pod!~"pod-2|x"}'])
      expect((await dataSource('LabelValues', { name: 'pod', matchers: [selector], ...range }))['names']).toEqual(
        oracle.labelValues(TENANT, oracleRange, 'pod', { matchers: [selector] }),
      );
  });

  test('asks for metrics and a profile at the same time', async () => {
    const labelSelector = `{__profile_type__="${CPU}",service_name="api"}`;
    const select = { profileTypeID: CPU, labelSelector, ...range };
    const [metrics, profile] = await Promise.all([
      dataSource('SelectSeries', { ...select, step: 15, groupBy: ['pod'], limit: 10 }),
      dataSource('SelectMergeStacktraces', { ...select, maxNodes: 8192 }),
    ]);
    const series = (metrics['series'] as { labels: Json[]; points: { value: number; timestamp: string }[] }[]).map(
      ({ labels, points }) => ({
        labels: labels.map(({ name, value }) => [name, value]),
        points: points.map(({ value, timestamp }) => ({ value, timestamp: Number(timestamp) })),
      }),
    );
    const asked = { ...oracleRange, profileTypeId: CPU, selector: API };
    expect(series).toEqual(oracle.selectSeries(TENANT, { ...asked, stepSeconds: 15, groupBy: ['pod'], limit: 10 }));
    expect(graphIn(profile)).toEqual(wanted(API));
  });

  test('of the Phlare time asks without a range, and means all that is kept', async () => {
    expect((await dataSource('LabelNames', {}))['names']).toEqual(oracle.labelNames(TENANT, oracleRange));
    expect((await dataSource('LabelValues', { name: 'service_name' }))['names']).toEqual(
      oracle.labelValues(TENANT, oracleRange, 'service_name'),
    );
    expect((await dataSource('Series', { matchers: [API] }))['labelsSet']).toHaveLength(
      oracle.series(TENANT, oracleRange, { matchers: [API] }).length,
    );
  });
});

describe.skipIf(!built)('the old built-in page', { timeout: 60_000 }, () => {
  test('learns from an empty tenant header whether tenants are kept apart', async () => {
    const path = 'querier.v1.QuerierService/LabelNames';
    expect((await drilldown(path, range, kiln.url, { 'x-scope-orgid': '' })).status).toBe(200);
    expect((await drilldown(path, range, tenants.url, { 'x-scope-orgid': '' })).status).toBe(401);
  });

  test('lists series, draws them and a flame graph', async () => {
    const service = 'querier.v1.QuerierService';
    const labelNames = ['service_name', '__profile_type__'];
    const { body } = await drilldown(`${service}/Series`, { ...range, matchers: ['{}'], labelNames });
    const sets = (body['labelsSet'] as { labels: Json[] }[]).map(({ labels }) =>
      labels.map(({ name, value }) => [name, value]),
    );
    const text = (set: unknown): string => JSON.stringify(set);
    expect(new Set(sets.map(text))).toEqual(new Set(oracle.series(TENANT, oracleRange, { labelNames }).map(text)));
    const select = { profileTypeID: CPU, labelSelector: API, ...range };
    const points = await drilldown(`${service}/SelectSeries`, { ...select, step: 60 });
    const [one] = points.body['series'] as { points: { value: number; timestamp: string }[] }[];
    const asked = { ...oracleRange, profileTypeId: CPU, selector: API };
    expect(one!.points.map(({ value, timestamp }) => ({ value, timestamp: Number(timestamp) }))).toEqual(
      oracle.selectSeries(TENANT, { ...asked, stepSeconds: 60, groupBy: [] })[0]!.points,
    );
    expect(graphIn((await drilldown(`${service}/SelectMergeStacktraces`, select)).body)).toEqual(wanted(API));
  });
});

describe.skipIf(!built)('Profiles Drilldown', { timeout: 60_000 }, () => {
  const service = 'querier.v1.QuerierService';
  const times = { from: String(range.start), until: String(range.end) };

  test('lists services, with UTF-8 names where it says so', async () => {
    const labelNames = ['service_name', '__profile_type__'];
    const { body } = await drilldown(`${service}/Series`, { ...range, labelNames, matchers: [] });
    expect(body['labelsSet']).toHaveLength(oracle.series(TENANT, oracleRange, { labelNames }).length);
    const accept = { accept: 'application/json; allow-utf8-labelnames=true' };
    const names = async (headers: Record<string, string>): Promise<unknown> =>
      (await drilldown(`${service}/LabelNames`, { ...range, matchers: [API] }, kiln.url, headers)).body['names'];
    expect(await names(accept)).toEqual(oracle.labelNames(TENANT, oracleRange, { matchers: [API], utf8: true }));
    expect(await names({})).toEqual(oracle.labelNames(TENANT, oracleRange, { matchers: [API] }));
  });

  test('draws a flame graph with its timeline by GET', async () => {
    const query = `${CPU}${API}`;
    const answer = await get('/pyroscope/render', { query, ...times, format: 'json', 'max-nodes': '8192' });
    const { flamebearer, metadata, timeline } = JSON.parse(answer.body.toString()) as {
      flamebearer: { names: string[]; levels: number[][]; numTicks: number };
      metadata: Json;
      timeline: { startTime: number; samples: number[]; durationDelta: number };
    };
    const want = graphOf(API);
    expect([flamebearer.names, flamebearer.levels.map((level) => level.map(BigInt))]).toEqual([
      want.names,
      want.levels,
    ]);
    expect(metadata).toMatchObject({ format: 'single', units: 'samples', sampleRate: 1e9, name: 'cpu' });
    expect(timeline.samples.reduce((sum, value) => sum + value, 0)).toBe(flamebearer.numTicks);
    expect(timeline).toMatchObject({ durationDelta: 15, startTime: Math.floor(range.start / 15_000) * 15 });
    const dot = await get('/pyroscope/render', { query, ...times, format: 'dot' });
    expect(dot.headers['content-type']).toMatch(/^text\/plain/);
    expect(dot.body.toString()).toMatch(/^digraph [^]*parse/);
    const groups = await get('/pyroscope/render', { query, ...times, groupBy: 'pod' });
    expect(Object.keys((JSON.parse(groups.body.toString()) as { groups: Json }).groups)).toEqual(['pod-1', 'pod-0']);
  });

  test('compares by GET', async () => {
    const sides = {
      leftQuery: `${CPU}${API}`,
      leftFrom: times.from,
      leftUntil: times.until,
      rightQuery: `${CPU}{service_name="web"}`,
      rightFrom: times.from,
      rightUntil: times.until,
    };
    const answer = await get('/pyroscope/render-diff', { ...sides, 'max-nodes': '8192' });
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      metadata: { format: 'double' },
      timeline: null,
      leftTicks: Number(graphOf(API).total),
      rightTicks: Number(graphOf('{service_name="web"}').total),
    });
    expect((await get('/pyroscope/render-diff', { ...sides, rightQuery: `${SAMPLES}{}` })).status).toBe(400);
    for (const name of Object.keys(sides)) {
      const { [name as keyof typeof sides]: _left, ...rest } = sides;
      const missing = name.endsWith('Query') ? rest : { ...sides, [name]: '0' };
      expect((await get('/pyroscope/render-diff', missing)).status, name).toBe(400);
    }
  });

  test('looks into a function: a binary pprof, and JSON of mixed spelling with a call site', async () => {
    const { profile } = await dataSource('SelectMergeProfile', { profileTypeID: CPU, labelSelector: API, ...range });
    const asked = { ...oracleRange, profileTypeId: CPU, selector: API };
    expect(stacksOfAnswer(profile as Uint8Array).stacks).toEqual(oracle.pprof(TENANT, asked));
    const mixed = { profile_typeID: CPU, label_selector: API, start: range.start, end: range.end };
    const stackTraceSelector = { callSite: [{ name: 'main' }, { name: 'serve' }] };
    const { status, body } = await drilldown(`${service}/SelectMergeProfile`, { ...mixed, stackTraceSelector });
    expect([status, body['stringTable']]).toEqual([200, expect.not.arrayContaining(['idle-api'])]);
  });

  test('asks for formats of a later version, and is given the flame graph', async () => {
    for (const format of ['PROFILE_FORMAT_FUNCTIONS', 'PROFILE_FORMAT_SANDWICH']) {
      const select = { profileTypeID: CPU, labelSelector: API, ...range, format, maxNodes: 16_384, later: {} };
      const { status, body } = await drilldown(`${service}/SelectMergeStacktraces`, select);
      expect([status, graphIn(body)]).toEqual([200, wanted(API)]);
    }
  });

  test('learns that there is data, and what a query would read', async () => {
    const stats = await drilldown(`${service}/GetProfileStats`, {});
    const stamps = oracle.stored(TENANT).map(({ timeMs }) => timeMs);
    expect(stats).toEqual({
      status: 200,
      body: {
        dataIngested: true,
        oldestProfileTime: String(Math.min(...stamps)),
        newestProfileTime: String(Math.max(...stamps)),
      },
    });
    const cost = await drilldown(`${service}/AnalyzeQuery`, { ...range, query: `${CPU}${API}` });
    expect([cost.status, Object.keys(cost.body).toSorted()]).toEqual([200, ['queryImpact', 'queryScopes']]);
  });

  test('keeps settings and ad hoc profiles, and finds no GitHub and no recording rules', async () => {
    const set = { setting: { name: 'pluginSettings', value: '{}' } };
    expect((await drilldown('settings.v1.SettingsService/Set', set)).status).toBe(200);
    expect((await drilldown('settings.v1.SettingsService/Get', {})).body['settings']).toHaveLength(1);
    const profile = Buffer.from(profiles()[0]!.bytes).toString('base64');
    const upload = await drilldown('adhocprofiles.v1.AdHocProfileService/Upload', { name: 'cpu.pprof', profile });
    expect(upload).toMatchObject({ status: 200, body: { profileTypes: ['samples', 'cpu'] } });
    const { id } = upload.body;
    const again = await drilldown('adhocprofiles.v1.AdHocProfileService/Get', { id, profileType: 'cpu' });
    expect(JSON.parse(again.body['flamebearerProfile'] as string)).toMatchObject({ flamebearer: { numTicks: 3005 } });
    expect((await drilldown('vcs.v1.VCSService/GithubApp', {})).status).toBe(501);
    expect((await drilldown('settings.v1.RecordingRulesService/ListRecordingRules', {})).status).toBe(404);
    expect((await drilldown('capabilities.v1.FeatureFlagsService/GetFeatureFlags', {})).status).toBe(200);
  });
});

describe.skipIf(!built)("profilecli's canary", { timeout: 60_000 }, () => {
  const selector = '{service_name="pyroscope-canary-exporter", job="canary-exporter"}';
  const select = { profileTypeID: CANARY, labelSelector: selector, start: now, end: now + 5_000 };
  const times = { from: String(now), until: String(now + 5_000) };
  const query = `${CANARY}${selector}`;

  test('reads its samples back, exactly', async () => {
    const { profile } = await dataSource('SelectMergeProfile', select);
    const { stacks } = stacksOfAnswer(profile as Uint8Array);
    expect(stacks.map(({ frames: names, value }) => [names.length, value])).toEqual([
      [1, 20n],
      [2, 10n],
    ]);
  });

  test('is listed by type, series, label names and values', async () => {
    const span = { start: now, end: now + 5_000 };
    expect((await dataSource('ProfileTypes', span))['profileTypes']).toMatchObject([{ ID: CANARY }]);
    const labelNames = ['service_name', '__profile_type__'];
    expect((await dataSource('Series', { ...span, labelNames }))['labelsSet']).toEqual([
      {
        labels: [
          { name: '__profile_type__', value: CANARY },
          { name: 'service_name', value: 'pyroscope-canary-exporter' },
        ],
      },
    ]);
    expect((await dataSource('LabelNames', span))['names']).toEqual(
      expect.arrayContaining(
        '__name__ __period_type__ __period_unit__ __profile_type__ __service_name__ __type__ __unit__ service_name'.split(
          ' ',
        ),
      ),
    );
    const values = { name: 'service_name', matchers: [`{__profile_type__="${CANARY}"}`], ...span };
    expect((await dataSource('LabelValues', values))['names']).toEqual(['pyroscope-canary-exporter']);
  });

  test('finds one series of one point, and a graph of three names on three levels', async () => {
    const series = await dataSource('SelectSeries', { ...select, step: 1000, groupBy: ['service_name'] });
    expect(series['series']).toEqual([
      {
        labels: [{ name: 'service_name', value: 'pyroscope-canary-exporter' }],
        points: [{ value: 30, timestamp: String(now) }],
      },
    ]);
    const graph = (await dataSource('SelectMergeStacktraces', select))['flamegraph'] as { names: []; levels: [] };
    expect([graph.names.length, graph.levels.length]).toEqual([3, 3]);
  });

  test('finds its span alone: two names on two levels', async () => {
    const { status, body } = await drilldown('querier.v1.QuerierService/SelectMergeSpanProfile', {
      ...select,
      spanSelector: [CANARY_SPAN],
    });
    const graph = body['flamegraph'] as { names: string[]; levels: unknown[]; total: string };
    expect([status, graph.names, graph.levels.length, graph.total]).toEqual([200, ['total', 'func1'], 2, '20']);
  });

  test('is known to the stats, and its exemplar selects its profile', async () => {
    const stats = await drilldown('querier.v1.QuerierService/GetProfileStats', {});
    expect(stats).toMatchObject({ status: 200, body: { dataIngested: true } });
    const asked = { ...select, step: 5, exemplarType: 'EXEMPLAR_TYPE_INDIVIDUAL' };
    const { body } = await drilldown('querier.v1.QuerierService/SelectSeries', asked);
    const [one, ...more] = body['series'] as { points: { exemplars: { profileId: string; value: string }[] }[] }[];
    expect([more, one!.points.length, one!.points[0]!.exemplars]).toMatchObject([[], 1, [{ value: '30' }]]);
    const profileIdSelector = [one!.points[0]!.exemplars[0]!.profileId];
    const graph = await drilldown('querier.v1.QuerierService/SelectMergeStacktraces', { ...select, profileIdSelector });
    const { names, levels } = graph.body['flamegraph'] as { names: []; levels: [] };
    expect([names.length, levels.length]).toEqual([3, 3]);
  });

  test('renders, and renders a difference, with three names on three levels', async () => {
    const rendered = await get('/pyroscope/render', { query, ...times });
    const diff = await get('/pyroscope/render-diff', {
      leftQuery: query,
      leftFrom: times.from,
      leftUntil: times.until,
      rightQuery: query,
      rightFrom: times.from,
      rightUntil: times.until,
    });
    for (const { status, body } of [rendered, diff]) {
      const { flamebearer } = JSON.parse(body.toString()) as { flamebearer: { names: []; levels: [] } };
      expect([status, flamebearer.names.length, flamebearer.levels.length]).toEqual([200, 3, 3]);
    }
  });
});

const captured = profilecliCaptures();

describe.skipIf(!built || captured.length === 0)('profilecli, as it was captured', { timeout: 60_000 }, () => {
  test.each(captured)('$file is answered in its own protocol', async (capture) => {
    const { method = 'POST', path = '', query = '' } = capture;
    const headers = captureHeaders(capture);
    const answer = await rawCall(kiln.url, {
      transport: 'http1',
      method,
      path: query === '' ? path : `${path}?${query}`,
      headers,
      body: method === 'GET' ? '' : captureBody(capture),
    });
    const type = headers['content-type'];
    // No recording rules are kept, as where Pyroscope keeps none.
    expect(answer.status, answer.body.toString()).toBe(path.includes('RecordingRules') ? 404 : 200);
    if (answer.status !== 200) return;
    if (type !== undefined) expect(answer.headers['content-type']).toBe(type);
    if (type === 'application/grpc') expect(answer.trailers['grpc-status']).toBe('0');
    if (type === 'application/grpc-web+proto') expect(answer.body.toString('latin1')).toContain('grpc-status: 0');
  });
});

describe.skipIf(!built)('tables and files of Kiln’s own routes', { timeout: 60_000 }, () => {
  const times = { from: String(range.start), until: String(range.end) };

  test('a table counts recursion once, and is of all samples whatever the graph keeps', async () => {
    const answer = await get('/api/v1/flamegraph', { query: `${CPU}${API}`, ...times, maxNodes: '1', limit: '0' });
    const { total, functions, flamegraph } = JSON.parse(answer.body.toString()) as {
      total: number;
      functions: { name: string; flat: { value: number; ofWhole: number }; cum: { value: number } }[];
      flamegraph: { names: string[] };
    };
    const stacks = oracle.pprof(TENANT, { ...oracleRange, profileTypeId: CPU, selector: API });
    const sum = (wantedStacks: typeof stacks): number =>
      wantedStacks.reduce((all, { value }) => all + Number(value), 0);
    const isIn = (frame: string, name: string): boolean => frame.includes(name);
    expect(total).toBe(sum(stacks));
    const parse = functions.find(({ name }) => name === 'parse')!;
    expect(parse.cum.value).toBe(sum(stacks.filter(({ frames: all }) => all.some((frame) => isIn(frame, 'parse')))));
    expect(parse.flat.value).toBe(sum(stacks.filter(({ frames: all }) => isIn(all[0]!, 'parse'))));
    expect(functions.map(({ name }) => name).toSorted()).toEqual(['idle-api', 'main', 'parse', 'serve']);
    expect(flamegraph.names).toContain('other');
    const view = await get('/api/v1/top', { query: `${CPU}${API}`, ...times, function: 'idle-api' });
    expect(JSON.parse(view.body.toString())).toMatchObject({
      total,
      view: { function: 'idle-api', total: 50 },
      functionCount: 2,
    });
  });

  test('memory in use is an average by default: per series the mean, then the sum over series', async () => {
    const answer = await get('/api/v1/top', { query: `${INUSE}{}`, ...times });
    const rows = oracle.stored(TENANT).filter(({ typeId }) => typeId === INUSE);
    const bySeries = Map.groupBy(rows, ({ labels }) => JSON.stringify(labels));
    const means = [...bySeries.values()].map(
      (own) => own.reduce((sum, { total }) => sum + Number(total), 0) / own.length,
    );
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      aggregation: 'average',
      total: means.reduce((sum, mean) => sum + mean, 0),
    });
    const sum = await get('/api/v1/top', { query: `${INUSE}{}`, ...times, aggregation: 'sum' });
    expect(JSON.parse(sum.body.toString())).toMatchObject({ total: Number(graphOf('{}', INUSE).total) });
  });

  test('a pprof is the same by GET as by RPC; a name alone answers all its types', async () => {
    const one = await get('/pprof', { query: `${CPU}${API}`, ...times });
    expect(one.headers['content-disposition']).toContain('.pb.gz');
    const { stacks } = stacksOfAnswer(gunzipSync(one.body));
    expect(stacks).toEqual(oracle.pprof(TENANT, { ...oracleRange, profileTypeId: CPU, selector: API }));
    const all = await get('/pprof', { query: `process_cpu${API}`, ...times });
    const both = stacksOfAnswer(gunzipSync(all.body));
    expect([both.sampleType, both.stacks]).toEqual([['cpu/nanoseconds', 'samples/count'], stacks]);
    expect((await get('/pprof', { query: 'nothing{}', ...times })).status).toBe(404);
  });
});

describe.skipIf(!built || !hasTool('go'))('Go’s own tools', { timeout: 120_000 }, () => {
  const run = (args: string[], cwd: string): string => {
    const done = spawnSync('go', args, {
      cwd,
      encoding: 'utf8',
      env: { ...process.env, PPROF_TMPDIR: cwd, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local' },
    });
    expect([done.status, done.stderr], args.join(' ')).toMatchObject([0, expect.anything()]);
    return done.stdout;
  };
  /** flat, cum and name of each row. */
  const rows = (text: string): string[][] =>
    text
      .split('\n')
      .slice(text.split('\n').findIndex((line) => line.includes('flat%')) + 1)
      .filter((line) => line.trim() !== '')
      .map((line) => line.trim().split(/\s+/))
      .map(([flat, , , cum, , ...name]) => [flat!, cum!, name.join(' ')]);

  test('print the same rows of the address as of the file that was pushed', async () => {
    const service = '{service_name="one-file"}';
    const bytes = buildPprof({
      types: [['cpu', 'nanoseconds']],
      periodType: ['cpu', 'nanoseconds'],
      period: 10_000_000n,
      timeNanos: BigInt(now) * 1_000_000n + 99n,
      samples: [
        { frames: frames('main.main;main.run;main.run'), values: [30_000_000n] },
        { frames: frames('main.main;main.other'), values: [70_000_000n] },
      ],
    });
    const file = join(dir, 'pushed.pprof');
    writeFileSync(file, bytes);
    const labels: [string, string][] = [
      ['__name__', 'process_cpu'],
      ['service_name', 'one-file'],
    ];
    expect((await connectPush(kiln.url, [{ labels, samples: [{ profile: bytes }] }])).status).toBe(200);
    const parameters = new URLSearchParams({
      query: `${CPU}${service}`,
      from: String(range.start),
      until: String(range.end),
    });
    const asked = rows(run(['tool', 'pprof', '-top', `${kiln.url}/pprof?${parameters.toString()}`], dir));
    expect(asked).toEqual(rows(run(['tool', 'pprof', '-top', file], dir)));
    expect(asked).toHaveLength(3);
  });

  test('build with it', async () => {
    const { body } = await get('/pprof', {
      query: `process_cpu${API}`,
      from: String(range.start),
      until: String(range.end),
    });
    writeFileSync(join(dir, 'default.pgo'), body);
    writeFileSync(join(dir, 'go.mod'), 'module example.org/pgo\n\ngo 1.21\n');
    writeFileSync(join(dir, 'main.go'), 'package main\n\nfunc main() { println(1) }\n');
    run(['build', '-pgo=default.pgo', '-o', 'program', '.'], dir);
  });
});

describe.skipIf(!built)('statuses of reads by GET', { timeout: 60_000 }, () => {
  const render = '/pyroscope/render';
  const query = `${CPU}${API}`;
  const times = { from: String(range.start), until: String(range.end) };

  test.each([
    [200, { query, ...times }],
    [200, { query }],
    [200, { query, ...times, aggregation: 'whatever', maxNodes: 'many', format: 'json' }],
    [200, { query: `{__name__="${CPU}"}`, from: 'now-1h', until: 'nonsense' }],
    [400, { query, ...times, from: '0' }],
    [400, { query, ...times, until: '0' }],
    [400, { query, from: times.until, until: times.from }],
    [400, { ...times }],
    [400, { query: '', ...times }],
    [400, { query: '{service_name="api"}', ...times }],
    [400, { query: 'process_cpu:cpu{}', ...times }],
    [400, { query: `${CPU}{a=`, ...times }],
    [400, { query, ...times, maxNodes: '-1' }],
    [400, { query, ...times, maxNodes: '1000000000' }],
  ])('/pyroscope/render is %d for %j', async (status, parameters) => {
    const answer = await get(render, parameters as Record<string, string>);
    expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/json']);
    if (status === 400) expect(JSON.parse(answer.body.toString())).toMatchObject({ code: 'invalid_argument' });
  });

  test.each(['/pyroscope/render', '/pyroscope/render-diff', '/pyroscope/label-values', '/api/v1/top', '/pprof'])(
    '%s takes GET and HEAD alone, and a tenant where they are kept apart',
    async (path) => {
      for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
        const { status, headers } = await rawCall(kiln.url, { transport: 'http1', method, path });
        expect([status, headers['allow']], method).toEqual([405, 'GET, HEAD']);
      }
      const asked = (headers: Record<string, string>): Promise<RawAnswer> =>
        rawCall(tenants.url, { transport: 'http1', method: 'GET', path, headers });
      expect((await asked({})).status).toBe(401);
      expect((await asked({ 'x-scope-orgid': 'a||b' })).status).toBe(400);
    },
  );
});

describe.skipIf(!built)('the forms of answers', { timeout: 60_000 }, () => {
  test('a tree is that of the oracle', async () => {
    const select = { profileTypeID: CPU, labelSelector: API, ...range };
    const { tree } = await dataSource('SelectMergeStacktraces', { ...select, format: 2 });
    const asked = { ...oracleRange, profileTypeId: CPU, selector: API };
    expect(decodeTree(tree as Uint8Array)).toEqual(oracle.tree(TENANT, asked).roots);
  });
});
