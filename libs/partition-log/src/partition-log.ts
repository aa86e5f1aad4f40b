import type { LogId } from '@kiln/model';

/** Where and when a record was appended. */
export interface Appended {
  /** Position in the log, from 0, without holes. */
  readonly offset: number;
  /** The log's own stamp, Unix milliseconds, never going back within a log, and going on with the clock: after that was set back, at half its pace. */
  readonly appendMs: number;
}

/** One record as it is read back. */
export interface LogEntry extends Appended {
  /** The record's bytes; undefined where the log holds this offset but its frame is damaged. */
  readonly record: Uint8Array | undefined;
}

/** One partition of the stream of writes, opened for appending and reading (design: distributed.md §1.5). */
export interface OpenLog {
  readonly id: LogId;
  readonly partition: number;
  /**
   * Adds one record at the end. Resolves only when the record is durable; records are durable in order.
   * @throws KilnError `unavailable` when it could not be made durable; nothing is then known of the record unless the message says so.
   */
  append(record: Uint8Array): Promise<Appended>;
  /**
   * Durable entries from `from` on, in order, then waits for more until the signal aborts (the iteration then ends without error).
   * Starts at `startOffset` when `from` lies before it: the caller sees the jump in offsets.
   */
  read(from: number, signal: AbortSignal): AsyncIterable<LogEntry[]>;
  /** The first offset still held. */
  startOffset(): Promise<number>;
  /** The offset of the newest durable record, -1 when there never was one. */
  endOffset(): Promise<number>;
  /** Lets go of records up to and including `to`; what shares a file with a later record may stay. */
  trim(to: number): Promise<void>;
}

/** The log of a cluster or a laptop: all partitions of one writer. */
export interface PartitionLog extends AsyncDisposable {
  readonly partitions: number;
  open(partition: number): Promise<OpenLog>;
}
