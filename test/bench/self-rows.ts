import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { cpuOf } from '../support/cpu-of.ts';
import { startKiln } from '../support/kiln-process.ts';
import { withTimeNanos } from '../support/shift-time.ts';
import { median, row, type Row } from './measure.ts';
import type { Push } from './pipeline.ts';
import { post } from './server.ts';

const PER_SECOND = 50;
const WARM_UP_S = 60;
/** Until what began before a turn has ended: a look at a thread is 10 s. */
const SETTLE_S = 11;
/** Answers that are waited for at most; above it a push is left out, for both. */
const IN_FLIGHT = 100;
/** Of all pushes; half an hour is not for nothing because one of tens of thousands found a closed connection. */
const FAILED_AT_MOST = 0.001;

export interface SelfEffort {
  readonly pairs: number;
  readonly turnSeconds: number;
}

/**
 * What a busy server pays for profiling itself. Two servers get the same pushes at the same time, and one of them profiles itself: first one, then the
 * other (ABBA). The machine is the same for both at any moment, and what makes one process slower than the other counts once for and once against: the cost
 * of a pair of turns is the root of the product of both ratios. CPU is that of the whole processes.
 */
export async function selfRows(pushes: readonly Push[], { pairs, turnSeconds }: SelfEffort): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const env = { NODE_OPTIONS: `--import=${join(import.meta.dirname, 'self-switch.mjs')}` };
  const flags = ['--self-profiling.enabled=true'];
  const start = (name: string) => startKiln({ dataDir: join(dir, name), flags, env, timeoutMs: 120_000 });
  const servers = await Promise.all([start('a'), start('b')]);
  const spent = (): Promise<number[]> => Promise.all(servers.map(({ pid }) => cpuOf(pid)));
  const stop = new AbortController();
  const load = pushAll(
    servers.map(({ url }) => url),
    pushes,
    stop.signal,
  );
  const cost: number[] = [];
  const off: number[] = [];
  const more: number[] = [];
  const said: number[] = [];
  try {
    await sleep(WARM_UP_S * 1_000);
    process.kill(servers[1].pid, 'SIGUSR2');
    let on = 0;
    const turn = async (): Promise<{ on: number; off: number }> => {
      await sleep(SETTLE_S * 1_000);
      const before = await spent();
      const began = performance.now();
      await sleep(turnSeconds * 1_000);
      const seconds = (performance.now() - began) / 1_000;
      const perSecond = (await spent()).map((ms, i) => (ms - before[i]!) / seconds);
      return { on: perSecond[on]!, off: perSecond[1 - on]! };
    };
    for (let pair = 0; pair < pairs; pair++) {
      const one = await turn();
      for (const { pid } of servers) process.kill(pid, 'SIGUSR2');
      on = 1 - on;
      // The next pair begins with what is on now: A B, B A.
      const other = await turn();
      cost.push((Math.sqrt((one.on / one.off) * (other.on / other.off)) - 1) * 100);
      off.push((one.off + other.off) / 2);
      more.push((one.on + other.on - one.off - other.off) / 2);
    }
    said.push(...(await Promise.all(servers.map(({ url }) => saidBy(url)))));
  } finally {
    stop.abort();
    await load;
    await Promise.all(servers.map((server) => server.stop()));
    await rm(dir, { recursive: true, force: true });
  }
  const { due, left, failed } = await load;
  if (failed > due * FAILED_AT_MOST) throw new Error(`${failed} pushes of ${due} were not answered 200`);
  if (left + failed > 0)
    process.stderr.write(
      `of ${due} pushes ${left} were left out, because the machine is too busy for ${PER_SECOND} a second, and ${failed} not answered 200\n`,
    );
  return [
    row('Kiln profiles itself: CPU of pushes more than without', cost, '%', 2, spread(cost, '%')),
    row('  of a second', more, 'ms', undefined, spread(more, 'ms')),
    row(`  of ${PER_SECOND} pushes a second, without`, off, 'ms'),
    row(
      "  to start and stop V8's profiler, as its own profiles say",
      said,
      '%',
      undefined,
      'first looks, unearned, included',
    ),
  ];
}

/** Of the CPU in a server's profiles of itself, what is in `(profiling)`. @throws Error where it has none: nothing was measured. */
async function saidBy(url: string): Promise<number> {
  const query = new URLSearchParams({
    query: 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="kiln"}',
    from: 'now-3h',
  });
  const answer = (await (await fetch(`${url}/api/v1/top?${query.toString()}`)).json()) as {
    readonly functions: readonly { readonly name: string; readonly flat: { readonly ofWhole: number } }[];
  };
  const own = answer.functions.find(({ name }) => name === '(profiling)');
  if (own === undefined) throw new Error('the server has no profiles of itself');
  return own.flat.ofWhole * 100;
}

/**
 * The median's confidence interval by order of the values, which supposes nothing of their distribution; the middle half; and the mean, which a look that
 * falls into one turn of many does not escape.
 */
function spread(values: readonly number[], unit: string): string {
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  const at = (share: number): number => sorted[Math.min(n - 1, Math.max(0, Math.round(share * (n - 1))))]!;
  const mean = sorted.reduce((a, b) => a + b, 0) / n;
  const error = Math.sqrt(sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1) / n);
  // Ranks at 1.96 standard deviations of a fair coin around the middle.
  const away = (1.96 * Math.sqrt(n)) / 2;
  const low = sorted[Math.max(0, Math.floor(n / 2 - away))]!;
  const high = sorted[Math.min(n - 1, Math.ceil(n / 2 + away) - 1)]!;
  const show = (value: number): string => value.toFixed(1);
  return `median of ${n}: ${show(median(values))}, 95 % ${show(low)} … ${show(high)}; middle half ${show(at(0.25))} … ${show(at(0.75))}; mean ${show(mean)} ± ${show(2 * error)} (two standard errors) ${unit}`;
}

/** Sends each push to all servers at the same moment, at a steady rate. */
async function pushAll(
  urls: readonly string[],
  pushes: readonly Push[],
  signal: AbortSignal,
): Promise<{ due: number; left: number; failed: number }> {
  const raw = pushes.map(({ gzip }) => new Uint8Array(gunzipSync(gzip)));
  const waiting = new Set<Promise<void>>();
  let left = 0;
  let failed = 0;
  const send = async (url: string, body: Uint8Array): Promise<void> => {
    const answer = await post(url, body).catch(() => undefined);
    if (answer?.status !== 200) failed++;
  };
  const began = performance.now();
  let n = 0;
  for (; !signal.aborted; n++) {
    const waitMs = began + (n * 1_000) / PER_SECOND - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    if (waiting.size > IN_FLIGHT) {
      left++;
      await sleep(1);
      continue;
    }
    const { labels } = pushes[n % pushes.length]!;
    const of = (name: string): string => labels.find((label) => label.name === name)?.value ?? '';
    const stamped = withTimeNanos(raw[n % raw.length]!, BigInt(Date.now()) * 1_000_000n + BigInt(n + 1));
    const body = gzipSync(stamped, { level: 1 });
    for (const url of urls) {
      const name = encodeURIComponent(`${of('service_name')}{pod=${of('pod')}}`);
      const sent = send(`${url}/ingest?format=pprof&name=${name}`, body).finally(() => waiting.delete(sent));
      waiting.add(sent);
    }
  }
  await Promise.all(waiting);
  return { due: n, left, failed };
}
