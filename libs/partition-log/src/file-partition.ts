import type { Clock } from '@kiln/async';
import { diskTrouble, errorCode, removeIfThere, type Disk, type DiskFile } from '@kiln/disk';
import { KilnError, type LogId } from '@kiln/model';
import { takeBatch, type PendingAppend } from './append-queue.ts';
import { AppendStamps } from './append-stamps.ts';
import { encodeFrames, FrameReader, HEADER_BYTES, MAX_RECORD_BYTES, type Crc32 } from './frame.ts';
import type { Appended, LogEntry, OpenLog } from './partition-log.ts';
import { Recent } from './recent.ts';
import { SegmentCursor } from './segment-cursor.ts';
import { mark, markBefore, segmentAt, type LogEnd, type Segment } from './segment.ts';
import { Waiters } from './waiters.ts';

/** What one partition of a file log needs from the log. */
export interface PartitionOptions {
  readonly disk: Disk;
  readonly id: LogId;
  readonly partition: number;
  readonly folder: string;
  readonly clock: Clock;
  readonly crc32: Crc32;
  readonly lingerMs: number;
  readonly segmentBytes: number;
  /** Of the newest records, kept for readers. */
  readonly recentBytes: number;
}

/** A partition as it was found: everything before `end` is durable. */
export interface OpenedPartition {
  readonly segments: Segment[];
  /** The last segment, open for writing. */
  readonly file: DiskFile;
  readonly end: LogEnd;
  /** Of the newest record, -1 without one. */
  readonly appendMs: number;
}

/**
 * One partition in files. Appends that come while an fsync runs wait and go with the next one together. The state is `#end`, the durable end: it moves
 * only when an fsync has succeeded, readers never look behind it, and after any error the file is cut back to it before anything else is written.
 */
export class FilePartition implements OpenLog {
  readonly id: LogId;
  readonly partition: number;
  readonly #options: PartitionOptions;
  readonly #segments: Segment[];
  readonly #waiters = new Waiters();
  readonly #recent: Recent;
  readonly #queue: PendingAppend[] = [];
  #file: DiskFile;
  #end: LogEnd;
  readonly #stamps: AppendStamps;
  /** The file may hold more than `#end`. */
  #overhang = false;
  /**
   * The next append starts a new file. After a failed fsync the system may believe that pages are clean which never reached the disk, in this process
   * or in the one before: nothing acknowledged may follow them in the same file.
   */
  #mustRoll: boolean;
  #unsyncedTrim = false;
  #draining: Promise<void> | undefined;
  #trimming: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: PartitionOptions, opened: OpenedPartition) {
    this.id = options.id;
    this.partition = options.partition;
    this.#options = options;
    this.#segments = opened.segments;
    this.#recent = new Recent(options.recentBytes);
    this.#file = opened.file;
    this.#end = opened.end;
    this.#stamps = new AppendStamps(options.clock, opened.appendMs);
    this.#mustRoll = opened.end.position > 0;
  }

  append(record: Uint8Array): Promise<Appended> {
    if (record.length > MAX_RECORD_BYTES)
      return Promise.reject(
        new KilnError('invalid_argument', `record of ${record.length} bytes, a log takes up to ${MAX_RECORD_BYTES}`),
      );
    if (this.#closed) return Promise.reject(new KilnError('failed_precondition', 'the log is closed'));
    return new Promise((resolve, reject) => {
      this.#queue.push({ record, resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  async *read(from: number, signal: AbortSignal): AsyncGenerator<LogEntry[], void, undefined> {
    let at = from;
    let appendMs = 0;
    let open: OpenSegment | undefined;
    try {
      while (!signal.aborted && !this.#closed) {
        at = Math.max(at, this.#segments[0]!.first);
        // Taken together, before anything is awaited: the log grows and is trimmed meanwhile.
        const last = this.#end;
        const index = this.#segments.findLastIndex((each) => each.first <= at);
        const segment = this.#segments[index]!;
        const next = this.#segments[index + 1];
        if (at >= last.offset) {
          await this.#waiters.wait(signal);
          continue;
        }
        const recent = this.#recent.from(at);
        if (recent.length > 0) {
          await open?.file.close();
          open = undefined;
          at = recent.at(-1)!.offset + 1;
          appendMs = recent.at(-1)!.appendMs;
          yield recent;
          continue;
        }
        if (open?.segment !== segment) {
          await open?.file.close();
          open = undefined;
          open = await this.#openSegment(segment, at, appendMs);
          if (open === undefined) continue; // trimmed meanwhile
        }
        if (next !== undefined) segment.size ??= await open.file.size();
        const end = next === undefined ? last : { offset: next.first, position: segment.size! };
        const entries = await open.cursor.next(at, end);
        appendMs = open.cursor.appendMs;
        if (entries.length === 0) continue;
        at = entries.at(-1)!.offset + 1;
        yield entries;
      }
    } catch (error) {
      throw this.#trouble(error, 'reading');
    } finally {
      await open?.file.close();
    }
  }

  async startOffset(): Promise<number> {
    return this.#segments[0]!.first;
  }

  async endOffset(): Promise<number> {
    return this.#end.offset - 1;
  }

  trim(to: number): Promise<void> {
    const trimmed = this.#trimming.then(() => this.#trim(to));
    this.#trimming = trimmed.catch(() => {});
    return trimmed;
  }

  /** Finishes what was appended, ends the readers, closes the files. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#draining;
    await this.#trimming;
    this.#waiters.wake();
    await this.#file.close();
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // appends of one turn go together
    while (this.#queue.length > 0) {
      if (this.#options.lingerMs > 0) await this.#options.clock.sleep(this.#options.lingerMs);
      await this.#store(takeBatch(this.#queue));
    }
    this.#draining = undefined;
  }

  async #store(batch: readonly PendingAppend[]): Promise<void> {
    const { crc32 } = this.#options;
    let written = false;
    try {
      await this.#heal();
      await this.#rollWhenDue();
      const appendMs = this.#stamps.next();
      const records = batch.map((pending) => pending.record);
      const frames = encodeFrames(records, appendMs, crc32);
      const { offset, position } = this.#end;
      written = true;
      this.#overhang = true;
      await this.#file.writeDurably(frames, position, 'log-data');
      this.#overhang = false;
      mark(this.#segments.at(-1)!, this.#end);
      this.#end = { offset: offset + batch.length, position: position + frames.length };
      this.#remember(records, frames, offset, appendMs);
      for (const [index, pending] of batch.entries()) pending.resolve({ offset: offset + index, appendMs });
      this.#waiters.wake();
    } catch (error) {
      await this.#fail(batch, error, written);
    }
  }

  /** As views of the frames: the records belong to who appended them. */
  #remember(records: readonly Uint8Array[], frames: Uint8Array, offset: number, appendMs: number): void {
    let at = 0;
    for (const [index, { length }] of records.entries()) {
      at += HEADER_BYTES;
      this.#recent.add({ offset: offset + index, appendMs, record: frames.subarray(at, at + length) });
      at += length;
    }
  }

  /** The batch is not acknowledged. It is called "not stored" only when the file is known to end before it. */
  async #fail(batch: readonly PendingAppend[], error: unknown, written: boolean): Promise<void> {
    let outcome = NOT_STORED;
    if (written) await this.#heal().catch(() => (outcome = UNKNOWN));
    const trouble = this.#trouble(error, 'appending', outcome);
    for (const pending of batch) pending.reject(trouble);
  }

  /** Cuts what is behind the durable end. Tried again before every append until it succeeds. */
  async #heal(): Promise<void> {
    if (!this.#overhang) return;
    this.#mustRoll = true;
    await this.#file.truncate(this.#end.position);
    await this.#file.sync('log-repair');
    this.#overhang = false;
  }

  /** Everything in the old file is durable here; the new one's entry is before anything in it is acknowledged. */
  async #rollWhenDue(): Promise<void> {
    const { disk, folder, segmentBytes } = this.#options;
    const due = this.#mustRoll || this.#end.position >= segmentBytes;
    if (due && this.#end.position > 0) {
      const segment = segmentAt(folder, this.#end.offset);
      const file = await createSegment(disk, folder, segment);
      await this.#file.close();
      this.#segments.at(-1)!.size = this.#end.position;
      this.#segments.push(segment);
      this.#file = file;
      this.#end = { offset: this.#end.offset, position: 0 };
    }
    this.#mustRoll = false;
  }

  /** Oldest first and each one durably, so that a crash leaves no hole. The newest record stays: its stamp and the end are known by it. */
  async #trim(to: number): Promise<void> {
    const { disk, folder } = this.#options;
    try {
      for (;;) {
        if (this.#unsyncedTrim) await disk.syncDir(folder, 'log-trim');
        this.#unsyncedTrim = false;
        const next = this.#segments[1];
        const newest = this.#segments.length === 2 && this.#end.position === 0;
        if (next === undefined || next.first - 1 > to || newest || this.#closed) return;
        const gone = this.#segments.shift()!;
        this.#unsyncedTrim = true;
        await removeIfThere(disk, gone.path).catch((error: unknown) => {
          this.#segments.unshift(gone);
          throw error;
        });
      }
    } catch (error) {
      throw this.#trouble(error, 'trimming');
    }
  }

  async #openSegment(segment: Segment, from: number, appendMs: number): Promise<OpenSegment | undefined> {
    const { disk, crc32 } = this.#options;
    try {
      const file = await disk.open(segment.path, 'r');
      return {
        segment,
        file,
        cursor: new SegmentCursor(new FrameReader(file, crc32), markBefore(segment, from), appendMs),
      };
    } catch (error) {
      if (errorCode(error) === 'ENOENT' && !this.#segments.includes(segment)) return undefined;
      throw error;
    }
  }

  #trouble(error: unknown, doing: string, outcome?: { readonly text: string; readonly reason: string }): KilnError {
    if (error instanceof KilnError) return error;
    const where = `${doing} partition ${this.partition} of the log: ${diskTrouble(error, this.#options.folder)}`;
    return outcome === undefined
      ? new KilnError('unavailable', where, { cause: error })
      : new KilnError('unavailable', `${where}; ${outcome.text}`, { cause: error, reason: outcome.reason });
  }
}

const NOT_STORED = { text: 'the record is not stored', reason: 'not_stored' };
const UNKNOWN = { text: 'it is not known whether the record is stored', reason: 'unknown_outcome' };

interface OpenSegment {
  readonly segment: Segment;
  readonly file: DiskFile;
  readonly cursor: SegmentCursor;
}

/** A new, empty segment whose entry is durable. One that a failed try left is taken: nothing was written to it. */
export async function createSegment(disk: Disk, folder: string, segment: Segment): Promise<DiskFile> {
  let file: DiskFile;
  try {
    file = await disk.open(segment.path, 'create');
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    file = await disk.open(segment.path, 'rw');
  }
  try {
    await disk.syncDir(folder, 'log-segment');
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
