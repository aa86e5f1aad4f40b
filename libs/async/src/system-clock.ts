import type { Clock } from './clock.ts';

/** The real time. The one place of the libs that may read it or set a timer; made by edges and by services/kiln only. */
export function systemClock(): Clock {
  return { nowMs: () => Date.now(), sleep };
}

/** A timer takes no more: it fires at once. */
const LONGEST_MS = 2 ** 31 - 1;

async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  let left = ms;
  for (; left > LONGEST_MS; left -= LONGEST_MS) await timer(LONGEST_MS, signal);
  return timer(left, signal);
}

function timer(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal?.aborted) {
    reject(signal.reason);
    return promise;
  }
  // A sleep of 0 is a turn of the event loop; a timer would make it a millisecond.
  const handle = ms <= 0 && typeof setImmediate === 'function' ? void setImmediate(resolve) : setTimeout(wake, ms);
  function wake(): void {
    signal?.removeEventListener('abort', stop);
    resolve();
  }
  function stop(): void {
    clearTimeout(handle);
    reject(signal?.reason);
  }
  if (handle !== undefined) signal?.addEventListener('abort', stop, { once: true });
  return promise;
}
