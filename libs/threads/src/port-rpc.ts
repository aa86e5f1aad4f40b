import { KilnError, type Code } from '@kiln/model';
import type { Transferable } from 'node:worker_threads';

/** The end of a channel between two threads: a MessagePort, a Worker, or parentPort. */
export interface MessageEnd {
  postMessage(message: unknown, transfer?: readonly Transferable[]): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

/** A value whose buffers are moved to the other thread instead of copied; the sender must not touch them again. */
export class Moved<T> {
  readonly value: T;
  readonly transfer: readonly Transferable[];

  constructor(value: T, transfer: readonly Transferable[]) {
    this.value = value;
    this.transfer = transfer;
  }
}

/** How a call is made. */
export interface CallOptions {
  /** Buffers that are moved to the other side. */
  readonly transfer?: readonly Transferable[];
  /** Tells the handler that nobody waits any more: it is given a signal of its own as the last argument. The call ends when the handler does. */
  readonly signal?: AbortSignal;
}

/** What one side answers: a method name and plain, cloneable arguments, and a signal where the call has one. */
export type Handlers = Readonly<Record<string, (...args: never[]) => unknown>>;

type Message =
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly method: string;
      readonly args: unknown[];
      readonly canAbort: boolean;
    }
  | { readonly kind: 'abort'; readonly id: number; readonly error: ErrorAsData }
  | { readonly kind: 'done'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: ErrorAsData };

/** A KilnError as plain data. */
export interface ErrorAsData {
  readonly code: Code;
  readonly message: string;
  readonly reason: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly httpStatus: number | undefined;
  readonly about: string | undefined;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: KilnError) => void;
}

/** Calls in both directions over one channel. Errors cross as KilnErrors: code, sentence, reason. */
export class PortRpc {
  readonly #end: MessageEnd;
  readonly #handlers: Handlers;
  readonly #waiting = new Map<number, Waiting>();
  /** Calls of the other side that it may abort, while they are answered. */
  readonly #answering = new Map<number, AbortController>();
  #nextId = 0;
  #closed: KilnError | undefined;

  constructor(end: MessageEnd, handlers: Handlers) {
    this.#end = end;
    this.#handlers = handlers;
    end.on('message', (message) => void this.#receive(message as Message));
  }

  /** Calls `method` on the other side. @throws KilnError the other side's error, or the one given to `close`. */
  async call(method: string, ...args: unknown[]): Promise<unknown> {
    return this.callWith({}, method, ...args);
  }

  /** As `call`. @throws also the signal's reason when it was aborted before. */
  async callWith({ transfer = [], signal }: CallOptions, method: string, ...args: unknown[]): Promise<unknown> {
    if (this.#closed !== undefined) throw this.#closed;
    signal?.throwIfAborted();
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    this.#post({ kind: 'call', id, method, args, canAbort: signal !== undefined }, transfer);
    if (signal === undefined) return promise;
    const abort = (): void => this.#post({ kind: 'abort', id, error: errorAsData(KilnError.from(signal.reason)) });
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  #post(message: Message, transfer?: readonly Transferable[]): void {
    this.#end.postMessage(message, transfer);
  }

  /** Fails all calls, those under way and those to come: the other side is gone. */
  close(error: KilnError): void {
    this.#closed ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  async #receive(message: Message): Promise<void> {
    if (message.kind === 'call') {
      await this.#answer(message);
      return;
    }
    if (message.kind === 'abort') {
      this.#answering.get(message.id)?.abort(errorFromData(message.error));
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === 'done') waiting?.resolve(message.value);
    else waiting?.reject(errorFromData(message.error));
  }

  async #answer({ id, method, args, canAbort }: Message & { readonly kind: 'call' }): Promise<void> {
    const abort = canAbort ? new AbortController() : undefined;
    if (abort !== undefined) this.#answering.set(id, abort);
    try {
      const handler = this.#handlers[method];
      if (handler === undefined)
        throw new KilnError('unimplemented', `no method ${JSON.stringify(method)} in this thread`);
      const value = await handler(...((abort === undefined ? args : [...args, abort.signal]) as never[]));
      if (this.#closed !== undefined) return;
      if (value instanceof Moved) this.#post({ kind: 'done', id, value: value.value }, value.transfer);
      else this.#post({ kind: 'done', id, value });
    } catch (error) {
      if (this.#closed === undefined) this.#post({ kind: 'failed', id, error: errorAsData(KilnError.from(error)) });
    } finally {
      this.#answering.delete(id);
    }
  }
}

/** Bytes ready to be moved: themselves when they are the whole of their buffer, else a copy. None are not moved: somebody may keep them as a constant. */
export function movable(bytes: Uint8Array): Moved<Uint8Array> {
  if (bytes.byteLength === 0) return new Moved(bytes, []);
  const whole =
    bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes); // not slice(): that of a Buffer is a view of its pool, which cannot be moved
  return new Moved(whole, [whole.buffer as ArrayBuffer]);
}

/** What crosses; the cause stays. */
export function errorAsData({ code, message, reason, retryAfterSeconds, httpStatus, about }: KilnError): ErrorAsData {
  return { code, message, reason, retryAfterSeconds, httpStatus, about };
}

export function errorFromData({ code, message, reason, retryAfterSeconds, httpStatus, about }: ErrorAsData): KilnError {
  return new KilnError(code, message, {
    ...(reason !== undefined && { reason }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    ...(httpStatus !== undefined && { httpStatus }),
    ...(about !== undefined && { about }),
  });
}
