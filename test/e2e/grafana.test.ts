import { describe, expect, test } from 'vitest';
import { decodeTree, stacksOfAnswer } from '../oracle/index.ts';
import {
  built,
  profiles,
  CPU,
  SAMPLES,
  TENANT,
  range,
  oracleRange,
  API,
  oracle,
  get,
  graphOf,
  wanted,
  kiln,
  tenants,
  type Json,
  dataSource,
  drilldown,
  graphIn,
  serveReads,
} from './read-suite.ts';

/*
 * The calls of Grafana's data source, the old built-in page and Profiles Drilldown (contract/clients.md §2.3, §2.7, §2.8), in their protocols and in their
 * order: only the address is changed. Contents against the oracle.
 */

serveReads();

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

describe.skipIf(!built)('the forms of answers', { timeout: 60_000 }, () => {
  test('a tree is that of the oracle', async () => {
    const select = { profileTypeID: CPU, labelSelector: API, ...range };
    const { tree } = await dataSource('SelectMergeStacktraces', { ...select, format: 2 });
    const asked = { ...oracleRange, profileTypeId: CPU, selector: API };
    expect(decodeTree(tree as Uint8Array)).toEqual(oracle.tree(TENANT, asked).roots);
  });
});
