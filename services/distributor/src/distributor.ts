import { retry, type Clock, type Random } from '@kiln/async';
import { KilnError, type LogId } from '@kiln/model';
import type { Appended, OpenLog } from '@kiln/partition-log';
import { silentLogger, type CounterMetric, type Logger, type Metrics } from '@kiln/telemetry';
import { AppendTroubles } from './append-troubles.ts';
import type { PlacedRecord } from './placer.ts';

/** Where one record of a push went. */
export interface Written {
  readonly log: LogId;
  readonly offset: number;
}

export interface DistributorPorts {
  /** One open log per partition, by partition number. */
  readonly logs: readonly OpenLog[];
  readonly clock: Clock;
  /** Spreads the retries of appends. */
  readonly random: Random;
  readonly metrics: Metrics;
  /** Hears when appends begin to fail, and when that ends; none = nobody does. */
  readonly log?: Logger | undefined;
}

/** A failed append is tried again for so long; then the push is refused (design: distributed.md §1.6 Append). */
const RETRY = { baseMs: 50, maxMs: 1_000, deadlineMs: 10_000 };

/** Appends records to the logs of their partitions. A push resolves only when all its records are durable. */
export class Distributor {
  readonly #ports: DistributorPorts;
  readonly #troubles: AppendTroubles;
  readonly #failures: CounterMetric;

  constructor(ports: DistributorPorts) {
    this.#ports = ports;
    this.#troubles = new AppendTroubles(ports.clock, ports.log ?? silentLogger);
    this.#failures = ports.metrics.counter({
      name: 'kiln_distributor_append_failures_total',
      help: 'Failed tries to append a record to the log, by partition.',
      labels: ['partition'],
    });
    ports.metrics.gaugeOf(
      {
        name: 'kiln_distributor_failing_partitions',
        help: 'Partitions whose last append failed, seconds ago at most.',
      },
      () => this.#troubles.count,
    );
  }

  /** Why it is not ready, in words: appends fail. Undefined as soon as one succeeds, and when none was tried for 15 s. */
  notReady(): string | undefined {
    return this.#troubles.sentence;
  }

  /**
   * Appends the records of one push.
   * @param signal ends the tries: those that are under way may succeed.
   * @throws KilnError `unavailable` when one could not be made durable in 10 s: the client may send again, copies of profiles that identify themselves
   * are dropped by id. The signal's reason.
   */
  async append(records: readonly PlacedRecord[], signal?: AbortSignal): Promise<Written[]> {
    const outcomes = await Promise.allSettled(records.map((placed) => this.#append(placed, signal)));
    const errors = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? KilnError.from(outcome.reason) : []));
    const first = errors.find(({ code }) => code !== 'invalid_argument') ?? errors[0];
    if (first !== undefined) throw first;
    return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
  }

  /**
   * Appends until the record is known to be there. Each try has the same bytes, so each profile keeps its id, also one made by chance: what a try of
   * unknown outcome left behind is dropped as a copy.
   */
  async #append({ partition, record }: PlacedRecord, signal: AbortSignal | undefined): Promise<Written> {
    const { logs, clock, random } = this.#ports;
    const log = logs[partition]!;
    const { offset } = await retry(() => this.#try(log, record), { ...RETRY, clock, random, signal, retryIf: mayPass });
    return { log: log.id, offset };
  }

  async #try(log: OpenLog, record: Uint8Array): Promise<Appended> {
    try {
      const appended = await log.append(record);
      this.#troubles.over(log.partition);
      return appended;
    } catch (error) {
      if (mayPass(error)) {
        this.#failures.add(1, { partition: String(log.partition) });
        this.#troubles.failed(log.partition, error.message);
      }
      throw error;
    }
  }
}

/** Whether trouble of a log may go away by itself. A record that is too large and a log that is closed stay so. */
function mayPass(error: unknown): error is KilnError {
  return error instanceof KilnError && error.code === 'unavailable';
}
