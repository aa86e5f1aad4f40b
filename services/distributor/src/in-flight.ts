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
/** A request that holds more is a large one. */
const SMALL_BYTES = 4 * 1024 * 1024;

/**
 * Bounds what all requests together hold in memory, bodies and decompressed profiles, until they are answered (design: distributed.md §1.6,
 * Back-pressure). Large requests share the limit; small ones have a quarter beside it, so that a few large bodies do not shut out every other
 * client. A request that is alone in its share always fits: its own bound is the body limit of its tenant. None fits while the process is at its
 * ceiling: by then the largest heads are being cut, reading of the log has paused and reads are refused.
 */
export class InFlight {
  readonly #large: Share;
  readonly #small: Share;
  readonly #ledger: MemoryLedger;

  constructor(limitBytes: number, ledger: MemoryLedger = MemoryLedger.create()) {
    this.#ledger = ledger;
    this.#large = { limitBytes, usedBytes: 0 };
    this.#small = { limitBytes: Math.floor(limitBytes / 4), usedBytes: 0 };
  }

  get usedBytes(): number {
    return this.#large.usedBytes + this.#small.usedBytes;
  }

  open(): Held {
    let held = 0;
    let share = this.#small;
    /** The share to be in with `more` bytes. */
    const fit = (more: number): Share => {
      const next = held + more > SMALL_BYTES ? this.#large : this.#small;
      const others = next.usedBytes - (next === share ? held : 0);
      if (others > 0 && others + held + more > next.limitBytes) throw full(others + held, more, next.limitBytes);
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
}

interface Share {
  readonly limitBytes: number;
  usedBytes: number;
}

function full(used: number, more: number, limitBytes: number): KilnError {
  return new KilnError(
    'unavailable',
    `requests in flight hold ${used} bytes, ${more} more do not fit below ${limitBytes} (distributor.in-flight-max-bytes): send again in a moment`,
    { retryAfterSeconds: RETRY_SECONDS },
  );
}

function overCeiling(why: string): KilnError {
  return new KilnError('unavailable', `${why}: send again in a moment`, {
    reason: 'memory_ceiling',
    retryAfterSeconds: RETRY_SECONDS,
  });
}
