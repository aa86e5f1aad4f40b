import type { FrameReader } from './frame.ts';
import type { LogEntry } from './partition-log.ts';
import type { LogEnd } from './segment.ts';

const MAX_ENTRIES = 256;
const MAX_BYTES = 4 << 20;

/**
 * Reads the entries of one segment in order. A frame with a wrong CRC is one entry without a record as long as its length leads to a whole frame or
 * exactly to the end; else no border after it is known, and every offset up to the end is an entry without a record.
 */
export class SegmentCursor {
  readonly #frames: FrameReader;
  #at: LogEnd;
  #appendMs: number;
  /** Offsets below it have no known frame border. */
  #lostBelow = 0;

  /** @param appendMs of the last entry before, for entries whose own stamp is damaged. */
  constructor(frames: FrameReader, start: LogEnd, appendMs: number) {
    this.#frames = frames;
    this.#at = start;
    this.#appendMs = appendMs;
  }

  get offset(): number {
    return this.#at.offset;
  }

  get appendMs(): number {
    return this.#appendMs;
  }

  /** Up to 256 entries or 4 MiB from `from` on and before `end`; none at the end. */
  async next(from: number, end: LogEnd): Promise<LogEntry[]> {
    const entries: LogEntry[] = [];
    let bytes = 0;
    while (this.#at.offset < end.offset && entries.length < MAX_ENTRIES && bytes < MAX_BYTES) {
      const { offset } = this.#at;
      const record = await this.#step(end);
      if (offset < from) continue;
      entries.push({ offset, appendMs: this.#appendMs, record });
      bytes += record?.length ?? 0;
    }
    return entries;
  }

  async #step(end: LogEnd): Promise<Uint8Array | undefined> {
    const { offset, position } = this.#at;
    if (offset < this.#lostBelow) {
      this.#at = { offset: offset + 1, position };
      return undefined;
    }
    const frame = await this.#frames.frameAt(position, end.position);
    const whole = frame?.record !== undefined;
    if (frame === undefined || (!whole && !(await this.#leadsOn({ offset: offset + 1, position: frame.next }, end)))) {
      this.#lostBelow = end.offset;
      this.#at = { offset: offset + 1, position: end.position };
      return undefined;
    }
    if (whole) this.#appendMs = Math.max(this.#appendMs, frame.appendMs);
    this.#at = { offset: offset + 1, position: frame.next };
    return frame.record;
  }

  /** Whether a border that a damaged frame names is one: a whole frame starts there, or lengths lead from there exactly to the end. */
  async #leadsOn(start: LogEnd, end: LogEnd): Promise<boolean> {
    let { offset, position } = start;
    while (offset < end.offset) {
      const frame = await this.#frames.frameAt(position, end.position);
      if (frame === undefined) return false;
      if (frame.record !== undefined) return true;
      offset++;
      position = frame.next;
    }
    return position === end.position;
  }
}
