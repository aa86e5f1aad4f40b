import type { Clock } from '@kiln/async';
import type { Logger } from '@kiln/telemetry';

/** Trouble is forgotten when nobody has tried for so long: a process that is not ready may get no push that could show that it is over. */
const FORGET_MS = 15_000;
/** Nothing has failed for so long: then trouble is told to be over, so that a disk that fails now and then fills no log. */
const CALM_MS = 5_000;

interface Trouble {
  readonly sinceMs: number;
  lastMs: number;
  why: string;
}

/** Which partitions take no records at the moment, and why. */
export class AppendTroubles {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Since when, while the log was told of trouble and not that it is over. */
  #toldMs: number | undefined;
  #failedMs = 0;
  readonly #byPartition = new Map<number, Trouble>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** An append to this partition failed, in words. */
  failed(partition: number, why: string): void {
    const nowMs = this.#clock.nowMs();
    const known = this.#current(partition);
    if (known === undefined) this.#byPartition.set(partition, { sinceMs: nowMs, lastMs: nowMs, why });
    else Object.assign(known, { lastMs: nowMs, why });
    this.#failedMs = nowMs;
    if (this.#toldMs !== undefined) return;
    this.#toldMs = nowMs;
    this.#log.warn('appends to the log fail: pushes are refused after ten seconds', { partition, why });
  }

  /** An append to this partition succeeded. */
  over(partition: number): void {
    this.#byPartition.delete(partition);
    if (this.#toldMs === undefined) return;
    const nowMs = this.#clock.nowMs();
    if (this.count > 0 || nowMs - this.#failedMs < CALM_MS) return;
    this.#log.info('appends to the log succeed again', { seconds: Math.round((nowMs - this.#toldMs) / 1000) });
    this.#toldMs = undefined;
  }

  /** How many partitions are in trouble. */
  get count(): number {
    return this.#all().length;
  }

  /** The oldest trouble in words, with the number of partitions; undefined when there is none. */
  get sentence(): string | undefined {
    const all = this.#all();
    const oldest = all.toSorted((a, b) => a.sinceMs - b.sinceMs)[0];
    if (oldest === undefined) return undefined;
    const seconds = Math.round((this.#clock.nowMs() - oldest.sinceMs) / 1000);
    return `${all.length === 1 ? '1 partition takes' : `${all.length} partitions take`} no records, for ${seconds} s now: ${oldest.why}`;
  }

  #all(): Trouble[] {
    return [...this.#byPartition.keys()].flatMap((partition) => this.#current(partition) ?? []);
  }

  #current(partition: number): Trouble | undefined {
    const trouble = this.#byPartition.get(partition);
    return trouble !== undefined && this.#clock.nowMs() - trouble.lastMs < FORGET_MS ? trouble : undefined;
  }
}
