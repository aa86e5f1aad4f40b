import type { Clock } from './clock.ts';
import type { Random } from './random.ts';

/** When to try again and how long to wait before. Without `attempts`, `deadlineMs` and `signal` there is no end. */
export interface RetryOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Upper bound of the first wait; it doubles with each try. Each wait is random between 0 and its bound ("full jitter"). */
  readonly baseMs: number;
  /** No wait is longer. */
  readonly maxMs: number;
  /** Tries in all, the first included. */
  readonly attempts?: number;
  /** No try starts later than this after the first one started. */
  readonly deadlineMs?: number;
  /** Aborting ends the waiting with the signal's reason; a running try is the caller's to end. */
  readonly signal?: AbortSignal | undefined;
  /** Whether this error may go away by itself; default: every error. */
  readonly retryIf?: (error: unknown) => boolean;
}

/** Calls `attempt` (0, 1, 2, …) until it succeeds. Throws the error of the last try when it may not be repeated. */
export async function retry<T>(attempt: (n: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, random, baseMs, maxMs, attempts = Infinity, deadlineMs = Infinity, signal, retryIf } = options;
  const untilMs = clock.nowMs() + deadlineMs;
  for (let n = 0; ; n++) {
    signal?.throwIfAborted();
    try {
      return await attempt(n);
    } catch (error) {
      const waitMs = random() * Math.min(maxMs, baseMs * 2 ** n);
      const over = n + 1 >= attempts || clock.nowMs() + waitMs > untilMs;
      if (over || retryIf?.(error) === false) throw error;
      await clock.sleep(waitMs, signal);
    }
  }
}
