import { BroadcastChannel, getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { withTimeout, type Clock } from '@kiln/async';
import { profileOnAndOn, profileOnce, type CpuProfile, type CpuProfiling } from './cpu-profile.ts';

/** Between the thread that asks, and hears, and all others. */
type Message =
  /** Please profile yourself for so long. */
  | { readonly ask: number; readonly ms: number; readonly sampleMs: number }
  | { readonly begun: number }
  /** No profile: the thread could not be profiled. */
  | { readonly ended: number; readonly profile: CpuProfile | undefined }
  /** Of a thread that profiles itself on and on. */
  | { readonly seen: CpuProfile };

const CHANNEL = 'kiln.thread-profiles';
/** How long a thread that has begun may take to hand over what it saw: its loop may be busy. */
const LATE_MS = 5_000;

/**
 * Profiles this thread, at once, and every thread that is started from now on and calls `profileThread`, on and on, as each earns it.
 * @param hear is given each profile. @param fail hears why a thread cannot be profiled; it goes on unprofiled.
 * @returns what ends it.
 */
export function profileThreads(
  profiling: CpuProfiling,
  clock: Clock,
  hear: (profile: CpuProfile) => void,
  fail: (error: unknown) => void,
): () => void {
  setEnvironmentData(CHANNEL, { ...profiling });
  const channel = openChannel((message) => {
    if ('seen' in message) hear(message.seen);
  });
  const ended = new AbortController();
  profileOnAndOn('main', profiling, clock, hear, { atOnce: true, signal: ended.signal }).catch(fail);
  return () => {
    setEnvironmentData(CHANNEL);
    ended.abort();
    channel.close();
  };
}

/** Lets the thread that calls it be profiled: on and on if the process is, and whenever `profileAllThreads` asks for it. */
export function profileThread(name: string, clock: Clock): void {
  const channel = openChannel((message) => {
    if (!('ask' in message)) return;
    const { ask, ...how } = message;
    channel.post({ begun: ask });
    profileOnce(name, how, clock)
      .catch(() => undefined)
      .then((profile) => channel.post({ ended: ask, profile }))
      .catch(() => undefined);
  });
  const profiling = getEnvironmentData(CHANNEL) as unknown as CpuProfiling | undefined;
  if (profiling === undefined) return;
  // A thread that cannot be profiled does its work as ever.
  profileOnAndOn(name, profiling, clock, (seen) => channel.post({ seen })).catch(() => undefined);
}

/**
 * What this thread and all that called `profileThread` do in the next `ms`. One that is too busy to hear of it in that time is left out.
 * @param signal ends it early, with what this thread did until then.
 */
export async function profileAllThreads(
  how: { readonly ms: number; readonly sampleMs: number },
  clock: Clock,
  signal?: AbortSignal,
): Promise<CpuProfile[]> {
  const ask = ++asked;
  const found: CpuProfile[] = [];
  const idle = Promise.withResolvers<void>();
  let open = 0;
  let isOver = false;
  const channel = openChannel((message) => {
    if ('begun' in message && message.begun === ask) open++;
    if (!('ended' in message) || message.ended !== ask) return;
    open--;
    if (message.profile !== undefined) found.push(message.profile);
    if (isOver && open === 0) idle.resolve();
  });
  try {
    channel.post({ ask, ...how });
    const own = await profileOnce('main', how, clock, signal);
    isOver = true;
    if (open > 0 && signal?.aborted !== true)
      await withTimeout(clock, LATE_MS, 'profiles of threads', () => idle.promise).catch(() => undefined);
    return [own, ...found];
  } finally {
    channel.close();
  }
}

/** Profiles that were asked for. */
let asked = 0;

interface Channel {
  post(message: Message): void;
  close(): void;
}

/** Keeps no thread alive. */
function openChannel(hear: (message: Message) => void): Channel {
  const channel = new BroadcastChannel(CHANNEL);
  channel.addEventListener('message', (event) => hear((event as unknown as { readonly data: Message }).data));
  channel.unref();
  return { post: (message) => channel.postMessage(message), close: () => channel.close() };
}
