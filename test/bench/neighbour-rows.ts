import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { pushRequest, tinyPprof } from '../process/tiny-pprof.ts';
import { ratio, row, type Row } from './measure.ts';
import { benchServer, percentile, post } from './server.ts';

/** Limit of a tenant, MiB a second, and what the noisy one sends a second: pushes of so many bytes, a hundred times the limit. */
const LIMIT_MB = 0.02;
const NOISE_PER_SECOND = 200;
const NOISE_BYTES = Math.round((LIMIT_MB * 1_048_576 * 100) / NOISE_PER_SECOND);
const PER_SECOND = 50;
const SECONDS = 20;
/** What the neighbour's p99 may become, as a share of what it was. */
const ALLOWED = 1.2;
const HEADERS = { 'content-type': 'application/proto' };
const PUSH = '/push.v1.PusherService/Push';

/** How often a second the noisy tenant may push. */
const ALLOWED_PER_SECOND = NOISE_PER_SECOND / 100;

/**
 * Row 43 of distributed.md §5.3: a tenant at a hundred times its limit, and how much longer its neighbour's pushes take, p99, than while the tenant keeps
 * to its limit and the rest of the noise goes to a server that drops it: what the generator takes of the machine, and the tenant's right of the disk, is
 * in both.
 */
export async function neighbourRows(rounds: number): Promise<Row[]> {
  await using kiln = await benchServer([
    '--auth.multitenancy-enabled=true',
    `--distributor.ingestion-rate-limit-mb=${LIMIT_MB}`,
    `--distributor.ingestion-burst-size-mb=${LIMIT_MB}`,
    '--validation.max-profile-size-bytes=20000',
  ]);
  const noise = new Worker(import.meta.filename);
  const ask = (task: NoiseTask | undefined): Promise<unknown> => {
    const answer = new Promise((resolve) => noise.once('message', resolve));
    noise.postMessage(task);
    return answer;
  };
  try {
    const bare = (await new Promise((resolve) => noise.once('message', resolve))) as string;
    await neighbour(kiln.url, 2);
    const [calm, beside, refused]: [number[], number[], number[]] = [[], [], []];
    // The first round is not counted: threads compile for themselves.
    for (let round = -1; round < rounds; round++) {
      const turns = [bare, kiln.url];
      for (const url of round % 2 === 0 ? turns : turns.toReversed()) {
        await ask({ flooded: url, kiln: kiln.url });
        const p99 = percentile(await neighbour(kiln.url, SECONDS), 99);
        const statuses = (await ask(undefined)) as number[];
        if (round < 0) continue;
        (url === bare ? calm : beside).push(p99);
        if (url !== bare) refused.push((100 * statuses.filter((status) => status === 429).length) / statuses.length);
      }
    }
    return [
      row('a push beside a tenant at its limit, p99', calm, 'ms'),
      ratio('  beside one at 100 times its limit (row 43)', beside, calm, 'x', ALLOWED),
      row('  of that tenant refused', refused, '%'),
    ];
  } finally {
    await noise.terminate();
  }
}

let made = 0;
function pushOf(bytes: number): Uint8Array {
  const timeNanos = BigInt(Date.now()) * 1_000_000n + BigInt((++made % 1_000_000) + 1);
  const frames = ['leaf', 'x'.repeat(bytes)];
  const profile = tinyPprof({ type: 'cpu', unit: 'ns', timeNanos, stacks: [{ frames, value: 1n }] });
  return pushRequest([{ labels: { __name__: 'process_cpu', service_name: 'shop' }, profiles: [profile] }]);
}

/** Small pushes at a fixed rate, below the limit. @returns how long each took, milliseconds. */
async function neighbour(url: string, seconds: number): Promise<number[]> {
  const took: number[] = [];
  await atRate(
    PER_SECOND,
    () => took.length < PER_SECOND * seconds,
    async () => {
      const began = performance.now();
      const { status } = await post(url + PUSH, pushOf(10), { ...HEADERS, 'x-scope-orgid': 'neighbour' });
      if (status !== 200) throw new Error(`the neighbour was answered ${status}`);
      took.push(performance.now() - began);
    },
  );
  return took;
}

/** Begins `work` so often a second, whether it ends or not, while `goesOn`; resolves when all of it has ended. */
async function atRate(perSecond: number, goesOn: () => boolean, work: () => Promise<void>): Promise<void> {
  const began = performance.now();
  const all: Promise<void>[] = [];
  while (goesOn()) {
    const waitMs = began + (all.length * 1_000) / perSecond - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    all.push(work());
  }
  await Promise.all(all);
}

/** What is flooded until told otherwise; where that is not Kiln, Kiln gets what the limit of the tenant lets through. */
interface NoiseTask {
  readonly flooded: string;
  readonly kiln: string;
}

/** The thread of the noise: floods the address that it was told last, until it is told none; then says the statuses of the flood. */
function makeNoise(): void {
  const bare = createServer((request, response) => void request.resume().on('end', () => response.end()));
  // It rests for a whole round, and a connection that it closes then may just be taken for the next request.
  bare.keepAliveTimeout = 600_000;
  bare.listen(0, '127.0.0.1', () => {
    parentPort!.postMessage(`http://127.0.0.1:${(bare.address() as AddressInfo).port}`);
  });
  let task: NoiseTask | undefined;
  let statuses: number[] = [];
  let flood: Promise<unknown> = Promise.resolve();
  const push = async (url: string): Promise<number> => {
    const { status } = await post(url + PUSH, pushOf(NOISE_BYTES), { ...HEADERS, 'x-scope-orgid': 'noisy' });
    return status;
  };
  parentPort!.on('message', (asked: NoiseTask | undefined) => {
    task = asked;
    if (asked === undefined) {
      void flood.then(() => parentPort!.postMessage(statuses));
      return;
    }
    const isOn = () => task !== undefined;
    const { flooded, kiln } = asked;
    statuses = [];
    flood = Promise.all([
      atRate(NOISE_PER_SECOND, isOn, async () => void statuses.push(await push(flooded))),
      flooded === kiln ? undefined : atRate(ALLOWED_PER_SECOND, isOn, async () => void (await push(kiln))),
    ]);
    parentPort!.postMessage('on');
  });
}

if (!isMainThread && parentPort !== null) makeNoise();
