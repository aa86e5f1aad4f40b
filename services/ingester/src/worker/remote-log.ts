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

interface Reader {
  readonly entries: AsyncIterator<LogEntry[]>;
  readonly stop: AbortController;
}

/** The main thread's side of `remoteLog`: by slot, the logs a worker may read. */
export class LogServer {
  readonly #logs: ReadonlyMap<number, OpenLog>;
  readonly #readers = new Map<number, Reader>();
  #nextReader = 0;

  constructor(logs: ReadonlyMap<number, OpenLog>) {
    this.#logs = logs;
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
        const stop = new AbortController();
        const entries = this.#log(slot).read(from, stop.signal)[Symbol.asyncIterator]();
        this.#readers.set(this.#nextReader, { entries, stop });
        return this.#nextReader++;
      },
      'log.next': async (reader: number) => {
        const next = await this.#readers.get(reader)?.entries.next();
        return next === undefined || next.done === true ? undefined : packEntries(next.value);
      },
      'log.stop': (reader: number) => this.#stop(reader),
    };
  }

  /** The signal ends one that waits for the log to grow; one that waits to be asked again, with its file open, has to be told. */
  #stop(reader: number): void {
    const { entries, stop } = this.#readers.get(reader) ?? {};
    this.#readers.delete(reader);
    stop?.abort();
    void entries?.return?.().catch(() => undefined);
  }

  #log(slot: number): OpenLog {
    const log = this.#logs.get(slot);
    if (log === undefined) throw new KilnError('internal', `this worker has no log in slot ${slot}`);
    return log;
  }
}
