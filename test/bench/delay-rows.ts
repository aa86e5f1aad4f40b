import { gzipSync } from 'node:zlib';
import { setTimeout as sleep } from 'node:timers/promises';
import { heapProfile } from '../support/corpus.ts';
import { buildPprof } from '../support/profile-builder.ts';
import { pushBytes, pushJson } from '../support/http-client.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { growStackPool } from '../support/stack-pool.ts';
import { row, type Row } from './measure.ts';
import { benchServer, post, type BenchServer } from './server.ts';

/** What a load may add to the delay of an idle server's main thread. */
const ALLOWED_MS = 20;
const TYPE = 'memory:alloc_space:bytes:space:bytes';
const JSON_TYPE = { 'content-type': 'application/json' };

/** How late the main thread is while something large is being done, beside an idle control of the same run; and how long /ready takes meanwhile. */
export async function delayRows(rounds: number): Promise<Row[]> {
  await using kiln = await benchServer();
  const large = largePprof();
  const series = [
    {
      labels: [
        ['__name__', 'memory'],
        ['service_name', 'large'],
      ] as const,
      samples: [{ profile: large }],
    },
  ];
  const push = `${kiln.url}/push.v1.PusherService/Push`;
  const proto = pushBytes(series);
  const json = JSON.stringify(pushJson(series));
  const bomb = gzipSync(new Uint8Array(200 * 1024 * 1024), { level: 1 });
  const range = { start: String(Date.now() - 3_600_000), end: String(Date.now() + 60_000) };
  const query = JSON.stringify({ profileTypeID: TYPE, labelSelector: '{}', maxNodes: '1048576', ...range });
  const loads: Record<string, () => Promise<unknown>> = {
    'idle control': () => sleep(1_000),
    'a profile of 3 MiB by Push, protobuf': () => expect200(post(push, proto, { 'content-type': 'application/proto' })),
    'a profile of 3 MiB by Push, JSON': () => expect200(post(push, json, JSON_TYPE)),
    'a gzip body of 200 MB': () =>
      post(`${kiln.url}/ingest?format=pprof&name=bomb`, bomb, { 'content-encoding': 'gzip' }),
    'a flame graph of max_nodes 1,048,576': () =>
      expect200(post(`${kiln.url}/querier.v1.QuerierService/SelectMergeStacktraces`, query, JSON_TYPE)),
  };
  for (const load of Object.values(loads)) await load();
  const delays: Record<string, number[]> = {};
  let slowestReady = 0;
  for (let round = 0; round < rounds; round++) {
    for (const [name, load] of Object.entries(loads)) {
      await kiln.delay();
      const [, ready] = await Promise.all([load(), readyWhile(kiln, name === 'idle control' ? 0 : 1_000)]);
      slowestReady = Math.max(slowestReady, ready);
      (delays[name] ??= []).push((await kiln.delay()).p999);
    }
  }
  const idle = delays['idle control']!;
  return [
    row('main thread late, p99.9: idle control', idle, 'ms'),
    ...Object.keys(loads)
      .slice(1)
      .map((name) =>
        row(
          `  above it: ${name}`,
          delays[name]!.map((ms, i) => ms - idle[i]!),
          'ms',
          ALLOWED_MS,
        ),
      ),
    row('  slowest answer of /ready meanwhile', [slowestReady], 'ms', 1_000),
  ];
}

async function expect200(sent: Promise<{ status: number; bytes: number }>): Promise<void> {
  const { status } = await sent;
  if (status !== 200) throw new Error(`answered ${status}`);
}

/** Asks /ready again and again for a while. @returns the slowest, milliseconds. */
async function readyWhile({ url }: BenchServer, ms: number): Promise<number> {
  let slowest = 0;
  for (const until = performance.now() + ms; performance.now() < until; await sleep(20)) {
    const began = performance.now();
    await (await fetch(`${url}/ready`)).text();
    slowest = Math.max(slowest, performance.now() - began);
  }
  return slowest;
}

/** A heap profile of about 3 MiB, uncompressed: many different stacks. */
function largePprof(): Uint8Array {
  const random = seededRandom('large');
  const pool = growStackPool(random, { stacks: 14_000, functions: 16_000, meanDepth: 50 });
  return buildPprof(heapProfile(random, pool, 1, BigInt(Date.now()) * 1_000_000n));
}
