import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ManualClock } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import { buildPprof } from '../../../test/support/profile-builder.ts';
import { QueryCalls } from './query-calls.ts';
import { QueryFrontend } from './query-frontend.ts';
import { edge } from './test-support/edge.ts';
import { limits } from './test-support/harness.ts';
import { NOW, toolPorts } from './test-support/tool-ports.ts';

type Json = Record<string, unknown>;

async function server({ admit = () => undefined }: { admit?: (tenant: TenantId) => void } = {}) {
  const queries = { query: () => Promise.reject(new Error('no query is asked')) };
  const readLimits = { ...limits, maxFlamegraphNodesMax: 10_000 };
  const ports = { ...toolPorts(), admit };
  const frontend = new QueryFrontend(queries, () => readLimits, new ManualClock(NOW));
  const { url } = await edge({ ...ports, answerer: new QueryCalls(frontend) });
  return {
    ...ports,
    url,
    call: async (path: string, body: Json = {}, tenant = 'acme'): Promise<[number, Json]> => {
      const response = await fetch(`${url}/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-scope-orgid': tenant },
        body: JSON.stringify(body),
      });
      return [response.status, JSON.parse(await response.text()) as Json];
    },
  };
}

const SETTINGS = 'settings.v1.SettingsService';
const ADHOC = 'adhocprofiles.v1.AdHocProfileService';

describe('settings', () => {
  test('are kept by tenant and name, newest last writer, sorted', async () => {
    const { call } = await server();
    expect(await call(`${SETTINGS}/Get`)).toEqual([200, {}]);
    const set = { setting: { name: 'pluginSettings', value: '{"a":1}', modifiedAt: '5' } };
    expect(await call(`${SETTINGS}/Set`, set)).toEqual([200, set]);
    expect(await call(`${SETTINGS}/Set`, { setting: { name: 'a', value: 'é' } })).toEqual([
      200,
      { setting: { name: 'a', value: 'é', modifiedAt: String(NOW) } },
    ]);
    const stored = [{ name: 'a', value: 'é', modifiedAt: String(NOW) }, set.setting];
    expect(await call(`${SETTINGS}/Get`)).toEqual([200, { settings: stored }]);
    expect(await call(`${SETTINGS}/Get`, {}, 'other')).toEqual([200, {}]);
    const older = { setting: { name: 'pluginSettings', value: 'x', modifiedAt: 4 } };
    expect(await call(`${SETTINGS}/Set`, older)).toMatchObject([409, { code: 'already_exists' }]);
    expect(await call(`${SETTINGS}/Delete`, { name: 'pluginSettings' })).toEqual([200, {}]);
    expect(await call(`${SETTINGS}/Delete`, { name: 'never set' })).toEqual([200, {}]);
    expect(await call(`${SETTINGS}/Get`)).toEqual([200, { settings: [stored[0]] }]);
  });

  test('of two writers at once are both kept', async () => {
    const { call } = await server();
    const names = ['a', 'b', 'c', 'd', 'e'];
    await Promise.all(names.map((name) => call(`${SETTINGS}/Set`, { setting: { name, value: name } })));
    const [, { settings }] = await call(`${SETTINGS}/Get`);
    expect((settings as { name: string }[]).map(({ name }) => name)).toEqual(names);
  });

  test.each([
    ['Set', {}, 'acme', 400, /setting is missing/],
    ['Delete', {}, 'acme', 400, /name is missing/],
    ['Set', { setting: { name: 'a', modifiedAt: '9000000000000000000' } }, 'acme', 400, /Unix milliseconds/],
    ['Set', { setting: { name: 'a', value: 'v'.repeat(1_100_000) } }, 'acme', 429, /allowed are 1000 of/],
    ['Get', {}, 'acme|other', 400, /multiple org ids/],
    ['Get', {}, '', 401, /no org id/],
    ['Wrong', {}, 'acme', 404, /no method/],
  ])('%s %j of %j is %d', async (method, body, tenant, status, why) => {
    const { call } = await server();
    expect(await call(`${SETTINGS}/${method}`, body as Json, tenant)).toMatchObject([
      status,
      { message: expect.stringMatching(why) as string },
    ]);
  });
});

describe('ad hoc profiles', () => {
  const pprof = buildPprof({
    types: [
      ['samples', 'count'],
      ['cpu', 'nanoseconds'],
    ],
    samples: [
      { frames: [{ name: 'leaf' }, { name: 'main' }], values: [1n, 10n] },
      { frames: [{ name: 'main' }], values: [2n, 5n] },
    ],
  });
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

  test('are shown when uploaded, kept, listed newest first, and shown again by type', async () => {
    const { call } = await server();
    const [status, uploaded] = await call(`${ADHOC}/Upload`, {
      name: 'my cpu.pb.gz',
      profile: base64(gzipSync(pprof)),
    });
    expect([status, uploaded]).toMatchObject([
      200,
      { name: 'my_cpu.pb.gz', uploadedAt: String(NOW), profileType: 'samples', profileTypes: ['samples', 'cpu'] },
    ]);
    expect(JSON.parse(uploaded['flamebearerProfile'] as string)).toMatchObject({
      version: 1,
      flamebearer: {
        names: ['total', 'main', 'leaf'],
        levels: [
          [0, 3, 0, 0],
          [0, 3, 2, 1],
          [2, 1, 1, 2],
        ],
      },
      metadata: { format: 'single', units: 'objects', name: 'samples' },
      timeline: null,
    });
    const [, second] = await call(`${ADHOC}/Upload`, { name: 'b', profile: base64(pprof) });
    const metadata = [second, uploaded].map(({ id, name, uploadedAt }) => ({ id, name, uploadedAt }));
    const [, listed] = await call(`${ADHOC}/List`);
    expect((listed['profiles'] as Json[]).toSorted(byId)).toEqual(metadata.toSorted(byId));
    expect(await call(`${ADHOC}/List`, {}, 'other')).toEqual([200, {}]);
    const [, again] = await call(`${ADHOC}/Get`, { id: uploaded['id'], profileType: 'cpu' });
    expect(again).toMatchObject({ id: uploaded['id'], profileType: 'cpu' });
    expect(JSON.parse(again['flamebearerProfile'] as string)).toMatchObject({ flamebearer: { numTicks: 15 } });
    expect(await call(`${ADHOC}/Get`, { id: uploaded['id'] }, 'other')).toMatchObject([404, { code: 'not_found' }]);
  });

  test.each([
    [{ name: 'a.json', profile: base64(pprof) }, /looks like flamebearer JSON/],
    [{ name: 'a', profile: base64(Buffer.from('{"version":1}')) }, /looks like flamebearer JSON/],
    [{ name: 'a.txt', profile: base64(Buffer.from('main;leaf 12\n')) }, /looks like collapsed text/],
    [{ name: 'a.perf_script', profile: base64(pprof) }, /looks like perf script/],
    [{ name: 'a', profile: base64(gzipSync(Buffer.alloc(1001, 8))) }, /max_profile_size_bytes/],
    [{ name: 'a', profile: base64(Buffer.from([0x1f, 0x8b, 0, 0])) }, /is no pprof/],
    [{ name: 'a', profile: base64(Buffer.from([0, 1, 2, 3])) }, /is no pprof/],
    [{ name: 'a', profile: 'no base64!' }, /not base64/],
    [{ name: 'a', profile: base64(pprof), maxNodes: 20_000 }, /max_flamegraph_nodes_max/],
  ])('refuse %j with a sentence, and keep nothing', async (body, why) => {
    const { call } = await server();
    expect(await call(`${ADHOC}/Upload`, body)).toMatchObject([
      400,
      { code: 'invalid_argument', message: expect.stringMatching(why) as string },
    ]);
    expect(await call(`${ADHOC}/List`)).toEqual([200, {}]);
  });

  test('are answered 400 for an id that is none, and for a type that the file does not have', async () => {
    const { call } = await server();
    const [, { id }] = await call(`${ADHOC}/Upload`, { name: 'b', profile: base64(pprof) });
    expect(await call(`${ADHOC}/Get`, { id: '../../log/trim' })).toMatchObject([400, { code: 'invalid_argument' }]);
    expect(await call(`${ADHOC}/Get`, { id, profileType: 'heap' })).toMatchObject([
      400,
      { message: 'b does not have the profile type "heap": there is samples, cpu' },
    ]);
  });

  test('are compared side by side, by a type that both have', async () => {
    const { call } = await server();
    const one = { types: [['cpu', 'nanoseconds']] as const, samples: [{ frames: [{ name: 'main' }], values: [7n] }] };
    const [, left] = await call(`${ADHOC}/Upload`, { name: 'left', profile: base64(pprof) });
    const [, right] = await call(`${ADHOC}/Upload`, { name: 'right', profile: base64(buildPprof(one)) });
    const [, diff] = await call(`${ADHOC}/Diff`, { leftId: left['id'], rightId: right['id'] });
    expect(diff['profileTypes']).toEqual(['cpu']);
    expect(JSON.parse(diff['flamebearerProfile'] as string)).toMatchObject({
      flamebearer: {
        levels: [
          [0, 15, 0, 0, 7, 0, 0],
          [0, 15, 5, 0, 7, 7, 1],
          [5, 10, 10, 7, 0, 0, 2],
        ],
        numTicks: 22,
      },
      metadata: { format: 'double' },
      leftTicks: 15,
      rightTicks: 7,
    });
    const wrong = { leftId: left['id'], rightId: right['id'], profileType: 'samples' };
    expect(await call(`${ADHOC}/Diff`, wrong)).toMatchObject([
      400,
      { message: 'left and right do not both have the profile type "samples": there is cpu' },
    ]);
  });

  test('of a tenant are bounded: the oldest goes', async () => {
    const { call, catalog } = await server();
    const clock = catalog.clock as ManualClock;
    const [, first] = await call(`${ADHOC}/Upload`, { name: 'first', profile: base64(pprof) });
    for (let i = 0; i < 200; i++) {
      await clock.advance(1);
      await call(`${ADHOC}/Upload`, { name: `${i}`, profile: base64(pprof) });
    }
    const [, { profiles }] = await call(`${ADHOC}/List`);
    expect((profiles as Json[]).map(({ name }) => name)).toEqual(Array.from({ length: 200 }, (_, i) => `${199 - i}`));
    expect(await call(`${ADHOC}/Get`, { id: first['id'] })).toMatchObject([404, {}]);
  });

  test('where the disk has no room, nothing more is kept, and what there is can be read', async () => {
    let isFull = false;
    const { call } = await server({
      admit: (tenant) => {
        if (isFull) throw new KilnError('unavailable', `no room for ${tenant}`);
      },
    });
    const profile = base64(pprof);
    const [, kept] = await call(`${ADHOC}/Upload`, { name: 'kept', profile });
    await call(`${SETTINGS}/Set`, { setting: { name: 'kept', value: '1' } });
    isFull = true;
    const refused = { code: 'unavailable', message: 'no room for acme' };
    expect(await call(`${ADHOC}/Upload`, { name: 'more', profile })).toMatchObject([503, refused]);
    expect(await call(`${SETTINGS}/Set`, { setting: { name: 'more', value: '2' } })).toMatchObject([503, refused]);
    expect(await call(`${SETTINGS}/Get`)).toMatchObject([200, { settings: [{ name: 'kept', value: '1' }] }]);
    expect(await call(`${ADHOC}/Get`, { id: kept['id'] })).toMatchObject([200, { name: 'kept' }]);
  });
});

function byId(a: Json, b: Json): number {
  return String(a['id']) < String(b['id']) ? -1 : 1;
}

test('the small services answer what tools look for', async () => {
  const { call, url, tenantOf } = await server();
  expect(tenantOf('a')).toBe('a' as TenantId);
  expect(await call('version.v1.Version/Version', {}, '')).toEqual([200, { QuerierAPI: '1' }]);
  const [status, { featureFlags }] = await call('capabilities.v1.FeatureFlagsService/GetFeatureFlags');
  expect([status, (featureFlags as Json[]).map(({ name, enabled }) => [name, enabled ?? false])]).toEqual([
    200,
    [
      ['pyroscopeRuler', false],
      ['pyroscopeRulerFunctions', false],
      ['utf8LabelNames', true],
      ['v2StorageLayer', true],
    ],
  ]);
  expect(await call('vcs.v1.VCSService/GithubApp')).toMatchObject([501, { code: 'unimplemented' }]);
  expect(await call('settings.v1.RecordingRulesService/ListRecordingRules')).toMatchObject([404, {}]);
  const ofTenant = await fetch(`${url}/api/v1/tenant_limits`, { headers: { 'x-scope-orgid': 'acme' } });
  expect(await ofTenant.json()).toEqual({
    ingestion_rate: 4 * 1024 * 1024,
    ingestion_burst_size: 0,
    max_global_series_per_user: 500,
  });
});
