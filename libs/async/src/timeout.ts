import type { Clock } from './clock.ts';

/** Work did not end in time. */
export class TimeoutError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TimeoutError';
  }
}

/**
 * Runs `work` with a signal that aborts after `ms` with a TimeoutError naming `what`, or with `signal`. Rejects then, even when `work`
 * does not listen; its late outcome is dropped.
 */
export async function withTimeout<T>(
  clock: Clock,
  ms: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const over = new AbortController();
  const done = new AbortController();
  const both = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]);
  const timer = clock.sleep(ms, done.signal).then(
    () => over.abort(new TimeoutError(`${what} did not end within ${ms} ms`)),
    () => undefined,
  );
  const aborted = Promise.withResolvers<never>();
  const stop = (): void => aborted.reject(both.reason);
  both.addEventListener('abort', stop, { once: true });
  try {
    both.throwIfAborted();
    return await Promise.race([work(both), aborted.promise]);
  } finally {
    both.removeEventListener('abort', stop);
    done.abort();
    await timer;
  }
}
