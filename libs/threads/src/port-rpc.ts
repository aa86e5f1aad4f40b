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

/** What one side answers: a method name and plain, cloneable arguments. */
export type Handlers = Readonly<Record<string, (...args: never[]) => unknown>>;

type Message =
  | { readonly kind: 'call'; readonly id: number; readonly method: string; readonly args: unknown[] }
  | { readonly kind: 'done'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: ErrorAsData };

/** A KilnError as plain data. */
export interface ErrorAsData {
  readonly code: Code;
  readonly message: string;
  readonly reason: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly httpStatus: number | undefined;
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
  #nextId = 0;
  #closed: KilnError | undefined;

  constructor(end: MessageEnd, handlers: Handlers) {
    this.#end = end;
    this.#handlers = handlers;
    end.on('message', (message) => void this.#receive(message as Message));
  }

  /** Calls `method` on the other side. @throws KilnError the other side's error, or the one given to `close`. */
  async call(method: string, ...args: unknown[]): Promise<unknown> {
    return this.callMoving([], method, ...args);
  }

  /** As `call`; the buffers of `transfer` are moved to the other side. */
  async callMoving(transfer: readonly Transferable[], method: string, ...args: unknown[]): Promise<unknown> {
    if (this.#closed !== undefined) throw this.#closed;
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    this.#end.postMessage({ kind: 'call', id, method, args } satisfies Message, transfer);
    return promise;
  }

  /** Fails all calls, those under way and those to come: the other side is gone. */
  close(error: KilnError): void {
    this.#closed ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  async #receive(message: Message): Promise<void> {
    if (message.kind === 'call') {
      await this.#answer(message.id, message.method, message.args);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === 'done') waiting?.resolve(message.value);
    else waiting?.reject(errorFromData(message.error));
  }

  async #answer(id: number, method: string, args: unknown[]): Promise<void> {
    try {
      const handler = this.#handlers[method];
      if (handler === undefined)
        throw new KilnError('unimplemented', `no method ${JSON.stringify(method)} in this thread`);
      const value = await handler(...(args as never[]));
      if (this.#closed !== undefined) return;
      if (value instanceof Moved) this.#end.postMessage({ kind: 'done', id, value: value.value }, value.transfer);
      else this.#end.postMessage({ kind: 'done', id, value } satisfies Message);
    } catch (error) {
      if (this.#closed === undefined) {
        this.#end.postMessage({ kind: 'failed', id, error: errorAsData(KilnError.from(error)) } satisfies Message);
      }
    }
  }
}

/** Bytes ready to be moved: themselves when they are the whole of their buffer, else a copy. */
export function movable(bytes: Uint8Array): Moved<Uint8Array> {
  const whole =
    bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes); // not slice(): that of a Buffer is a view of its pool, which cannot be moved
  return new Moved(whole, [whole.buffer as ArrayBuffer]);
}

/** What crosses; the cause stays. */
export function errorAsData({ code, message, reason, retryAfterSeconds, httpStatus }: KilnError): ErrorAsData {
  return { code, message, reason, retryAfterSeconds, httpStatus };
}

export function errorFromData({ code, message, reason, retryAfterSeconds, httpStatus }: ErrorAsData): KilnError {
  return new KilnError(code, message, {
    ...(reason !== undefined && { reason }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    ...(httpStatus !== undefined && { httpStatus }),
  });
}
