import type { OwnerAnswer } from '@kiln/catalog';
import { withTimeout, type Clock } from '@kiln/async';
import { KilnError } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import type { OpenLog } from '@kiln/partition-log';
import type { Logger } from '@kiln/telemetry';
import { Worker } from 'node:worker_threads';
import type { Budget } from '../budget.ts';
import type { Question } from '../partition-answer.ts';
import type { PartitionHost } from '../partition-host.ts';
import { absentStatus, type PartitionStatus } from '../partition-status.ts';
import { PortRpc } from '@kiln/threads';
import { LogServer } from './remote-log.ts';
import { storeHandlers } from './remote-store.ts';
import type { WorkerSetup } from './worker-setup.ts';

/** What a worker's host keeps in the main thread. */
export interface WorkerHostPorts {
  readonly setup: WorkerSetup;
  /** JavaScript heap above which the worker is ended, alone: the process lives on. */
  readonly heapMaxBytes: number;
  /** By slot. */
  readonly logs: ReadonlyMap<number, OpenLog>;
  readonly objects: ObjectStore;
  readonly budget: Budget;
  readonly clock: Clock;
  readonly log: Logger;
  /** For tests of a worker that hangs: its file, the one beside this by default. */
  readonly entry?: URL | undefined;
}

const RESTART_BASE_MS = 200;
const RESTART_MAX_MS = 30_000;
/** A worker that lived this long starts the waiting anew. */
const STEADY_MS = 60_000;
/** A worker that has not answered for this long hangs: nothing it does in one go takes seconds. */
const HANGS_MS = 5_000;
/** How long a stop may take: a partition gives the store 20 s to take its last cut. */
const STOP_MS = 25_000;
const MIB = 1024 * 1024;

/** Partitions in a worker thread. One that dies is started again, later each time, and opens from the chain; until then status says why. */
export class WorkerHost implements PartitionHost {
  readonly #ports: WorkerHostPorts;
  readonly #stopping = new AbortController();
  #rpc: PortRpc | undefined;
  #worker: Worker | undefined;
  #death: string | undefined;
  /** What the worker that lives said last, by slot. */
  readonly #seen = new Map<number, PartitionStatus>();
  readonly #running: Promise<void>;

  constructor(ports: WorkerHostPorts) {
    this.#ports = ports;
    this.#running = this.#run();
  }

  async answer(slot: number, question: Question): Promise<OwnerAnswer> {
    if (this.#rpc === undefined) throw this.#absent();
    return (await this.#rpc.call('answer', slot, question)) as OwnerAnswer;
  }

  async status(slot: number): Promise<PartitionStatus> {
    const { partition, logId } = this.#ports.setup.places.find((place) => place.slot === slot)!;
    const rpc = this.#rpc;
    let why = this.#death;
    try {
      if (rpc !== undefined) {
        const status = (await this.#ask(rpc, HANGS_MS, 'status', slot)) as PartitionStatus;
        this.#seen.set(slot, status);
        return status;
      }
    } catch (error) {
      why = KilnError.from(error).message;
      const seen = this.#seen.get(slot);
      if (seen !== undefined) return { ...seen, lag: undefined, error: why }; // it hangs: what it has done is not undone
    }
    return absentStatus(partition, logId, this.#stopping.signal.aborted ? 'stopped' : 'opening', why);
  }

  /** Ends within seconds, and half a minute when the store is slow with the last cut: a worker that hangs or dies is ended, the log has what it held. */
  async stop(cut: boolean): Promise<void> {
    this.#stopping.abort();
    const rpc = this.#rpc;
    try {
      if (rpc !== undefined) {
        await this.#ask(rpc, HANGS_MS, 'ping');
        await this.#ask(rpc, STOP_MS, 'stop', cut);
      }
    } catch (error) {
      this.#ports.log.warn('a worker did not stop and is ended; the log has what it held', {
        error: KilnError.from(error),
      });
    }
    await this.crash();
    await this.#running;
  }

  /** Ends the worker at once, as a crash would. */
  async crash(): Promise<void> {
    await this.#worker?.terminate();
  }

  #ask(rpc: PortRpc, ms: number, method: string, ...args: unknown[]): Promise<unknown> {
    return withTimeout(this.#ports.clock, ms, `${method} of a worker thread`, () => rpc.call(method, ...args));
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#ports;
    for (let deaths = 0; !this.#stopping.signal.aborted; deaths++) {
      const startedMs = clock.nowMs();
      this.#death = await this.#live();
      if (this.#stopping.signal.aborted) return;
      if (clock.nowMs() - startedMs > STEADY_MS) deaths = 0;
      const waitMs = Math.min(RESTART_MAX_MS, RESTART_BASE_MS * 2 ** Math.min(deaths, 10));
      log.error('an ingester worker died and will be started again', { reason: this.#death, waitMs });
      await clock.sleep(waitMs, this.#stopping.signal).catch(() => undefined);
    }
  }

  /** Runs one worker until it ends. @returns why it did. */
  async #live(): Promise<string> {
    const { setup, heapMaxBytes, logs, objects, budget, entry = besideThis() } = this.#ports;
    const server = new LogServer(logs);
    let worker: Worker;
    try {
      worker = new Worker(entry, {
        workerData: setup,
        name: `ingester ${setup.places.map((p) => p.partition).join()}`,
        resourceLimits: { maxOldGenerationSizeMb: Math.ceil(heapMaxBytes / MIB) },
      });
    } catch (error) {
      return `it could not be started: ${(error as Error).message}`; // no memory or no thread
    }
    const rpc = new PortRpc(worker, { ...storeHandlers(objects), ...server.handlers() });
    this.#worker = worker;
    this.#rpc = rpc;
    const { promise, resolve } = Promise.withResolvers<string>();
    worker.once('error', (error) => resolve(this.#reasonOf(error)));
    worker.once('exit', (code) => resolve(`exit code ${code}`));
    const reason = await promise;
    this.#rpc = undefined;
    this.#worker = undefined;
    this.#seen.clear();
    rpc.close(new KilnError('unavailable', `the worker thread of this partition died: ${reason}`));
    server.close();
    for (const { slot } of setup.places) budget.set(slot, { openBytes: 0, frozenBytes: 0, fixedBytes: 0 });
    return reason;
  }

  #reasonOf(error: unknown): string {
    if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY') {
      const limit = Math.ceil(this.#ports.heapMaxBytes / MIB);
      return `it ran out of memory at ${limit} MiB of JavaScript heap: give the process more, or raise ingester.head-max-bytes`;
    }
    return error instanceof Error ? error.message : String(error);
  }

  #absent(): KilnError {
    return new KilnError(
      'unavailable',
      `the worker thread of this partition is not running: ${this.#death ?? 'stopped'}`,
    );
  }
}

/** The worker beside this file: TypeScript when this runs from source, else what the compiler made of it. */
function besideThis(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`partition.worker.${extension}`, import.meta.url);
}
