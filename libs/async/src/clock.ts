/** Time as libs and services see it; only edges make a real one, so that tests can turn it. */
export interface Clock {
  /** Unix milliseconds, a whole number. */
  nowMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
