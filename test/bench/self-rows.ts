import { mkdtemp, rm } from 'node:fs/promises';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { kilnIsBuilt, startKiln } from '../support/kiln-process.ts';
import { withTimeNanos } from '../support/shift-time.ts';
import { postAll } from './http-rows.ts';
import { row, type Effort, type Row } from './measure.ts';
import type { Push } from './pipeline.ts';
import { cpuOf } from './server.ts';

const PAIRS = 10;
const WARM_UP = 6;
/** Pushes of a server per pair: seconds of work, so that ticks of 10 ms do not count. */
const REPEATS = 4;

/** What a busy server pays for profiling itself: CPU of the same pushes with and without it, in turns. */
export async function selfRows(pushes: readonly Push[], { rounds }: Effort): Promise<Row[]> {
  if (!kilnIsBuilt()) return [];
  const dir = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const [on, off] = await Promise.all(
    ['true', 'false'].map((flag) =>
      startKiln({ dataDir: join(dir, flag), flags: [`--self-profiling.enabled=${flag}`], timeoutMs: 120_000 }),
    ),
  );
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const cost: number[] = [];
  try {
    for (let pair = 0; pair < WARM_UP + Math.max(PAIRS, rounds); pair++) {
      const spent = { on: 0, off: 0 };
      for (const name of pair % 2 === 0 ? (['on', 'off'] as const) : (['off', 'on'] as const)) {
        const server = { on: on!, off: off! }[name];
        const before = await cpuOf(server.pid);
        for (let i = 0; i < REPEATS; i++) await postAll(server.url, stamped(pushes), agent);
        await sleep(300); // the heads catch up within moments
        spent[name] = (await cpuOf(server.pid)) - before;
      }
      if (pair >= WARM_UP) cost.push((spent.on / spent.off - 1) * 100);
    }
  } finally {
    agent.destroy();
    await Promise.all([on!.stop(), off!.stop()]);
    await rm(dir, { recursive: true, force: true });
  }
  return [row('Kiln profiles itself: CPU of pushes more than without', cost, '%', 2)];
}

let stamps = 0n;

function stamped(pushes: readonly Push[]): Push[] {
  const nowNanos = BigInt(Date.now()) * 1_000_000n;
  return pushes.map(({ gzip, labels }) => ({
    gzip: gzipSync(withTimeNanos(new Uint8Array(gunzipSync(gzip)), nowNanos + ++stamps), { level: 1 }),
    labels,
  }));
}
