import type { Clock } from '@kiln/async';
import { KilnError, type LogId } from '@kiln/model';
import type { Appended, LogEntry, OpenLog } from '@kiln/partition-log';
import type { Handlers, PortRpc } from '@kiln/threads';
import { packEntries, unpackEntries, type RecordBatch } from './record-batch.ts';

/** A log of the main thread as a worker reads it. */
export function remoteLog(rpc: PortRpc, slot: number, id: LogId, partition: number): OpenLog {
  return {
    id,
    partition,
    append(): Promise<Appended> {
      throw new KilnError('unimplemented', 'a worker does not append to a log');
    },
    read: (from, signal) => readRemote(rpc, slot, from, signal),
    startOffset: () => rpc.call('log.startOffset', slot) as Promise<number>,
    endOffset: () => rpc.call('log.endOffset', slot) as Promise<number>,
    trim: async (to) => void (await rpc.call('log.trim', slot, to)),
  };
}

/** One batch is fetched while the one before is being worked on. */
async function* readRemote(rpc: PortRpc, slot: number, from: number, signal: AbortSignal): AsyncIterable<LogEntry[]> {
  if (signal.aborted) return;
  const reader = (await rpc.call('log.read', slot, from)) as number;
  const stop = (): void => void rpc.call('log.stop', reader).catch(() => undefined);
  const next = (): Promise<RecordBatch | undefined> => {
    const batch = rpc.call('log.next', reader) as Promise<RecordBatch | undefined>;
    batch.catch(() => undefined); // it may fail after nobody wants it any more
    return batch;
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    for (let coming = next(); ;) {
      const batch = await coming;
      if (batch === undefined || signal.aborted) return;
      coming = next();
      yield unpackEntries(batch);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** A worker gets new records at most once in so long: to wake a thread whose caches others have used costs more than a small record does. */
const GATHER_MS = 20;

interface Reader {
  readonly slot: number;
  readonly log: OpenLog;
  readonly entries: AsyncIterator<LogEntry[]>;
  readonly stop: AbortController;
  /** When it was last given a batch, Unix milliseconds; -Infinity before the first. */
  servedMs: number;
  /** While records are being gathered for it: ends that. */
  gathering: AbortController | undefined;
  /** Up to this offset somebody waits for the records. */
  wanted: number;
}

/**
 * The main thread's side of `remoteLog`: by slot, the logs a worker may read. Records that come one soon after the other are handed over together,
 * at once when somebody is in a hurry.
 */
export class LogServer {
  readonly #logs: ReadonlyMap<number, OpenLog>;
  readonly #clock: Clock;
  readonly #readers = new Map<number, Reader>();
  #nextReader = 0;

  constructor(logs: ReadonlyMap<number, OpenLog>, clock: Clock) {
    this.#logs = logs;
    this.#clock = clock;
  }

  /** Somebody waits for the records of a slot up to an offset: they are handed over at once. */
  hurry(slot: number, upTo: number): void {
    for (const reader of this.#readers.values()) {
      if (reader.slot !== slot) continue;
      reader.wanted = Math.max(reader.wanted, upTo);
      reader.gathering?.abort();
    }
  }

  /** Ends all readers: the worker is gone. One that comes after it opens its own. */
  close(): void {
    for (const reader of this.#readers.keys()) this.#stop(reader);
  }

  handlers(): Handlers {
    return {
      'log.startOffset': (slot: number) => this.#log(slot).startOffset(),
      'log.endOffset': (slot: number) => this.#log(slot).endOffset(),
      'log.trim': (slot: number, to: number) => this.#log(slot).trim(to),
      'log.read': (slot: number, from: number) => {
        const log = this.#log(slot);
        const stop = new AbortController();
        const entries = log.read(from, stop.signal)[Symbol.asyncIterator]();
        this.#readers.set(this.#nextReader, {
          slot,
          log,
          entries,
          stop,
          servedMs: -Infinity,
          gathering: undefined,
          wanted: -1,
        });
        return this.#nextReader++;
      },
      'log.next': async (reader: number) => {
        const open = this.#readers.get(reader);
        const batch = open === undefined ? undefined : await this.#next(open);
        return batch === undefined ? undefined : packEntries(batch);
      },
      'log.stop': (reader: number) => this.#stop(reader),
    };
  }

  /** The next entries; when they are the newest and come soon after those before, with what comes until `GATHER_MS` have passed since then. */
  async #next(reader: Reader): Promise<LogEntry[] | undefined> {
    const { log, entries } = reader;
    const next = await entries.next();
    if (next.done === true) return undefined;
    let batch = next.value;
    const last = batch.at(-1)!.offset;
    const isWanted = reader.wanted >= batch[0]!.offset;
    const waitMs = reader.servedMs + GATHER_MS - this.#clock.nowMs();
    if (waitMs > 0 && !isWanted && (await log.endOffset()) <= last) {
      await this.#gather(reader, Math.min(waitMs, GATHER_MS));
      const more = (await log.endOffset()) > last ? await entries.next() : undefined;
      if (more !== undefined && more.done !== true) batch = [...batch, ...more.value];
    }
    reader.servedMs = this.#clock.nowMs();
    return batch;
  }

  async #gather(reader: Reader, ms: number): Promise<void> {
    reader.gathering = new AbortController();
    await this.#clock.sleep(ms, reader.gathering.signal).catch(() => undefined);
    reader.gathering = undefined;
  }

  /** The signal ends one that waits for the log to grow; one that waits to be asked again, with its file open, has to be told. */
  #stop(reader: number): void {
    const { entries, stop, gathering } = this.#readers.get(reader) ?? {};
    this.#readers.delete(reader);
    stop?.abort();
    gathering?.abort();
    void entries?.return?.().catch(() => undefined);
  }

  #log(slot: number): OpenLog {
    const log = this.#logs.get(slot);
    if (log === undefined) throw new KilnError('internal', `this worker has no log in slot ${slot}`);
    return log;
  }
}
