import type { Clock } from '@kiln/async';
import type { Compression } from '@kiln/block';
import type { Reader, Reading, WriteCall, WriteLimits } from '@kiln/distributor';
import type { Logger } from '@kiln/telemetry';
import { movable, Threads } from '@kiln/threads';

/** What a write thread is started with. */
export interface WriteSetup {
  readonly partitions: number;
  readonly compression: Compression;
}

export interface WriteThreadsOptions {
  readonly count: number;
  readonly setup: WriteSetup;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Pushes are decompressed, decoded and made records of in threads of their own: a large one holds up nobody's socket. */
export class WriteThreads implements Reader {
  readonly #threads: Threads;

  constructor({ count, setup, clock, log }: WriteThreadsOptions) {
    this.#threads = new Threads(count, { name: 'write', entry: entry(), data: setup, handlers: {}, clock, log });
  }

  async read(call: WriteCall, limits: WriteLimits): Promise<Reading> {
    const { value: bytes, transfer } = movable(call.body.bytes);
    const moved = { ...call, body: { ...call.body, bytes } };
    return (await this.#threads.call(transfer, 'read', moved, limits)) as Reading;
  }

  stop(): Promise<void> {
    return this.#threads.stop();
  }
}

/** The worker beside this file: TypeScript when this runs from source, else what the compiler made of it. */
function entry(): URL {
  return new URL(`write.worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);
}
