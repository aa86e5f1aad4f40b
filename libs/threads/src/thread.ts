import { Worker } from 'node:worker_threads';
import { withTimeout, type Clock } from '@kiln/async';
import { KilnError } from '@kiln/model';
import type { Logger } from '@kiln/telemetry';
import { PortRpc, type CallOptions, type Handlers } from './port-rpc.ts';

export interface ThreadOptions {
  /** What it is for, in sentences: `query`. */
  readonly name: string;
  /** The file that it runs, which answers calls by a PortRpc on `parentPort`. */
  readonly entry: URL;
  /** Its `workerData`. */
  readonly data: unknown;
  /** What it may call here. */
  readonly handlers: Handlers;
  /** JavaScript heap above which it is ended, alone: the process lives on. Without it V8 decides. */
  readonly heap?: {
    readonly maxBytes: number;
    /** Ends the sentence: what gives it more. */
    readonly hint: string;
  };
  /** Called each time it has ended, before its calls fail. */
  readonly onDeath?: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const RESTART_BASE_MS = 200;
const RESTART_MAX_MS = 30_000;
/** One that lived this long starts the waiting anew. */
const STEADY_MS = 60_000;
const STOP_MS = 5_000;
const MIB = 1024 * 1024;

/** A worker thread whose work can be begun anew: one that dies is started again, later each time; calls fail until then. */
export class Thread {
  readonly #options: ThreadOptions;
  readonly #retired = new AbortController();
  readonly #running: Promise<void>;
  #rpc: PortRpc | undefined;
  #worker: Worker | undefined;
  #death = 'stopped';
  #underWay = 0;

  constructor(options: ThreadOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Calls that are not answered yet. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Why it does not run now; undefined while it does. */
  get death(): string | undefined {
    return this.#rpc === undefined ? this.#death : undefined;
  }

  /** @throws KilnError what the thread threw; `unavailable` when it is not running or died meanwhile. */
  async call(options: CallOptions, method: string, ...args: unknown[]): Promise<unknown> {
    if (this.#rpc === undefined) throw this.#gone(this.#death);
    this.#underWay++;
    try {
      return await this.#rpc.callWith(options, method, ...args);
    } finally {
      this.#underWay--;
    }
  }

  /** From now on it is not started again. */
  retire(): void {
    this.#retired.abort();
  }

  /** Ends it at once, as a crash would. */
  async crash(): Promise<void> {
    await this.#worker?.terminate();
  }

  /** Ends it at once and for good; calls under way fail. */
  async stop(): Promise<void> {
    this.retire();
    const ended = withTimeout(this.#options.clock, STOP_MS, 'a thread', async () => {
      await this.crash();
      await this.#running;
    });
    await ended.catch(() => undefined); // stuck in native code: the process ends it
  }

  async #run(): Promise<void> {
    const { name, clock, log } = this.#options;
    const { signal } = this.#retired;
    for (let deaths = 0; !signal.aborted; deaths++) {
      const startedMs = clock.nowMs();
      this.#death = await this.#live();
      if (signal.aborted) return;
      if (clock.nowMs() - startedMs > STEADY_MS) deaths = 0;
      const waitMs = Math.min(RESTART_MAX_MS, RESTART_BASE_MS * 2 ** Math.min(deaths, 10));
      log.error('a thread died and will be started again', { thread: name, reason: this.#death, waitMs });
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  /** @returns why it ended. */
  async #live(): Promise<string> {
    const { name, entry, data, handlers, heap, onDeath } = this.#options;
    let worker: Worker;
    try {
      worker = new Worker(entry, {
        workerData: data,
        name,
        ...(heap !== undefined && { resourceLimits: { maxOldGenerationSizeMb: Math.ceil(heap.maxBytes / MIB) } }),
      });
    } catch (error) {
      return `it could not be started: ${(error as Error).message}`; // no memory or no thread
    }
    const rpc = new PortRpc(worker, handlers);
    this.#worker = worker;
    this.#rpc = rpc;
    const { promise, resolve } = Promise.withResolvers<string>();
    worker.once('error', (error) => resolve(this.#reasonOf(error)));
    worker.once('exit', (code) => resolve(`exit code ${code}`));
    const reason = await promise;
    this.#rpc = undefined;
    this.#worker = undefined;
    onDeath?.();
    rpc.close(this.#gone(reason));
    return reason;
  }

  #reasonOf(error: unknown): string {
    const { heap } = this.#options;
    if (heap !== undefined && (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY')
      return `it ran out of memory at ${Math.ceil(heap.maxBytes / MIB)} MiB of JavaScript heap: ${heap.hint}`;
    return error instanceof Error ? error.message : String(error);
  }

  #gone(reason: string): KilnError {
    return new KilnError('unavailable', `the ${this.#options.name} thread is not running: ${reason}`, {
      retryAfterSeconds: 1,
    });
  }
}

/** Threads that do the same work: a call goes to the one with the fewest under way. */
export class Threads {
  readonly #threads: readonly Thread[];

  /** @param count 1 or more. */
  constructor(count: number, options: ThreadOptions) {
    this.#threads = Array.from({ length: count }, () => new Thread(options));
  }

  /** @throws KilnError as `Thread.call`. */
  call(options: CallOptions, method: string, ...args: unknown[]): Promise<unknown> {
    const idlest = this.#threads.reduce((a, b) => (b.underWay < a.underWay ? b : a));
    return idlest.call(options, method, ...args);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.stop()));
  }
}
