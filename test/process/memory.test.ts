import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { query } from '../support/http-client.ts';
import { kilnIsBuilt, kilnMain, kilnNode, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { long, requireService } from '../support/services.ts';
import type { LoadOutcome, LoadPlan } from './push-load.worker.ts';

/**
 * The memory of a whole process under ten times the load that the bench sustains (50 profiles of 400 samples a second): resident memory, as the kernel
 * counts it, stays within 200 MB of the ceiling, what is refused is refused by name, and what was acknowledged is there. Five minutes by `--long`. In seconds
 * heads do not reach what a ceiling leaves them: there they get less, and the load ends with the first cut that memory makes.
 */
const repository = join(import.meta.dirname, '../..');
const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const MIB = 1024 * 1024;
const CEILING_MIB = 512;
const BESIDE_MIB = 200;
const HEADS_MIB = 8;
const LOAD_MS = long ? 300_000 : 4_000;
/** Until the log is read and what was cut is compacted, on a machine that others use too. */
const PATIENCE_MS = long ? 600_000 : 120_000;

const CUTS = 'kiln_ingester_cuts_total';

const shapes = [
  { name: 'ten thousand services of one small profile each', shape: 'services', count: 10_000, samples: 50, rate: 500 },
  { name: 'one service of a million stacks', shape: 'stacks', count: 1_000_000, samples: 2_000, rate: 100 },
] as const;

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'kiln-memory-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe.skipIf(!built)('a process with a memory ceiling', () => {
  test.each(shapes)(
    'stays near it under ten times the load, and loses nothing: $name',
    { timeout: LOAD_MS + 3 * PATIENCE_MS },
    async ({ shape, count, samples, rate }) => {
      const flags = [
        `--memory.ceiling=${CEILING_MIB}MiB`,
        '--compactor.interval=2s',
        // In seconds only memory makes a cut.
        ...(long
          ? ['--ingester.cut-max-age=1m']
          : ['--ingester.cut-max-age=1h', `--ingester.head-max-bytes=${HEADS_MIB}MiB`]),
      ];
      const kiln = await startKiln({
        dataDir: join(dir, shape),
        flags,
        timeoutMs: PATIENCE_MS,
      });
      try {
        const plan: LoadPlan = { url: kiln.url, shape, count, samples, pushesPerSecond: rate };
        const load = startLoad(plan);
        let heads = 0;
        const beganMs = performance.now();
        const isOver = async (): Promise<boolean> => {
          const ms = performance.now() - beganMs;
          return ms > LOAD_MS && (long || ms > LOAD_MS + PATIENCE_MS || (await metric(kiln, CUTS)) > 0);
        };
        while (!(await isOver())) {
          heads = Math.max(heads, await metric(kiln, 'kiln_memory_heads_bytes'));
          await sleep(50);
        }
        const outcome = await load.stop();
        const loaded = peakMib(kiln);
        await expect.poll(() => sumOf(kiln), { timeout: PATIENCE_MS, interval: 500 }).toBe(outcome.sum);
        await fetch(`${kiln.url}/api/v1/operator/compact`, { method: 'POST' }).then((answer) => answer.text());
        await expect.poll(() => sumOf(kiln), { timeout: PATIENCE_MS, interval: 500 }).toBe(outcome.sum);
        const cuts = await metric(kiln, CUTS);
        const told = { ...outcome, peakMib: loaded, compactedMib: peakMib(kiln), headsMib: heads / MIB, cuts };
        process.stdout.write(`memory, ${shape}: ${JSON.stringify(told)}\n`);
        expect(peakMib(kiln)).toBeLessThan(CEILING_MIB + BESIDE_MIB);
        expect(cuts).toBeGreaterThan(0);
        // Each partition may be one record over, and a cut holds its segment beside its head.
        if (!long) expect(heads).toBeLessThan(2 * HEADS_MIB * MIB);
        expect(outcome.acknowledged).toBeGreaterThan(0);
        expect(Object.keys(outcome.refused).filter((status) => status !== '503' && status !== '429')).toEqual([]);
        expect(outcome.withoutRetryAfter).toBe(0);
        for (const sentence of outcome.sentences)
          expect(sentence).toMatch(/memory\.ceiling|distributor\.in-flight-max-bytes/);
        expect(kiln.output()).not.toMatch(/a thread died/);
      } finally {
        await kiln.stop();
      }
    },
  );
});

test('Node is started here as `./kiln` starts it', () => {
  const script = readFileSync(join(repository, 'kiln'), 'utf8');
  expect(script).toContain(`exec node ${kilnNode.flags.join(' ')} "$root/services/kiln/bundle/main.js"`);
  for (const [name, value] of Object.entries(kilnNode.env)) expect(script).toContain(`${name}=\${${name}:-${value}}`);
});

/** Pushes from a process of its own, so that nothing of it is in the way. */
function startLoad(plan: LoadPlan): { stop(): Promise<LoadOutcome> } {
  const file = join(import.meta.dirname, 'push-load.worker.ts');
  const child = spawn(process.execPath, ['--conditions=source', file, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said = text(child.stdout);
  return {
    stop: async () => {
      child.kill('SIGTERM');
      return JSON.parse(await said) as LoadOutcome;
    },
  };
}

/** The sum of all values over all series, or why there is none. */
async function sumOf({ url }: RunningKiln): Promise<number | string> {
  const nowMs = Date.now();
  const asked = {
    profileTypeID: 'process_cpu:cpu:nanoseconds::',
    labelSelector: '{namespace="load"}',
    start: nowMs - 3_000_000,
    end: nowMs + 60_000,
    step: 60,
    groupBy: ['namespace'],
  };
  try {
    const { series } = await query(url, 'SelectSeries', asked, { json: true });
    const points = (series as { points?: { value?: number }[] }[]).flatMap((one) => one.points ?? []);
    return points.reduce((sum, { value }) => sum + (value ?? 0), 0);
  } catch (error) {
    return (error as Error).message; // the log is not read yet
  }
}

/** A metric, over all its labels. */
async function metric({ url }: RunningKiln, name: string): Promise<number> {
  const lines = (await (await fetch(`${url}/metrics`)).text()).split('\n');
  return lines
    .filter((line) => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** Largest resident memory since the start, MiB: the kernel keeps it, so no sample is missed. */
function peakMib({ pid }: RunningKiln): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}
