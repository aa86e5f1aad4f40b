import type { Clock } from '@kiln/async';
import { KilnError, makeLogId, type LogId } from '@kiln/model';
import { AppendStamps } from './append-stamps.ts';
import { noPartition } from './file-log.ts';
import { MAX_RECORD_BYTES } from './frame.ts';
import type { Appended, LogEntry, OpenLog, PartitionLog } from './partition-log.ts';
import { Waiters } from './waiters.ts';

export interface MemoryLogOptions {
  readonly partitions: number;
  readonly clock: Clock;
  /** 16 to 64 lower-case hex digits; zeros by default. */
  readonly writer?: string;
}

/** A log in memory, by the rules of every log: for tests and simulation. */
export function memoryLog(options: MemoryLogOptions): PartitionLog {
  const { partitions, clock, writer = '0'.repeat(32) } = options;
  const logs = Array.from({ length: partitions }, (_, p) => new MemoryPartition(makeLogId(writer, p), p, clock));
  return {
    partitions,
    open: async (partition: number): Promise<OpenLog> => logs[partition] ?? noPartition(partition, partitions),
    [Symbol.asyncDispose]: async (): Promise<void> => {
      for (const log of logs) log.close();
    },
  };
}

class MemoryPartition implements OpenLog {
  readonly id: LogId;
  readonly partition: number;
  readonly #stamps: AppendStamps;
  readonly #waiters = new Waiters();
  #entries: LogEntry[] = [];
  #start = 0;
  #closed = false;

  constructor(id: LogId, partition: number, clock: Clock) {
    this.id = id;
    this.partition = partition;
    this.#stamps = new AppendStamps(clock, 0);
  }

  async append(record: Uint8Array): Promise<Appended> {
    if (record.length > MAX_RECORD_BYTES)
      throw new KilnError(
        'invalid_argument',
        `record of ${record.length} bytes, a log takes up to ${MAX_RECORD_BYTES}`,
      );
    if (this.#closed) throw new KilnError('failed_precondition', 'the log is closed');
    const appended = { offset: this.#start + this.#entries.length, appendMs: this.#stamps.next() };
    this.#entries.push({ ...appended, record: record.slice() });
    this.#waiters.wake();
    return appended;
  }

  async *read(from: number, signal: AbortSignal): AsyncGenerator<LogEntry[], void, undefined> {
    let at = from;
    while (!signal.aborted && !this.#closed) {
      at = Math.max(at, this.#start);
      const entries = this.#entries.slice(at - this.#start, at - this.#start + 256);
      if (entries.length === 0) {
        await this.#waiters.wait(signal);
        continue;
      }
      at += entries.length;
      yield entries;
    }
  }

  async startOffset(): Promise<number> {
    return this.#start;
  }

  async endOffset(): Promise<number> {
    return this.#start + this.#entries.length - 1;
  }

  async trim(to: number): Promise<void> {
    const gone = Math.min(to + 1 - this.#start, this.#entries.length);
    if (gone <= 0) return;
    this.#entries = this.#entries.slice(gone);
    this.#start += gone;
  }

  close(): void {
    this.#closed = true;
    this.#waiters.wake();
  }
}
