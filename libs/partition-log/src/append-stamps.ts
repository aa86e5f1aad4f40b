import type { Clock } from '@kiln/async';

/**
 * The append times of one log: the wall clock, but never going back. After the clock was set back they go on at half its pace until it has caught
 * up: times that stood still would make every reader keep its ids for as long as the clock had been ahead, for ever in the worst case.
 */
export class AppendStamps {
  readonly #clock: Clock;
  /** What the clock said at the last stamp; before the first one no time has passed. */
  #clockMs = Infinity;
  /** The last stamp, not rounded, so that small steps add up. */
  #stampMs: number;

  /** @param lastMs the newest stamp in the log, -1 without one. */
  constructor(clock: Clock, lastMs: number) {
    this.#clock = clock;
    this.#stampMs = lastMs;
  }

  /** The stamp of what is appended now. */
  next(): number {
    const nowMs = this.#clock.nowMs();
    const passedMs = Math.max(0, nowMs - this.#clockMs);
    this.#clockMs = nowMs;
    this.#stampMs = Math.max(nowMs, this.#stampMs + passedMs / 2);
    return Math.floor(this.#stampMs);
  }
}
