import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stacksOfAnswer } from '../oracle/index.ts';
import { readPprof } from '../oracle/pprof-message.ts';
import { cpuOf } from '../support/cpu-of.ts';
import { query } from '../support/http-client.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { MarkedTenants, manyTenants } from '../support/marked-tenants.ts';
import { requireService } from '../support/services.ts';

/** What the system counts by. */
const TICK_MS = 10;

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const OWN = '{service_name="kiln"}';

let dir = '';
let alone: RunningKiln;
let apart: RunningKiln;
let neighbours: MarkedTenants;
let off: RunningKiln;
beforeAll(async () => {
  if (!built) return;
  dir = mkdtempSync(join(tmpdir(), 'kiln-self-'));
  const fast = '--self-profiling.every=2s';
  alone = await startKiln({ dataDir: join(dir, 'alone'), flags: [fast], timeoutMs: 90_000 });
  apart = await startKiln({
    dataDir: join(dir, 'apart'),
    flags: [fast, manyTenants],
    timeoutMs: 90_000,
  });
  neighbours = new MarkedTenants(join(dir, 'apart'));
  await neighbours.push(apart.url);
  off = await startKiln({
    dataDir: join(dir, 'off'),
    flags: [fast, '--self-profiling.enabled=false'],
    timeoutMs: 90_000,
  });
}, 300_000);
afterAll(async () => {
  if (!built) return;
  await neighbours.look(apart);
  await Promise.all([alone.stop(), apart.stop(), off.stop()]);
  rmSync(dir, { recursive: true, force: true });
});

const range = () => ({ start: Date.now() - 600_000, end: Date.now() + 60_000 });

async function threads({ url }: RunningKiln, tenant?: string): Promise<unknown> {
  const asked = { name: 'thread', matchers: [OWN], ...range() };
  return (await query(url, 'LabelValues', asked, { tenant }))['names'];
}

async function ownProfile({ url }: RunningKiln): Promise<ReturnType<typeof stacksOfAnswer>> {
  const asked = { profileTypeID: CPU, labelSelector: OWN, ...range() };
  return stacksOfAnswer((await query(url, 'SelectMergeProfile', asked))['profile'] as Uint8Array);
}

describe.skipIf(!built)('Kiln profiles itself', { timeout: 120_000 }, () => {
  test('so that there is something to see: a series per kind of thread, functions and files of its own', async () => {
    // A thread that only waits has nothing to tell.
    await expect
      .poll(() => threads(alone), { timeout: 100_000, interval: 100 })
      .toEqual(expect.arrayContaining(['main', 'partition']));
    const { stacks, sampleType } = await ownProfile(alone);
    expect(sampleType).toEqual(['cpu/nanoseconds']);
    const frames = stacks.flatMap((stack) => stack.frames);
    expect(frames.some((frame) => frame.includes('services/kiln/dist/') || frame.includes('libs/'))).toBe(true);
    expect(frames.some((frame) => frame.includes(dir) || frame.includes('file:') || frame.includes('(idle)'))).toBe(
      false,
    );
  });

  test('and claims no more CPU than the process has used', async () => {
    const claimed = (await ownProfile(alone)).stacks.reduce((sum, { value }) => sum + value, 0n);
    expect(claimed).toBeGreaterThan(0n);
    expect(claimed).toBeLessThanOrEqual(BigInt((await cpuOf(alone.pid)) + TICK_MS) * 1_000_000n);
  });

  test('as a tenant of its own where tenants are kept apart', async () => {
    await expect.poll(() => threads(apart, 'kiln'), { timeout: 100_000, interval: 100 }).toContain('main');
    expect(await threads(apart, 'team-a')).toEqual([]);
  });

  test('also when it is asked, all threads together: /debug/pprof/profile', async () => {
    const asked = fetch(`${off.url}/debug/pprof/profile?seconds=2`);
    let isOver = false;
    const answer = asked.then(async (response) => {
      isOver = true;
      return { status: response.status, message: readPprof(gunzipSync(Buffer.from(await response.arrayBuffer()))) };
    });
    while (!isOver) await query(off.url, 'LabelNames', range());
    const { status, message } = await answer;
    const threadOf = ({ label }: (typeof message)['sample'][number]): string =>
      Buffer.from(message.stringTable[Number(label[0]!.str)]!).toString();
    expect(status).toBe(200);
    expect([...new Set(message.sample.map(threadOf))]).toEqual(expect.arrayContaining(['main', 'query']));
  });

  test('unless it is told not to', async () => {
    // The others have had time for several.
    await expect.poll(() => threads(alone), { timeout: 100_000, interval: 100 }).toContain('main');
    expect(await threads(off)).toEqual([]);
  });
});
