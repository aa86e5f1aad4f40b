import { spawn, spawnSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { pushRequest, tinyPprof } from '../process/tiny-pprof.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { requireService } from '../support/services.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
let folder = '';
let running: RunningKiln[] = [];
afterEach(async () => {
  for (const kiln of running) await kiln.kill();
  running = [];
  await rm(folder, { recursive: true, force: true });
});

/** What `kiln verify` may find in a copy of a running directory, by docs/storage.md: then it is made again. */
const COPY_AGAIN =
  /ends at offset -?\d+, its manifests reach|begins at offset \d+, its manifests reach|holds log \S+ up to offset \d+, its manifests reach|is missing, and is named|is missing, but \S+ exists/;

async function start(dataDir: string): Promise<RunningKiln> {
  const kiln = await startKiln({ dataDir, flags: ['--ingester.cut-max-age=1s', '--compactor.interval=1h'] });
  running.push(kiln);
  return kiln;
}

let pushes = 0;
/** One profile of value 1. */
async function push(url: string): Promise<void> {
  const timeNanos = BigInt(Date.now()) * 1_000_000n + BigInt(++pushes);
  const profile = tinyPprof({ type: 'cpu', unit: 'ns', timeNanos, stacks: [{ frames: ['leaf', 'main'], value: 1n }] });
  const labels = { __name__: 'process_cpu', service_name: `shop ${pushes % 8}` };
  const response = await fetch(`${url}/push.v1.PusherService/Push`, {
    method: 'POST',
    headers: { 'content-type': 'application/proto' },
    body: pushRequest([{ labels, profiles: [profile] }]),
  });
  expect(response.status).toBe(200);
}

/** How many profiles there are; the answer must say that it is whole. */
async function count(url: string): Promise<number> {
  const body = JSON.stringify({
    profileTypeID: 'process_cpu:cpu:ns::',
    labelSelector: '{}',
    start: String(Date.now() - 3_600_000),
    end: String(Date.now() + 3_600_000),
  });
  const response = await fetch(`${url}/querier.v1.QuerierService/SelectMergeStacktraces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  expect([response.status, response.headers.get('x-kiln-partial')]).toEqual([200, null]);
  return Number(((await response.json()) as { flamegraph?: { total?: string } }).flamegraph?.total ?? 0);
}

/** `cp -r`, which complains of what vanishes while it copies and goes on. */
async function copy(from: readonly string[], to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await new Promise((done) => spawn('cp', ['-r', ...from, to], { stdio: 'ignore' }).once('exit', done));
}

/** In the order of docs/storage.md, with time between the steps. */
async function backup(data: string, to: string): Promise<void> {
  const objects = join(data, 'objects');
  await mkdir(to, { recursive: true });
  await copyFile(join(objects, 'log/trim'), join(to, 'trim'));
  await copy([join(objects, 'indexed'), join(objects, 'tenants')], join(to, 'objects'));
  await sleep(400);
  await copy([join(objects, 'log'), join(objects, 'cluster')], join(to, 'objects'));
  await sleep(400);
  await copy([join(data, 'log'), join(data, 'version')], to);
  await rename(join(to, 'trim'), join(to, 'objects/log/trim'));
}

describe.skipIf(!built)('a copy of a running directory', { timeout: 180_000 }, () => {
  test('made by cp -r in the order of the documentation, while it is pushed to, cut and compacted, verifies and sums to what was acknowledged', async () => {
    folder = await mkdtemp(join(tmpdir(), 'kiln-copy-'));
    const data = join(folder, 'data');
    const kiln = await start(data);
    let acknowledged = 0;
    let isOver = false;
    const clients = Array.from({ length: 2 }, async () => {
      for (; !isOver; acknowledged++) await push(kiln.url);
    });
    const compacting = (async () => {
      while (!isOver) {
        await fetch(`${kiln.url}/api/v1/operator/compact`, { method: 'POST' });
        await sleep(100);
      }
    })();
    await sleep(3000);
    const copies: { readonly path: string; readonly from: number; readonly to: number }[] = [];
    for (let tries = 0; copies.length < 3; tries++) {
      expect(tries).toBeLessThan(20);
      const path = join(folder, `copy ${tries}`);
      const from = acknowledged;
      await backup(data, path);
      // What is under way in both clients may be in it.
      const to = acknowledged + 2;
      const verify = spawnSync(process.execPath, [kilnMain, 'verify', '--data-dir', path], { encoding: 'utf8' });
      if (verify.status === 0) copies.push({ path, from, to });
      else expect(verify.stdout).toMatch(COPY_AGAIN);
    }
    isOver = true;
    await Promise.all([...clients, compacting]);
    expect(await count(kiln.url)).toBe(acknowledged);
    for (const { path, from, to } of copies) {
      const other = await start(path);
      const found = await count(other.url);
      expect(found).toBeGreaterThanOrEqual(from);
      expect(found).toBeLessThanOrEqual(to);
      expect(await other.stop()).toBe(0);
    }
    expect(acknowledged).toBeGreaterThan(50);
  });
});
