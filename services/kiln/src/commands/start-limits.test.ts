import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pushRequest, tinyPprof } from '../../../../test/process/tiny-pprof.ts';
import { Running } from '../test-terminal.test-support.ts';

let folder: string;
let kiln: Running;
let url: string;
// The framework takes seconds to load on a busy machine: no part of any test's time.
beforeAll(() => import('./start.ts'), 60_000);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-limits-'));
  await writeFile(join(folder, 'limits.yaml'), 'overrides: {}');
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
});
afterEach(async () => {
  await kiln.stop();
  await rm(folder, { recursive: true });
});

/** Tenant `a` gets these limits while the process runs; returns when they hold. */
async function limit(limits: string): Promise<void> {
  const loads = (): number => kiln.err.split('overrides loaded').length;
  const before = loads();
  await writeFile(join(folder, 'limits.yaml'), `overrides:\n  a:\n${limits.replaceAll(/^/gm, '    ')}`);
  await expect.poll(loads).toBeGreaterThan(before);
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

describe('a limits file that changes while the process runs', { timeout: 60_000 }, () => {
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
    expect(await metric('kiln_distributor_discarded_profiles_total{reason="dropped_by_relabel_rules"}')).toBe('1');
    await writeFile(join(folder, 'limits.yaml'), 'overrides: {a: {ingestion_relabeling_rules: [{regex: x}]}}');
    await expect.poll(() => kiln.err).toContain('rule 1, field target_label is missing: action replace needs it');
    expect((await push('noise')).status).toBe(200);
    expect(await services()).toEqual(['shop', 'till']);
  });
});
