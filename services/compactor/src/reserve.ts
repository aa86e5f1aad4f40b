import { KilnError } from '@kiln/model';
import type { Logger, Metrics } from '@kiln/telemetry';
import type { DiskUsage } from './room.ts';

/** What takes room on the disk only to be removed. */
export interface ReserveFile {
  /** What it takes while it is there. */
  readonly bytes: number;
  isThere(): boolean;
  make(): Promise<void>;
  remove(): Promise<void>;
}

export interface ReservePorts {
  readonly file: ReserveFile;
  /** Of the disk that the file is on; undefined when nobody can say. */
  readonly usage: () => Promise<DiskUsage | undefined>;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** In sizes of the file: what is free when the disk is as good as full, and what must be free beside the file when it is made. */
const RELEASE_BELOW = 0.25;
const FILL_ABOVE = 0.5;

/**
 * Room for letting go: who deletes writes first that the names are gone, and a disk that is full to the last byte has no room for that. It is released
 * when the disk is as good as full, belongs to who deletes until there is clearly room again, and is filled then.
 */
export class Reserve {
  readonly #ports: ReservePorts;
  #freeBytes: number | undefined;
  /** Whether the log knows that nothing is held. */
  #isTold = false;

  constructor(ports: ReservePorts) {
    this.#ports = ports;
    const { file, metrics } = ports;
    metrics.gaugeOf(
      { name: 'kiln_compactor_reserve_bytes', help: 'Bytes that are held for deleting on a full disk; 0 = released.' },
      () => (file.isThere() ? file.bytes : 0),
    );
  }

  /** Of the disk, with what is not held counted as used: it is nobody's to fill. */
  async usage(): Promise<DiskUsage | undefined> {
    const { file, usage } = this.#ports;
    const found = await usage().catch(() => undefined);
    this.#freeBytes = found === undefined ? undefined : found.totalBytes - found.usedBytes;
    if (found === undefined || file.isThere()) return found;
    return { ...found, usedBytes: Math.min(found.totalBytes, found.usedBytes + file.bytes) };
  }

  /** Why nobody may write but who deletes; undefined when everybody may. */
  refusal(): string | undefined {
    if (this.#ports.file.isThere() || !this.#isShort()) return undefined;
    return `the disk of the data directory is full: the ${this.#freeBytes} bytes that are left are held for deleting, free some space`;
  }

  /** Gives the room to who deletes, if the disk is as good as full. */
  async release(): Promise<void> {
    const { file, log } = this.#ports;
    await this.usage();
    const { bytes } = file;
    if (!file.isThere() || this.#freeBytes === undefined || this.#freeBytes >= bytes * RELEASE_BELOW) return;
    try {
      await file.remove();
      this.#isTold = true;
      log.warn('the disk is full: the reserve was released, so that something can be deleted', { bytes });
    } catch (error) {
      log.warn('the disk is full, and the reserve cannot be released', { why: KilnError.from(error).message });
    }
    await this.usage();
  }

  /** Holds the room again, if there is clearly more than that. What fails is told once, and tried again each time. */
  async fill(): Promise<void> {
    const { file, log } = this.#ports;
    await this.usage();
    if (file.isThere() || this.#freeBytes === undefined) return;
    const { bytes } = file;
    try {
      if (this.#isShort()) throw new KilnError('unavailable', `${this.#freeBytes} bytes are left on the disk`);
      await file.make();
      if (this.#isTold) log.info('room is held on the disk again, for deleting when it is full', { bytes });
      this.#isTold = false;
    } catch (error) {
      const why = KilnError.from(error).message;
      if (!this.#isTold) log.warn('no room is held on the disk for deleting when it is full', { bytes, why });
      this.#isTold = true;
    }
    await this.usage();
  }

  #isShort(): boolean {
    return this.#freeBytes !== undefined && this.#freeBytes < this.#ports.file.bytes * (1 + FILL_ABOVE);
  }
}
