interface Waiter {
  readonly count: number;
  readonly enter: () => void;
}

/** Permits for at most `limit` at a time (calls, or bytes). First come, first served: a large request is not overtaken by small ones. */
export class Semaphore {
  readonly limit: number;
  #used = 0;
  #waiters: Waiter[] = [];

  constructor(limit: number) {
    if (!(limit > 0)) throw new RangeError(`a semaphore of ${limit} permits lets nobody in`);
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  /** Takes `count` permits if that needs no waiting. A count above the limit enters when nobody else is in. */
  tryAcquire(count = 1): (() => void) | undefined {
    if (this.#waiters.length > 0 || !this.#fits(count)) return undefined;
    return this.#enter(count);
  }

  /** Waits for `count` permits; the returned function gives them back, once. Rejects with the signal's reason. */
  async acquire(count = 1, signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    const release = this.tryAcquire(count);
    if (release !== undefined) return release;
    const { promise, resolve, reject } = Promise.withResolvers<() => void>();
    const waiter: Waiter = {
      count,
      enter: () => {
        signal?.removeEventListener('abort', leave);
        resolve(this.#enter(count));
      },
    };
    const leave = (): void => {
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      reject(signal?.reason);
      this.#admit();
    };
    signal?.addEventListener('abort', leave, { once: true });
    this.#waiters.push(waiter);
    return promise;
  }

  /** Runs `work` with one permit. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const release = await this.acquire(1, signal);
    try {
      return await work();
    } finally {
      release();
    }
  }

  #fits(count: number): boolean {
    return this.#used + count <= this.limit || this.#used === 0;
  }

  #enter(count: number): () => void {
    this.#used += count;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#used -= count;
      this.#admit();
    };
  }

  #admit(): void {
    while (this.#waiters.length > 0 && this.#fits(this.#waiters[0]!.count)) this.#waiters.shift()!.enter();
  }
}
