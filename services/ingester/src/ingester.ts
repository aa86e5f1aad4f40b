import type { Clock, MemoryLedger, Random } from '@kiln/async';
import type { LogFrom, OwnerAnswer } from '@kiln/catalog';
import { KilnError, type TenantId } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import type { OpenLog } from '@kiln/partition-log';
import type { Query, QueryLimits } from '@kiln/query';
import type { Telemetry } from '@kiln/telemetry';
import { Budget } from './budget.ts';
import type { IngesterConfig } from './config.ts';
import { IngesterMetrics } from './ingester-metrics.ts';
import type { Question } from './partition-answer.ts';
import { LocalHost, type PartitionHost } from './partition-host.ts';
import type { PartitionStatus } from './partition-status.ts';
import type { CutSettings } from './partition-core.ts';
import { Partition } from './partition.ts';
import { StatusLog } from './status-log.ts';
import { nodeCodecs } from './worker/node-codecs.ts';
import { WorkerHost } from './worker/worker-host.ts';
import type { PartitionPlace } from './worker/worker-setup.ts';

/** What an ingester stands on. The adapters stay in the calling thread. */
export interface IngesterPorts {
  /** The logs of the partitions to follow, one each. */
  readonly logs: readonly OpenLog[];
  readonly objects: ObjectStore;
  readonly clock: Clock;
  /** Not shared with any other process's seed. */
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Of the process; none when nothing bounds it. */
  readonly ledger?: MemoryLedger | undefined;
  /** This process, for people who read manifests. */
  readonly writer: string;
  /** For tests of crashes: the step of a cut at which the process kills itself (`before-segment`, `after-segment`, `after-manifest`, `after-drop`, …). */
  readonly dieAt?: string | undefined;
  /** For tests of a worker that hangs: its file. */
  readonly workerEntry?: URL | undefined;
}

const OBSERVE_MS = 5_000;
/** JavaScript heap that a worker may always have: what it runs needs some 30 MB, a query and a cut beside it the rest. */
const WORKER_HEAP_BYTES = 128 * 1024 * 1024;

/** Follows partitions, keeps their heads, cuts and commits, answers recent queries. The next start after any crash is the same as the first. */
export class Ingester {
  readonly #config: IngesterConfig;
  readonly #ports: IngesterPorts;
  readonly #budget: Budget;
  readonly #places: readonly PartitionPlace[];
  /** By slot. */
  #hosts: readonly PartitionHost[] = [];
  readonly #stopping = new AbortController();
  #observing: Promise<void> | undefined;
  #notes: readonly string[] = [];

  constructor(config: IngesterConfig, ports: IngesterPorts) {
    this.#config = config;
    this.#ports = ports;
    this.#budget = Budget.create(config.headMaxBytes, ports.logs.length, ports.ledger);
    this.#places = ports.logs.map(({ id, partition }, slot) => ({ slot, logId: id, partition }));
  }

  /** Begins to follow all partitions; returns at once. `ready` says when they are. */
  start(): void {
    if (this.#hosts.length > 0) return;
    this.#hosts = this.#config.workers === 0 ? this.#localHosts() : this.#workerHosts();
    const { metrics, log } = this.#ports.telemetry;
    this.#observing = this.#observe(new IngesterMetrics(metrics), new StatusLog(log));
  }

  /**
   * ANSWER of design distributed.md §1.10, one answer per log followed here of the partitions named. It holds everything that was in the log when
   * the query came; what has not been consumed yet is waited for.
   * @param from every log that the reader knows of these partitions, with max(W, T).
   * @throws KilnError `unavailable` with reason `not_owner` for a partition that is not followed here; `aborted` with reason `stale_index` when the
   * reader does not know a log followed here, or asks from below its T; `unavailable` while a partition is not open, or far behind its log.
   */
  async answer(
    tenant: TenantId,
    query: Query,
    from: readonly LogFrom[],
    limits: QueryLimits = {},
  ): Promise<OwnerAnswer[]> {
    const asked = new Set(from.map(({ partition }) => partition));
    const work: Promise<OwnerAnswer>[] = [];
    for (const partition of asked) {
      const place = this.#places.find((other) => other.partition === partition);
      if (place === undefined) throw notOwner(partition);
      const named = from.find(({ logId }) => logId === place.logId);
      if (named === undefined) throw unknownLog(place);
      work.push(this.#ask(place.slot, { tenant, query, from: named.from, limits }));
    }
    return Promise.all(work);
  }

  /** Why it is not ready, in words; undefined when every partition has replayed its log and nothing is in trouble. */
  async notReady(): Promise<string | undefined> {
    const reasons = (await this.status()).flatMap((status) => reasonOf(status) ?? []);
    return reasons.length === 0 ? undefined : reasons.join('; ');
  }

  /** How each partition is doing, in the order of the logs. */
  async status(): Promise<PartitionStatus[]> {
    const statuses = await Promise.all(this.#places.map(({ slot }) => this.#host(slot).status(slot)));
    this.#notes = statuses.flatMap(({ partition, lostIds }) =>
      lostIds.map((lost) => `partition ${partition}: ${lost}`),
    );
    return statuses;
  }

  /** What an operator should know that does not make it unready, as of the last `status` or `notReady`: which ids are lost. */
  notes(): readonly string[] {
    return this.#notes;
  }

  /** Stops following. With `cutOnStop` the heads are committed first, if the store takes them. Ends in any case, whatever hangs. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const hosts = [...new Set(this.#hosts)];
    await Promise.all([this.#observing, ...hosts.map((host) => host.stop(this.#config.cutOnStop))]);
  }

  /** The end is looked up here, in the log's own thread: it costs no call when the partition is up to date, which is nearly always. */
  async #ask(slot: number, question: Omit<Question, 'upTo'>): Promise<OwnerAnswer> {
    const host = this.#host(slot);
    const upTo = await this.#ports.logs[slot]!.endOffset();
    return host.answer(slot, { ...question, upTo });
  }

  async #observe(metrics: IngesterMetrics, log: StatusLog): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const statuses = await this.status();
      metrics.observe(statuses);
      log.observe(statuses);
      await this.#ports.clock.sleep(OBSERVE_MS, signal).catch(() => undefined);
    }
  }

  #host(slot: number): PartitionHost {
    const host = this.#hosts[slot];
    if (host === undefined) throw new KilnError('unavailable', 'the ingester has not been started');
    return host;
  }

  #localHosts(): PartitionHost[] {
    const { objects, clock, random, writer, dieAt } = this.#ports;
    const partitions = new Map<number, Partition>();
    for (const [slot, log] of this.#ports.logs.entries()) {
      const killPoint = (step: string): void => {
        if (step === dieAt) process.kill(process.pid, 'SIGKILL');
      };
      const ports = { log, objects, codecs: nodeCodecs, clock, random, budget: this.#budget, slot, writer, killPoint };
      partitions.set(slot, new Partition({ ...ports, cuts: this.#cuts() }));
    }
    const host = new LocalHost(partitions);
    return this.#places.map(() => host);
  }

  #workerHosts(): PartitionHost[] {
    const { logs, objects, clock, telemetry, writer, dieAt, workerEntry } = this.#ports;
    const workers = Math.min(this.#config.workers, logs.length);
    const hosts = Array.from({ length: workers }, (_, w) => {
      const places = this.#places.filter(({ slot }) => slot % workers === w);
      return new WorkerHost({
        // One worker may hold all heads. Most of a head are columns outside of the JavaScript heap; names and tables lie in it.
        heapMaxBytes: Math.max(WORKER_HEAP_BYTES, this.#config.headMaxBytes),
        setup: { places, budget: this.#budget.share(), cuts: this.#cuts(), writer, dieAt },
        logs: new Map(places.map(({ slot }) => [slot, logs[slot]!])),
        objects,
        budget: this.#budget,
        clock,
        log: telemetry.log,
        entry: workerEntry,
      });
    });
    return this.#places.map(({ slot }) => hosts[slot % workers]!);
  }

  #cuts(): CutSettings {
    const { cutMaxAgeMs, cutMaxBytes, cutMaxLogBytes } = this.#config;
    return { maxAgeMs: cutMaxAgeMs, maxBytes: cutMaxBytes, maxLogBytes: cutMaxLogBytes };
  }
}

function reasonOf({ partition, state, error, caughtUp, lag }: PartitionStatus): string | undefined {
  if (error !== undefined) return `partition ${partition}, ${state}: ${error}`;
  if (state !== 'following') return `partition ${partition} is ${state}`;
  return caughtUp ? undefined : `partition ${partition} replays its log, ${lag ?? 'unknown'} records to go`;
}

function notOwner(partition: number): KilnError {
  return new KilnError('unavailable', `partition ${partition} is not followed by this ingester`, {
    reason: 'not_owner',
  });
}

function unknownLog({ partition, logId }: PartitionPlace): KilnError {
  return new KilnError(
    'aborted',
    `stale index: partition ${partition} is written to log ${logId}, which the reader does not name`,
    {
      reason: 'stale_index',
    },
  );
}
