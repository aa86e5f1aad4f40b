import type { Clock } from '@kiln/async';
import { KilnError } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import type { OpenLog } from '@kiln/partition-log';
import type { Logger } from '@kiln/telemetry';
import { Worker } from 'node:worker_threads';
import type { Budget } from '../budget.ts';
import type { PartitionAnswer, Question } from '../partition-answer.ts';
import type { PartitionHost } from '../partition-host.ts';
import { absentStatus, type PartitionStatus } from '../partition-status.ts';
import { PortRpc } from '@kiln/threads';
import { LogServer } from './remote-log.ts';
import { storeHandlers } from './remote-store.ts';
import type { WorkerSetup } from './worker-setup.ts';

/** What a worker's host keeps in the main thread. */
export interface WorkerHostPorts {
  readonly setup: WorkerSetup;
  /** By slot. */
  readonly logs: ReadonlyMap<number, OpenLog>;
  readonly objects: ObjectStore;
  readonly budget: Budget;
  readonly clock: Clock;
  readonly log: Logger;
}

const RESTART_BASE_MS = 200;
const RESTART_MAX_MS = 30_000;
/** A worker that lived this long starts the waiting anew. */
const STEADY_MS = 60_000;

/** Partitions in a worker thread. One that dies is started again, later each time, and opens from the chain; until then status says why. */
export class WorkerHost implements PartitionHost {
  readonly #ports: WorkerHostPorts;
  readonly #stopping = new AbortController();
  #rpc: PortRpc | undefined;
  #worker: Worker | undefined;
  #death: string | undefined;
  readonly #running: Promise<void>;

  constructor(ports: WorkerHostPorts) {
    this.#ports = ports;
    this.#running = this.#run();
  }

  async answer(slot: number, question: Question): Promise<PartitionAnswer> {
    if (this.#rpc === undefined) throw this.#absent();
    return (await this.#rpc.call('answer', slot, question)) as PartitionAnswer;
  }

  async status(slot: number): Promise<PartitionStatus> {
    const { partition, logId } = this.#ports.setup.places.find((place) => place.slot === slot)!;
    try {
      if (this.#rpc !== undefined) return (await this.#rpc.call('status', slot)) as PartitionStatus;
    } catch (error) {
      this.#death ??= KilnError.from(error).message;
    }
    return absentStatus(partition, logId, this.#stopping.signal.aborted ? 'stopped' : 'opening', this.#death);
  }

  async stop(cut: boolean): Promise<void> {
    try {
      this.#stopping.abort();
      await this.#rpc?.call('stop', cut);
    } catch (error) {
      this.#ports.log.warn('a worker died while stopping; the log has what it held', { error: KilnError.from(error) });
    }
    await this.#worker?.terminate();
    await this.#running;
  }

  /** Ends the worker at once, as a crash would. */
  async crash(): Promise<void> {
    await this.#worker?.terminate();
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
    const { setup, logs, objects, budget } = this.#ports;
    const server = new LogServer(logs);
    const worker = new Worker(entry(), {
      workerData: setup,
      name: `ingester ${setup.places.map((p) => p.partition).join()}`,
    });
    const rpc = new PortRpc(worker, { ...storeHandlers(objects), ...server.handlers() });
    this.#worker = worker;
    this.#rpc = rpc;
    const { promise, resolve } = Promise.withResolvers<string>();
    worker.once('error', (error) => resolve(error instanceof Error ? error.message : String(error)));
    worker.once('exit', (code) => resolve(`exit code ${code}`));
    const reason = await promise;
    this.#rpc = undefined;
    this.#worker = undefined;
    rpc.close(new KilnError('unavailable', `the worker thread of this partition died: ${reason}`));
    server.close();
    for (const { slot } of setup.places) budget.set(slot, { openBytes: 0, frozenBytes: 0, fixedBytes: 0 });
    return reason;
  }

  #absent(): KilnError {
    return new KilnError(
      'unavailable',
      `the worker thread of this partition is not running: ${this.#death ?? 'stopped'}`,
    );
  }
}

/** The worker beside this file: TypeScript when this runs from source, else what the compiler made of it. */
function entry(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`partition.worker.${extension}`, import.meta.url);
}
