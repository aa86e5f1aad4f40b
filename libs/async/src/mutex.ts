import { Semaphore } from './semaphore.ts';

/** One at a time, in the order of asking. */
export class Mutex {
  readonly #one = new Semaphore(1);

  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#one.run(work, signal);
  }
}

/** One at a time per key, in the order of asking; different keys do not wait for each other. Keys that nobody uses take no memory. */
export class KeyedMutex<K> {
  readonly #last = new Map<K, Promise<void>>();

  get keys(): number {
    return this.#last.size;
  }

  async run<T>(key: K, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last.set(key, promise);
    try {
      await before;
      return await work();
    } finally {
      resolve();
      if (this.#last.get(key) === promise) this.#last.delete(key);
    }
  }
}
