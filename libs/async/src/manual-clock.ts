import type { Clock } from './clock.ts';
import { systemClock } from './system-clock.ts';

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** Time that stands still until a test turns it. Sleepers wake in the order of their times, equal times in the order they fell asleep. */
export class ManualClock implements Clock {
  #nowMs: number;
  #sleepers: Sleeper[] = [];

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** How many wait now. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (signal?.aborted) {
      reject(signal.reason);
      return promise;
    }
    const sleeper: Sleeper = { atMs: this.#nowMs + Math.ceil(Math.max(0, ms)), wake };
    const stop = (): void => {
      this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
      reject(signal?.reason);
    };
    function wake(): void {
      signal?.removeEventListener('abort', stop);
      resolve();
    }
    signal?.addEventListener('abort', stop, { once: true });
    const after = this.#sleepers.findIndex((other) => other.atMs > sleeper.atMs);
    this.#sleepers.splice(after < 0 ? this.#sleepers.length : after, 0, sleeper);
    return promise;
  }

  /** Moves time by `ms`; whoever is due wakes at its own time, and what it does until its next wait happens before the next one wakes. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    while (this.#sleepers.length > 0 && this.#sleepers[0]!.atMs <= untilMs) await this.#wakeNext();
    this.#nowMs = untilMs;
  }

  /** Moves time from sleeper to sleeper until `work` is settled, and returns its outcome. */
  async run<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const finish = (): void => void (done = true);
    work.then(finish, finish);
    const turns = systemClock();
    for (;;) {
      await settle();
      if (done) return work;
      if (this.#sleepers.length > 0) await this.#wakeNext();
      else await turns.sleep(0); // it waits for real I/O
    }
  }

  async #wakeNext(): Promise<void> {
    const next = this.#sleepers.shift()!;
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.wake();
    await settle();
  }
}

/** Lets chains of promises that are ready run: each await inside them takes a turn or three. */
async function settle(): Promise<void> {
  for (let i = 0; i < 64; i++) await Promise.resolve();
}
