/** What a queue may hold: `limit` in the unit of `sizeOf` (bytes, or items when absent). */
export interface QueueOptions<T> {
  readonly limit: number;
  readonly sizeOf?: (item: T) => number;
}

interface Pusher<T> {
  readonly item: T;
  readonly done: (entered: boolean) => void;
}

type Taker<T> = (item: T | undefined) => void;

/**
 * First in, first out, bounded: `tryPush` refuses and `push` waits when it is full. One item larger than the limit enters an empty queue.
 * After `close` nothing enters, and what is inside can still be taken.
 */
export class BoundedQueue<T> {
  readonly #limit: number;
  readonly #sizeOf: (item: T) => number;
  #items: T[] = [];
  #size = 0;
  #closed = false;
  /** Who waits for room, and who waits for an item: both are served in the order they came, at once, so that nobody slips in between. */
  #pushers: Pusher<T>[] = [];
  #takers: Taker<T>[] = [];

  constructor({ limit, sizeOf = () => 1 }: QueueOptions<T>) {
    this.#limit = limit;
    this.#sizeOf = sizeOf;
  }

  /** Items inside. */
  get length(): number {
    return this.#items.length;
  }

  /** Sum of their sizes. */
  get size(): number {
    return this.#size;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** False when the item does not fit now, when others wait for room already, or after `close`. */
  tryPush(item: T): boolean {
    return this.#pushers.length === 0 && this.#enter(item);
  }

  /** Resolves with true when the item is inside, with false when the queue was closed before. Rejects with the signal's reason. */
  async push(item: T, signal?: AbortSignal): Promise<boolean> {
    signal?.throwIfAborted();
    if (this.tryPush(item)) return true;
    if (this.#closed) return false;
    return inLine<boolean, Pusher<T>>(this.#pushers, (done) => ({ item, done }), signal);
  }

  /** The oldest item, waiting for one; undefined once the queue is closed and empty. Rejects with the signal's reason. */
  async take(signal?: AbortSignal): Promise<T | undefined> {
    signal?.throwIfAborted();
    if (this.#items.length > 0) return this.tryTake();
    if (this.#closed) return undefined;
    return inLine<T | undefined, Taker<T>>(this.#takers, (done) => done, signal);
  }

  /** The oldest item if there is one now. */
  tryTake(): T | undefined {
    if (this.#items.length === 0) return undefined;
    const item = this.#items.shift()!;
    this.#size -= this.#sizeOf(item);
    while (this.#pushers.length > 0 && this.#enter(this.#pushers[0]!.item)) this.#pushers.shift()!.done(true);
    return item;
  }

  close(): void {
    this.#closed = true;
    for (const { done } of this.#pushers.splice(0)) done(false);
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #enter(item: T): boolean {
    if (this.#closed) return false;
    const taker = this.#takers.shift();
    if (taker !== undefined) {
      taker(item);
      return true;
    }
    const size = this.#sizeOf(item);
    if (this.#size + size > this.#limit && this.#items.length > 0) return false;
    this.#items.push(item);
    this.#size += size;
    return true;
  }
}

/** Waits in `line` until called; leaves it when the signal aborts. */
function inLine<V, W>(line: W[], make: (done: (value: V) => void) => W, signal: AbortSignal | undefined): Promise<V> {
  const { promise, resolve, reject } = Promise.withResolvers<V>();
  const waiter = make((value) => {
    signal?.removeEventListener('abort', leave);
    resolve(value);
  });
  const leave = (): void => {
    const at = line.indexOf(waiter);
    if (at >= 0) line.splice(at, 1);
    reject(signal?.reason);
  };
  signal?.addEventListener('abort', leave, { once: true });
  line.push(waiter);
  return promise;
}
