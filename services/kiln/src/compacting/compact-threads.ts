import type { Clock } from '@kiln/async';
import type { Codecs } from '@kiln/block';
import { buildBlocks, type BuildJob, type Builder, type Built } from '@kiln/compactor';
import type { ObjectStore } from '@kiln/objstore';
import type { Logger } from '@kiln/telemetry';
import { Threads } from '@kiln/threads';

/** What a compacting thread is started with. */
export interface CompactSetup {
  /** The folder of the objects. */
  readonly objects: string;
}

interface CompactThreadsOptions {
  readonly count: number;
  readonly setup: CompactSetup;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Blocks are built in threads of their own; what they read they read themselves, what they make is moved here to be stored. */
class CompactThreads implements OpenBuilder {
  readonly #threads: Threads;

  constructor({ count, setup, clock, log }: CompactThreadsOptions) {
    this.#threads = new Threads(count, { name: 'compact', entry: entry(), data: setup, handlers: {}, clock, log });
  }

  async build(job: BuildJob): Promise<Built> {
    return (await this.#threads.call({}, 'build', job)) as Built;
  }

  stop(): Promise<void> {
    return this.#threads.stop();
  }
}

/** A builder of blocks, in `count` threads or, with 0, in this one. */
export function openBuilder(
  options: CompactThreadsOptions & { readonly objects: ObjectStore; readonly codecs: Codecs },
): OpenBuilder {
  const { count, objects, codecs } = options;
  if (count > 0) return new CompactThreads(options);
  return { build: (job) => buildBlocks({ objects, codecs }, job), stop: () => Promise.resolve() };
}

export interface OpenBuilder extends Builder {
  stop(): Promise<void>;
}

/** The worker beside this file: TypeScript when this runs from source, else what the compiler made of it. */
function entry(): URL {
  return new URL(`compact.worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);
}
