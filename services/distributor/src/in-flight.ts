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

/**
 * Bounds what all requests together hold in memory, bodies and decompressed profiles, until they are answered (design: distributed.md §1.6,
 * Back-pressure). A request that is alone always fits: its own bound is the body limit of its tenant.
 */
export class InFlight {
  readonly limitBytes: number;
  #used = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#used;
  }

  open(): Held {
    let held = 0;
    const expect = (bytes: number): void => {
      if (this.#used > held && this.#used + bytes > this.limitBytes) throw this.#full(bytes);
    };
    return {
      expect,
      grow: (bytes) => {
        expect(bytes);
        held += bytes;
        this.#used += bytes;
      },
      release: () => {
        this.#used -= held;
        held = 0;
      },
    };
  }

  #full(bytes: number): KilnError {
    return new KilnError(
      'unavailable',
      `requests in flight hold ${this.#used} bytes, ${bytes} more do not fit below ${this.limitBytes}: send again in a moment`,
      { retryAfterSeconds: RETRY_SECONDS },
    );
  }
}
