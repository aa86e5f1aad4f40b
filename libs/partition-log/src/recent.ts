import type { LogEntry } from './partition-log.ts';

const MAX_ENTRIES = 256;

/** The newest entries of a partition, at most 256: a reader that follows closely gets them without the file. */
export class Recent {
  /** In order, without holes. */
  readonly #entries: LogEntry[] = [];
  readonly #maxBytes: number;
  #bytes = 0;

  /** @param maxBytes of all records together. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes an entry that has become durable: the offset after the newest one. Its bytes never change. */
  add(entry: LogEntry): void {
    this.#entries.push(entry);
    this.#bytes += entry.record?.length ?? 0;
    while (this.#entries.length > MAX_ENTRIES || this.#bytes > this.#maxBytes)
      this.#bytes -= this.#entries.shift()?.record?.length ?? 0;
  }

  /** All entries from an offset on; none when that one is not here. */
  from(offset: number): LogEntry[] {
    const first = this.#entries[0];
    return first === undefined || offset < first.offset ? [] : this.#entries.slice(offset - first.offset);
  }
}
