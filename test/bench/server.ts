import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuOf } from '../support/cpu-of.ts';
import { startKiln } from '../support/kiln-process.ts';

/** How late the main thread of a server was, milliseconds. */
export interface Delay {
  readonly p999: number;
  readonly max: number;
}

/** A built server on a folder of its own, with a probe in its main thread. */
export interface BenchServer extends AsyncDisposable {
  readonly url: string;
  readonly dir: string;
  /** CPU that it has spent, milliseconds. */
  cpuMs(): Promise<number>;
  /** Since the call before. */
  delay(): Promise<Delay>;
}

export async function benchServer(flags: readonly string[] = []): Promise<BenchServer> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const file = join(dir, 'delay.json');
  const before = process.env['NODE_OPTIONS'];
  process.env['NODE_OPTIONS'] = `${before ?? ''} --import=${join(import.meta.dirname, 'delay-probe.mjs')}`;
  process.env['KILN_BENCH_DELAY'] = file;
  // Connections rest while others take their turn, and one that is closed just then may be taken for the next request.
  const kiln = await startKiln({ dataDir: join(dir, 'data'), flags: ['--server.http-idle-timeout=1h', ...flags] });
  if (before === undefined) delete process.env['NODE_OPTIONS'];
  else process.env['NODE_OPTIONS'] = before;
  return {
    url: kiln.url,
    dir,
    cpuMs: () => cpuOf(kiln.pid),
    delay: async () => {
      rmSync(file, { force: true });
      process.kill(kiln.pid, 'SIGUSR2');
      for (let turn = 0; turn < 500; turn++) {
        await sleep(10);
        if (!existsSync(file)) continue;
        const text = readFileSync(file, 'utf8');
        if (text.endsWith('}')) return JSON.parse(text) as Delay;
      }
      throw new Error('the probe does not answer');
    },
    async [Symbol.asyncDispose]() {
      await kiln.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** POSTs, and reads the answer to its end. @returns the status. */
export function post(
  url: string,
  body: Uint8Array | string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; bytes: number }> {
  return new Promise((done, fail) => {
    const length = String(typeof body === 'string' ? Buffer.byteLength(body) : body.length);
    const sent = request(
      url,
      { method: 'POST', agent, headers: { 'content-length': length, ...headers } },
      (answer) => {
        let bytes = 0;
        answer.on('data', (chunk: Buffer) => (bytes += chunk.length));
        answer.on('end', () => done({ status: answer.statusCode!, bytes })).on('error', fail);
      },
    );
    sent.on('error', fail).end(body);
  });
}

/** Milliseconds of one fsync after a small write, each few ms until `signal` aborts, on the disk of `dir`. */
export async function fsyncTimes(dir: string, signal: AbortSignal): Promise<number[]> {
  const file = await open(join(dir, 'fsync-probe'), 'w');
  const times: number[] = [];
  try {
    while (!signal.aborted) {
      await file.write(Buffer.alloc(4096), 0, 4096, times.length * 4096);
      const began = performance.now();
      await file.datasync();
      times.push(performance.now() - began);
      await sleep(20);
    }
  } finally {
    await file.close();
  }
  return times;
}

export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil((sorted.length * p) / 100) - 1)] ?? Number.NaN;
}
