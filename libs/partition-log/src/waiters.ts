/** Readers that wait for the log to grow. */
export class Waiters {
  readonly #waiting = new Set<() => void>();

  /** Resolves at the next `wake`, or when the signal aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const go = (): void => resolve();
    this.#waiting.add(go);
    signal.addEventListener('abort', go);
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', go);
      this.#waiting.delete(go);
    }
  }

  wake(): void {
    for (const go of this.#waiting) go();
  }
}
