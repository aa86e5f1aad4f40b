import { KilnError, type LogId } from '@kiln/model';
import type { OpenLog } from '@kiln/partition-log';
import type { PlacedRecord } from './placer.ts';

/** Where one record of a push went: with the log's name, the write token of the answer. */
export interface Written {
  readonly log: LogId;
  readonly offset: number;
}

/** Appends records to the logs of their partitions. A push resolves only when all its records are durable. */
export class Distributor {
  readonly #logs: readonly OpenLog[];

  /** @param logs one open log per partition, by partition number. */
  constructor(logs: readonly OpenLog[]) {
    this.#logs = logs;
  }

  /**
   * Appends the records of one push.
   * @throws KilnError `unavailable` when one could not be made durable: the client may send again, copies are dropped by id.
   */
  async append(records: readonly PlacedRecord[]): Promise<Written[]> {
    const outcomes = await Promise.allSettled(records.map((placed) => this.#append(placed)));
    const written: Written[] = [];
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') throw KilnError.from(outcome.reason);
      written.push(outcome.value);
    }
    return written;
  }

  async #append({ partition, record }: PlacedRecord): Promise<Written> {
    const log = this.#logs[partition]!;
    const { offset } = await log.append(record);
    return { log: log.id, offset };
  }
}
