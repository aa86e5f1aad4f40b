import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { pushRequest, tinyPprof } from '../../../../test/process/tiny-pprof.ts';
import { run, Running } from '../test-terminal.test-support.ts';

vi.setConfig({ hookTimeout: 60_000, testTimeout: 60_000 }); // a start takes its time on a machine that others use too

let folder: string;
let kiln: Running;
let url: string;
// The framework takes seconds to load on a busy machine: no part of any test's time.
beforeAll(() => import('./start.ts'), 60_000);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-limits-'));
  await writeFile(join(folder, 'limits.yaml'), 'overrides: {}');
  await start();
});
afterEach(async () => {
  await kiln.stop();
  await rm(folder, { recursive: true });
});

async function start(): Promise<void> {
  // Workers are built files; from source everything runs in this thread.
  const threads = ['ingester.workers', 'querier.threads', 'distributor.threads', 'compactor.threads'];
  kiln = new Running([
    'start',
    '--port=0',
    `--data-dir=${join(folder, 'data')}`,
    ...threads.map((name) => `--${name}=0`),
    '--auth.multitenancy-enabled=true',
    `--runtime-config.file=${join(folder, 'limits.yaml')}`,
    '--runtime-config.reload-period=20ms',
  ]);
  url = (await kiln.printed(/ready on (\S+)\n[^]*Ctrl-C/))[1]!;
}

/** Tenant `a` gets these limits while the process runs; returns when they hold. */
async function limit(limits: string): Promise<void> {
  const loads = (): number => kiln.err.split('overrides loaded').length;
  const before = loads();
  await writeFile(join(folder, 'limits.yaml'), `overrides:\n  a:\n${limits.replaceAll(/^/gm, '    ')}`);
  await expect.poll(loads, { timeout: 20_000 }).toBeGreaterThan(before);
}

let made = 0;
/** One profile of a service, sent by tenant `a` unless told. */
async function push(service: string, tenant = 'a'): Promise<Response> {
  const timeNanos = BigInt(Date.now()) * 1_000_000n + BigInt(++made % 1000);
  const profile = tinyPprof({ type: 'cpu', unit: 'ns', timeNanos, stacks: [{ frames: ['f'], value: 1n }] });
  return fetch(`${url}/push.v1.PusherService/Push`, {
    method: 'POST',
    headers: { 'content-type': 'application/proto', 'x-scope-orgid': tenant },
    body: pushRequest([{ labels: { __name__: 'process_cpu', service_name: service }, profiles: [profile] }]),
  });
}

async function ask(method: string, body: Record<string, unknown>, tenant = 'a'): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/querier.v1.QuerierService/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-scope-orgid': tenant },
    body: JSON.stringify({ start: Date.now() - 600_000, end: Date.now() + 600_000, ...body }),
  });
  return (await response.json()) as Record<string, unknown>;
}

const services = async (tenant = 'a'): Promise<unknown> =>
  ((await ask('LabelValues', { name: 'service_name' }, tenant))['names'] as string[] | undefined) ?? [];
const metric = async (line: string): Promise<string | undefined> =>
  (await (await fetch(`${url}/metrics`)).text())
    .split('\n')
    .find((one) => one.startsWith(line))
    ?.slice(line.length + 1);

describe('a limits file that changes while the process runs', () => {
  it('brings relabelling rules; what they drop is answered 200 and counted; a bad rule leaves the last good ones', async () => {
    expect((await push('shop')).status).toBe(200);
    await limit(`ingestion_relabeling_rules:
  - { action: drop, source_labels: [service_name], regex: noise }
  - { source_labels: [service_name], regex: 'team-(.*)', target_label: service_name }
`);
    for (const service of ['noise', 'team-till']) expect((await push(service)).status).toBe(200);
    expect((await push('team-till', 'b')).status).toBe(200);
    expect(await services()).toEqual(['shop', 'till']);
    expect(await services('b')).toEqual(['team-till']);
    expect(await metric('kiln_discarded_profiles_total{reason="dropped_by_relabel_rules"}')).toBe('1');
    await writeFile(join(folder, 'limits.yaml'), 'overrides: {a: {ingestion_relabeling_rules: [{regex: x}]}}');
    await expect
      .poll(() => kiln.err, { timeout: 20_000 })
      .toContain('rule 1, field target_label is missing: action replace needs it');
    expect((await push('noise')).status).toBe(200);
    expect(await services()).toEqual(['shop', 'till']);
  });

  it('brings a quota that is reached, with what is let through, and takes it away again', async () => {
    await limit(
      'ingestion_limit: { limit_reached: true, period_type: hour, period_limit_mb: 5, sampling: { num_requests: 1, period: 1h } }',
    );
    expect((await push('shop')).status).toBe(200);
    const refused = await push('shop');
    expect([refused.status, await refused.json()]).toEqual([
      429,
      { code: 'resource_exhausted', message: 'ingest limit of 5 MB per hour reached (ingestion_limit of the tenant)' },
    ]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(60);
    expect((await push('shop', 'b')).status).toBe(200);
    expect(await metric('kiln_discarded_profiles_total{reason="ingest_limit_reached"}')).toBe('1');
    await limit('ingestion_limit: { limit_reached: false }');
    expect((await push('shop')).status).toBe(200);
  });

  it('brings usage groups and the shares of them that are kept', async () => {
    await limit(`distributor_usage_groups: { shops: '{service_name=~"shop.*"}' }
distributor_sampling: { usage_groups: { shops: { probability: 0 } } }
`);
    for (const service of ['shop-1', 'shop-2', 'bank']) expect((await push(service)).status).toBe(200);
    expect(await services()).toEqual(['bank']);
    expect(await metric('kiln_discarded_profiles_total{reason="dropped_by_sampling_rules"}')).toBe('2');
    expect(
      Number(await metric('kiln_distributor_usage_group_received_bytes_total{tenant="a",usage_group="other"}')),
    ).toBeGreaterThan(0);
    const dropped =
      'kiln_distributor_usage_group_discarded_bytes_total{reason="dropped_by_sampling_rules",tenant="a",usage_group="shops"}';
    expect(Number(await metric(dropped))).toBeGreaterThan(0);
  });

  it('keeps the sums of what sampling leaves out, for series that are to count them; points say that something is missing', async () => {
    await limit(`distributor_usage_groups: { shops: '{service_name=~"shop.*"}' }
distributor_sampling: { usage_groups: { shops: { probability: 0 } } }
keep_stripped_profiles: true
`);
    for (const service of ['shop-1', 'shop-2', 'bank']) expect((await push(service)).status).toBe(200);
    expect(await services()).toEqual(['bank']);
    const select = { profileTypeID: 'process_cpu:cpu:ns::', labelSelector: '{}' };
    const flame = (await ask('SelectMergeStacktraces', select)) as { flamegraph?: { total?: string } };
    expect(flame.flamegraph?.total).toBe('1');
    const series = async (): Promise<unknown> => {
      const asked = { ...select, step: 3600, groupBy: ['service_name'], start: Date.now() - 1_000 };
      const answer = await ask('SelectSeries', { ...asked, end: Date.now() + 3_600_000 });
      return (answer['series'] as { labels: { value: string }[]; points: Record<string, unknown>[] }[]).map((one) => [
        one.labels[0]!.value,
        one.points.reduce((sum, { value }) => sum + Number(value), 0),
        one.points.flatMap(({ annotations = [] }) => annotations),
      ]);
    };
    expect(await series()).toEqual([['bank', 1, []]]);
    await limit('include_stripped_profiles: true');
    const value = '{"body":{"usageGroup":"shops","probability":0}}';
    const missing = [{ key: 'pyroscope.ingest.sampled', value }];
    const all = [
      ['bank', 1, []],
      ['shop-1', 1, missing],
      ['shop-2', 1, missing],
    ];
    expect(await series()).toEqual(all);
    // Also of what a stop leaves.
    await kiln.stop();
    await start();
    expect(await series()).toEqual(all);
    expect(await services()).toEqual(['bank']);
  });

  it('takes the counts of series out of an analysis, or all of it', async () => {
    expect((await push('shop')).status).toBe(200);
    const analysis = (): Promise<unknown> => ask('AnalyzeQuery', { query: '{}' });
    const impact = { queryImpact: { totalQueriedSeries: '1' } };
    await expect.poll(analysis).toMatchObject(impact);
    await limit('query_analysis_series_enabled: false');
    const answer = await analysis();
    expect(answer).toHaveProperty('queryScopes');
    expect(answer).not.toMatchObject({ queryImpact: { totalQueriedSeries: expect.anything() } });
    await limit('query_analysis_enabled: false');
    expect(await analysis()).toEqual({});
  });

  it('brings limits of series, and of nodes of a pprof', async () => {
    await limit('max_global_series_per_tenant: 1\nmax_flamegraph_nodes_on_select_merge_profile: true');
    expect((await push('shop')).status).toBe(200);
    expect((await push('shop')).status).toBe(200);
    const refused = await push('till');
    expect([refused.status, await refused.text()]).toEqual([
      429,
      expect.stringContaining('limit 1 (max_global_series_per_tenant'),
    ]);
    const selection = { profileTypeID: 'process_cpu:cpu:ns::', labelSelector: '{}', maxNodes: -1 };
    expect(await ask('SelectMergeProfile', selection)).toMatchObject({ code: 'invalid_argument' });
    await limit('max_global_series_per_tenant: 0');
    expect((await push('till')).status).toBe(200);
  });
});

it('limits of Pyroscope in the file of settings are passed over, or refused where somebody would count on them', async () => {
  const file = join(folder, 'kiln.yaml');
  const startWith = () => run('start', `--config.file=${file}`, '--data-dir', join(folder, 'other'), '--port=x');
  await writeFile(file, 'limits: { write_path: combined, recording_rules: [], max_label_name_length: 7 }');
  expect((await startWith()).err).toContain('--server.http-listen-port is "x", must be a whole number');
  await writeFile(file, 'limits: { s3_sse_type: SSE-S3 }');
  const refused = `s3_sse_type in limits in ${file} is not obeyed here: there is no S3 here`;
  expect((await run('start', `--config.file=${file}`)).err).toContain(refused);
});
