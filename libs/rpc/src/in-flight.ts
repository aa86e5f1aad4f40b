import { MemoryLedger } from '@kiln/async';
import { KilnError } from '@kiln/model';

/** The bytes that one request holds. */
export interface Held {
  /** Throws what `grow` would. What is only announced is not counted: it may never come. */
  expect(bytes: number): void;
  /** Counts more bytes. @throws KilnError `unavailable` with `Retry-After` when they do not fit beside what other requests hold. */
  grow(bytes: number): void;
  /** Gives all of them back. */
  release(): void;
}

const RETRY_SECONDS = 1;
/** A request that holds more is a large one, unless told. */
const SMALL_BYTES = 4 * 1024 * 1024;

export interface InFlightOptions {
  /** What a small request holds at most; 0 where all are of a kind and share the limit. */
  readonly smallBytes?: number;
  /** Of the process: requests are counted in it. */
  readonly ledger?: MemoryLedger | undefined;
}

/**
 * Bounds what all requests of a kind together hold in memory until they are answered (design: distributed.md §1.6, Back-pressure). Large requests share
 * the limit; small ones have a quarter beside it, so that a few large bodies do not shut out every other client. A request that is alone in its share
 * always fits: its own bound is another limit, such as that of its tenant. None fits while the process is at its ceiling: by then the largest heads are
 * being cut, reading of the log has paused and reads are refused.
 */
export class InFlight {
  readonly #large: Share;
  readonly #small: Share;
  readonly #smallBytes: number;
  readonly #setting: string;
  readonly #ledger: MemoryLedger;

  /** @param setting that changes the limit, for sentences. */
  constructor(limitBytes: number, setting: string, { smallBytes, ledger }: InFlightOptions = {}) {
    this.#large = { limitBytes, usedBytes: 0 };
    this.#small = { limitBytes: Math.floor(limitBytes / 4), usedBytes: 0 };
    this.#smallBytes = smallBytes ?? SMALL_BYTES;
    this.#setting = setting;
    this.#ledger = ledger ?? MemoryLedger.create();
  }

  get usedBytes(): number {
    return this.#large.usedBytes + this.#small.usedBytes;
  }

  open(): Held {
    let held = 0;
    let share = this.#small;
    /** The share to be in with `more` bytes. */
    const fit = (more: number): Share => {
      const next = held + more > this.#smallBytes ? this.#large : this.#small;
      const others = next.usedBytes - (next === share ? held : 0);
      if (others > 0 && others + held + more > next.limitBytes) throw this.#full(others + held, more, next.limitBytes);
      if (!this.#ledger.fits(more)) throw overCeiling(this.#ledger.describe(more));
      return next;
    };
    const move = (next: Share, bytes: number): void => {
      this.#ledger.move('requests', held, bytes);
      share.usedBytes -= held;
      share = next;
      held = bytes;
      share.usedBytes += held;
    };
    return {
      expect: (bytes) => void fit(bytes),
      grow: (bytes) => move(fit(bytes), held + bytes),
      release: () => move(this.#small, 0),
    };
  }

  #full(used: number, more: number, limitBytes: number): KilnError {
    return new KilnError(
      'unavailable',
      `requests in flight hold ${used} bytes, ${more} more do not fit below ${limitBytes} (${this.#setting}): send again in a moment`,
      { retryAfterSeconds: RETRY_SECONDS },
    );
  }
}

interface Share {
  readonly limitBytes: number;
  usedBytes: number;
}

function overCeiling(why: string): KilnError {
  return new KilnError('unavailable', `${why}: send again in a moment`, {
    reason: 'memory_ceiling',
    retryAfterSeconds: RETRY_SECONDS,
  });
}
