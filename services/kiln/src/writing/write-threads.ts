import { seededRandom, type Clock } from '@kiln/async';
import type { Codecs, Compression } from '@kiln/block';
import {
  Placer,
  ProfileReader,
  type Reader,
  type Reading,
  type SeriesGate,
  type WriteCall,
  type WriteLimits,
} from '@kiln/distributor';
import type { Logger } from '@kiln/telemetry';
import { movable, Threads } from '@kiln/threads';

/** What a write thread is started with. */
export interface WriteSetup {
  readonly partitions: number;
  readonly compression: Compression;
  /** Of the chance by which profiles are sampled. */
  readonly seed: number;
}

interface WriteThreadsOptions {
  readonly count: number;
  readonly setup: WriteSetup;
  readonly series: SeriesGate;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Pushes are decompressed, decoded and made records of in threads of their own: a large one holds up nobody's socket. */
class WriteThreads implements OpenReader {
  readonly #threads: Threads;

  constructor({ count, setup, series, clock, log }: WriteThreadsOptions) {
    const handlers = { 'series.admit': series.admit.bind(series) };
    this.#threads = new Threads(count, { name: 'write', entry: entry(), data: setup, handlers, clock, log });
  }

  async read(call: WriteCall, limits: WriteLimits): Promise<Reading> {
    const { value: bytes, transfer } = movable(call.body.bytes);
    const moved = { ...call, body: { ...call.body, bytes } };
    // As text, which a thread knows from the push before: two dozen fields take longer to clone than the rest of the message.
    return (await this.#threads.call({ transfer }, 'read', moved, JSON.stringify(limits))) as Reading;
  }

  stop(): Promise<void> {
    return this.#threads.stop();
  }
}

/** A reader of pushes, in `count` threads or, with 0, in this one. */
export function openReader(options: WriteThreadsOptions & { readonly codecs: Codecs }): OpenReader {
  const { count, setup, codecs, series, clock } = options;
  if (count > 0) return new WriteThreads(options);
  const placer = new Placer({ ...setup, codecs, clock });
  const reader = new ProfileReader({ placer, series, random: seededRandom(setup.seed), clock });
  return { read: (call, limits) => reader.read(call, limits), stop: () => Promise.resolve() };
}

export interface OpenReader extends Reader {
  stop(): Promise<void>;
}

/** The worker beside this file: TypeScript when this runs from source, else what the compiler made of it. */
function entry(): URL {
  return new URL(`write.worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);
}
