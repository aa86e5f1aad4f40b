import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { pushRequest, tinyPprof } from './tiny-pprof.ts';

/** What a well-behaved client and a watcher of the process saw since they were asked last. */
export interface Seen {
  /** Longest answer of `/ready`, milliseconds. */
  readonly readyMs: number;
  /** Largest resident memory, MiB. */
  readonly rssMib: number;
  readonly acknowledged: number;
  /** Requests that were not answered with success, and how. */
  readonly refused: readonly string[];
}

/** On a thread of its own, so that nothing of the attack delays what it measures: pushes all the time, asks `/ready`, looks at the memory. */
export class Bystander {
  readonly #worker: Worker;

  /** @param tenant where the process has several. */
  constructor(url: string, pid: number, tenant?: string) {
    this.#worker = new Worker(import.meta.filename, { workerData: { url, pid, tenant } });
  }

  /** What was seen since the last call. */
  seen(): Promise<Seen> {
    const answer = new Promise<Seen>((resolve) => this.#worker.once('message', resolve));
    this.#worker.postMessage('seen');
    return answer;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Resident memory of a process, MiB. */
export function rssMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

async function watch({ url, pid, tenant }: { url: string; pid: number; tenant?: string }): Promise<void> {
  const owner: Record<string, string> = tenant === undefined ? {} : { 'x-scope-orgid': tenant };
  let readyMs = 0;
  let memory = 0;
  let acknowledged = 0;
  let refused: string[] = [];
  parentPort!.on('message', () => {
    parentPort!.postMessage({
      readyMs,
      rssMib: Math.max(memory, rssMib(pid)),
      acknowledged,
      refused,
    } satisfies Seen);
    readyMs = memory = acknowledged = 0;
    refused = [];
  });
  const probe = async (): Promise<never> => {
    for (;;) {
      const began = performance.now();
      const status = await fetch(`${url}/ready`).then((response) => response.text(), String);
      if (status !== 'ready') refused.push(`/ready: ${status}`);
      readyMs = Math.max(readyMs, performance.now() - began);
      memory = Math.max(memory, rssMib(pid));
      await sleep(50);
    }
  };
  const push = async (): Promise<never> => {
    for (let i = 0; ; i++) {
      const timeNanos = BigInt(Date.now()) * 1_000_000n + BigInt((i % 1_000) + 1);
      const profile = tinyPprof({
        type: 'cpu',
        unit: 'ns',
        timeNanos,
        stacks: [{ frames: ['leaf', 'main'], value: 1n }],
      });
      const body = pushRequest([
        { labels: { __name__: 'process_cpu', service_name: 'bystander' }, profiles: [profile] },
      ]);
      const headers = { 'content-type': 'application/proto', ...owner };
      const answer = await fetch(`${url}/push.v1.PusherService/Push`, { method: 'POST', headers, body }).then(
        async (response) => (response.ok ? 'ok' : `${response.status} ${await response.text()}`),
        String,
      );
      if (answer === 'ok') acknowledged++;
      else refused.push(answer);
      await sleep(30);
    }
  };
  await Promise.all([probe(), push()]);
}

if (!isMainThread && parentPort !== null) void watch(workerData as { url: string; pid: number; tenant?: string });
