import type { OwnerAnswer } from '@kiln/catalog';
import { withTimeout, type Clock } from '@kiln/async';
import { KilnError } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import type { OpenLog } from '@kiln/partition-log';
import type { Logger } from '@kiln/telemetry';
import type { Budget } from '../budget.ts';
import type { Question } from '../partition-answer.ts';
import type { PartitionHost } from '../partition-host.ts';
import { absentStatus, type PartitionStatus } from '../partition-status.ts';
import { Thread } from '@kiln/threads';
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

/** A worker that has not answered for this long hangs: nothing it does in one go takes seconds. */
const HANGS_MS = 5_000;
/** How long a stop may take: a partition gives the store 20 s to take its last cut. */
const STOP_MS = 25_000;

/** Partitions in a worker thread. One that dies is started again, and opens from the chain; until then status says why. */
export class WorkerHost implements PartitionHost {
  readonly #ports: WorkerHostPorts;
  readonly #thread: Thread;
  readonly #logs: LogServer;
  #stopping = false;
  /** What the worker that lives said last, by slot. */
  readonly #seen = new Map<number, PartitionStatus>();

  constructor(ports: WorkerHostPorts) {
    const { setup, heapMaxBytes, logs, objects, budget, clock, log, entry = besideThis() } = ports;
    this.#ports = ports;
    const server = new LogServer(logs, clock);
    this.#logs = server;
    this.#thread = new Thread({
      name: `ingester ${setup.places.map(({ partition }) => partition).join()}`,
      entry,
      data: setup,
      handlers: { ...storeHandlers(objects), ...server.handlers() },
      heap: { maxBytes: heapMaxBytes, hint: 'give the process more, or raise ingester.head-max-bytes' },
      onDeath: () => {
        this.#seen.clear();
        server.close();
        for (const { slot } of setup.places) budget.set(slot, { openBytes: 0, frozenBytes: 0, fixedBytes: 0 });
      },
      clock,
      log,
    });
  }

  async answer(slot: number, question: Question): Promise<OwnerAnswer> {
    this.#logs.hurry(slot, question.upTo);
    return (await this.#thread.call({}, 'answer', slot, question)) as OwnerAnswer;
  }

  async status(slot: number): Promise<PartitionStatus> {
    const { partition, logId } = this.#ports.setup.places.find((place) => place.slot === slot)!;
    let why = this.#thread.death;
    try {
      if (why === undefined) {
        const status = (await this.#ask(HANGS_MS, 'status', slot)) as PartitionStatus;
        this.#seen.set(slot, status);
        return status;
      }
    } catch (error) {
      why = KilnError.from(error).message;
      const seen = this.#seen.get(slot);
      if (seen !== undefined) return { ...seen, lag: undefined, error: why }; // it hangs: what it has done is not undone
    }
    return absentStatus(partition, logId, this.#stopping ? 'stopped' : 'opening', why);
  }

  /** Ends within seconds, and half a minute when the store is slow with the last cut: a worker that hangs or dies is ended, the log has what it held. */
  async stop(cut: boolean): Promise<void> {
    this.#stopping = true;
    this.#thread.retire();
    try {
      if (this.#thread.death === undefined) {
        await this.#ask(HANGS_MS, 'ping');
        await this.#ask(STOP_MS, 'stop', cut);
      }
    } catch (error) {
      this.#ports.log.warn('a worker did not stop and is ended; the log has what it held', {
        error: KilnError.from(error),
      });
    }
    await this.#thread.stop();
  }

  /** Ends the worker at once, as a crash would. */
  crash(): Promise<void> {
    return this.#thread.crash();
  }

  #ask(ms: number, method: string, ...args: unknown[]): Promise<unknown> {
    return withTimeout(this.#ports.clock, ms, `${method} of a worker thread`, () =>
      this.#thread.call({}, method, ...args),
    );
  }
}

/** The worker beside this file: TypeScript when this runs from source, else what the compiler made of it. */
function besideThis(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`partition.worker.${extension}`, import.meta.url);
}
