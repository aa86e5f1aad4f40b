import { gunzipSync, gzipSync } from 'node:zlib';
import { setTimeout as sleep } from 'node:timers/promises';
import { withTimeNanos } from '../support/shift-time.ts';
import { median, row, type Row } from './measure.ts';
import type { Push } from './pipeline.ts';
import { benchServer, fsyncTimes, percentile, post } from './server.ts';

const PER_SECOND = 50;
/** Above this share of both cores a run measures the machine, not the product. */
const BUSY = 0.6;
/** Every so many pushes one is read back. */
const READ_BACK = 10;
const GIVE_UP_MS = 10_000;
const TYPE = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';

interface Run {
  readonly ackP99: number;
  readonly readableP99: number;
  readonly fsyncP99: number;
  /** Of all cores, server and generator together. */
  readonly busy: number;
}

/**
 * Profiles of about 30 KB at a fixed rate, whether answers come or not: time to acknowledgement, and to where a query shows the profile. Beside it the
 * same disk is synced; what a push may take follows from that.
 */
export async function openLoopRows(pushes: readonly Push[], seconds: number, runs: number): Promise<Row[]> {
  const done: Run[] = [];
  for (let i = 0; i < runs; i++) done.push(await oneRun(pushes, seconds));
  const fsync = median(done.map(({ fsyncP99 }) => fsyncP99));
  const ackTarget = Math.max(50, 20 + 3 * fsync);
  const busiest = Math.max(...done.map(({ busy }) => busy));
  const note = busiest > BUSY ? `INVALID: both cores were ${Math.round(busiest * 100)} % busy` : undefined;
  const of = (pick: (run: Run) => number): number[] => done.map(pick);
  return [
    row(
      `open loop, ${PER_SECOND}/s for ${seconds} s: acknowledged, p99`,
      of((run) => run.ackP99),
      'ms',
      round(ackTarget),
      note,
    ),
    row(
      '  readable, p99',
      of((run) => run.readableP99),
      'ms',
      round(ackTarget + 150),
      note,
    ),
    row(
      '  fsync of the same disk, p99',
      of((run) => run.fsyncP99),
      'ms',
    ),
    row(
      '  both cores busy, generator included',
      of((run) => run.busy * 100),
      '%',
      BUSY * 100,
    ),
  ];
}

async function oneRun(pushes: readonly Push[], seconds: number): Promise<Run> {
  await using kiln = await benchServer();
  const sent: Promise<void>[] = [];
  const acknowledged: number[] = [];
  const readable: number[] = [];
  const pushOne = async (n: number): Promise<void> => {
    const { gzip } = pushes[n % pushes.length]!;
    const stamped = withTimeNanos(new Uint8Array(gunzipSync(gzip)), BigInt(Date.now()) * 1_000_000n + BigInt(n + 1));
    const body = gzipSync(stamped, { level: 1 });
    const began = performance.now();
    const { status } = await post(`${kiln.url}/ingest?format=pprof&name=loop{n=${n}}`, body);
    if (status !== 200) throw new Error(`a push was answered ${status}`);
    acknowledged.push(performance.now() - began);
    if (n % READ_BACK !== 0) return;
    const range = { start: String(Date.now() - 3_600_000), end: String(Date.now() + 60_000) };
    const selector = `{n="${n}"}`;
    const query = JSON.stringify({ profileTypeID: TYPE, labelSelector: selector, step: 15, ...range });
    for (;;) {
      if (performance.now() - began > GIVE_UP_MS) throw new Error(`profile ${n} cannot be read after ${GIVE_UP_MS} ms`);
      const answer = await post(`${kiln.url}/querier.v1.QuerierService/SelectSeries`, query, {
        'content-type': 'application/json',
      });
      if (answer.bytes > 2) break; // {} holds nothing
    }
    readable.push(performance.now() - began);
  };
  // Threads compile for themselves: the first pushes are not counted.
  for (let n = -100; n < 0; n++) await pushOne(-n * 1_000_001);
  acknowledged.length = readable.length = 0;
  const stop = new AbortController();
  const syncs = fsyncTimes(kiln.dir, stop.signal);
  const began = performance.now();
  const [own, server] = [process.cpuUsage(), await kiln.cpuMs()];
  for (let n = 0; n < seconds * PER_SECOND; n++) {
    const waitMs = began + (n * 1_000) / PER_SECOND - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    sent.push(pushOne(n));
  }
  await Promise.all(sent);
  const took = performance.now() - began;
  const { user, system } = process.cpuUsage(own);
  const busy = ((user + system) / 1_000 + (await kiln.cpuMs()) - server) / (2 * took);
  stop.abort();
  const fsync = await syncs;
  return {
    ackP99: percentile(acknowledged, 99),
    readableP99: percentile(readable, 99),
    fsyncP99: percentile(fsync, 99),
    busy,
  };
}

function round(ms: number): number {
  return Math.round(ms);
}
