import type { Clock } from '@kiln/async';
import type { Logger } from '@kiln/telemetry';
import { profileAllThreads, profileThreads } from '@kiln/threads';
import { programRoot } from '../program-root.ts';
import { pushMessage } from '../push-message.ts';
import { ModuleNames } from './module-names.ts';
import { selfPprof } from './self-pprof.ts';

/** Whether and how the process profiles itself, as an operator decides it. */
export interface SelfProfilingConfig {
  readonly enabled: boolean;
  /** '' = the tenant `kiln` where tenants are kept apart. */
  readonly tenant: string;
  readonly everyMs: number;
}

/** Stores a push of the process itself: the message of a `push.v1.PushRequest`. */
export type SelfPush = (message: Uint8Array) => Promise<void>;

const WAIT_MS = 3_000;
const FIRST_MS = 5_000;
const LOOK_MS = 10_000;
/** As Go samples: a hundred a second. */
const SAMPLE_MS = 10;
/** Half of what it may cost, because not all that it costs can be measured while it runs: code that is being profiled is slower. */
const SHARE = 0.01;

/** Files are named below the program, not where it was installed. */
const names = new ModuleNames(programRoot.href);

/** The name that the process is stored under. */
const SERVICE = 'kiln';

/**
 * From now on every thread of this process is profiled, and what it did is pushed as the service `kiln`, a series per kind of thread: the main thread soon,
 * each when it has earned it, and at the latest every `everyMs`. Call it before threads are started. Trouble with it is told, and costs nothing but profiles.
 * @returns what ends it.
 */
export function startSelfProfiling(
  { everyMs }: SelfProfilingConfig,
  { clock, log, push }: { readonly clock: Clock; readonly log: Logger; readonly push: SelfPush },
): () => void {
  const profiling = {
    waitMs: Math.min(WAIT_MS, everyMs),
    firstMs: Math.min(FIRST_MS, everyMs),
    lookMs: Math.min(LOOK_MS, everyMs),
    sampleMs: SAMPLE_MS,
    share: SHARE,
    everyMs,
  };
  const labels = [
    { name: '__name__', value: 'process_cpu' },
    { name: 'service_name', value: SERVICE },
  ];
  const fail = (error: unknown): void => {
    const why = error instanceof Error ? error.message : String(error);
    log.warn('a profile of Kiln itself is lost', { why });
  };
  return profileThreads(
    profiling,
    clock,
    (seen) => {
      push(pushMessage(labels, selfPprof([seen], names, SAMPLE_MS))).catch(fail);
    },
    fail,
  );
}

/** What all threads of this process do in the next seconds, as pprof: for `/debug/pprof/profile`. @param signal that nobody waits for it any more. */
export async function ownProfile(seconds: number, clock: Clock, signal: AbortSignal): Promise<Uint8Array> {
  const profiles = await profileAllThreads({ ms: seconds * 1000, sampleMs: SAMPLE_MS }, clock, signal);
  return selfPprof(profiles, names, SAMPLE_MS);
}
