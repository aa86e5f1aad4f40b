import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import type { Clock } from '@kiln/async';

/** When a thread is looked at, and how. Times in milliseconds. */
export interface CpuProfiling {
  /** Before anything: a thread that loads its code is not made slower. */
  readonly waitMs: number;
  /** How long the first look at the main thread is, which comes at once, so that there soon is something to see. */
  readonly firstMs: number;
  /** How long any other is. */
  readonly lookMs: number;
  /** Between two samples of a look. */
  readonly sampleMs: number;
  /** Of a thread's CPU, what looks may take of it: 0.01 is one in a hundred. */
  readonly share: number;
  /** The next look comes after so long, whether it was earned or not. */
  readonly everyMs: number;
}

/** A frame by path from the root: rows of parents come before those of their children. */
export interface CpuNode {
  /** Row of the node above; -1 for none. */
  readonly parent: number;
  /** '' for one without a name. */
  readonly name: string;
  /** Of the file; '' where there is none. */
  readonly url: string;
  /** From 1; 0 where there is none. */
  readonly line: number;
  /** That end here: how often V8 saw it. */
  readonly samples: number;
  /** What they stand for. */
  readonly cpuMicros: number;
}

/**
 * What a thread did in a stretch of time. The sum of all nodes is the CPU that the system counts for the thread, to the microsecond; how it is shared out
 * among stacks is by samples, which V8 took for all or a part of that time. Two nodes are no functions: `(profiling)` is what starting and stopping V8's
 * profiler took, `(not sampled)` all the rest where no sample found the thread at work. Plain data.
 */
export interface CpuProfile {
  readonly thread: string;
  /** Unix milliseconds. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly nodes: readonly CpuNode[];
}

/** A moment in the life of a thread. */
interface Moment {
  /** Unix milliseconds. */
  readonly ms: number;
  /** That it has used since it began. */
  readonly cpuMicros: number;
}

/** What this thread does in the next `ms`. @param signal ends it early, with what was seen so far. */
export async function profileOnce(
  thread: string,
  how: { readonly ms: number; readonly sampleMs: number },
  clock: Clock,
  signal?: AbortSignal,
): Promise<CpuProfile> {
  return (await look(thread, how, clock, momentOf(clock), signal)).profile;
}

/**
 * Profiles this thread until the signal aborts: looks at it for a moment when it has worked so much that the look is a small share of it.
 *
 * To begin, V8 looks at every function there is, which takes tens of milliseconds; then each sample wakes the thread and V8's own, some 40 µs, also where
 * it waits; and code that is being profiled runs some percent slower. A profiler that never stops has only the first for nothing. So what a look costs is
 * measured, and the next comes when the thread has earned it: its profile is of all the CPU since the look before.
 * @param atOnce begins with a look of `firstMs`.
 */
export async function profileOnAndOn(
  thread: string,
  { waitMs, firstMs, lookMs, sampleMs, share, everyMs }: CpuProfiling,
  clock: Clock,
  hear: (profile: CpuProfile) => void,
  { atOnce = false, signal }: { readonly atOnce?: boolean; readonly signal?: AbortSignal } = {},
): Promise<void> {
  const isOver = (): boolean => signal?.aborted === true;
  const pause = (ms: number): Promise<void> => clock.sleep(ms, signal).catch(() => undefined);
  await pause(waitMs);
  let since = momentOf(clock);
  let costMicros = atOnce ? 0 : USUAL_COST_MICROS;
  for (let ms = atOnce ? firstMs : lookMs; !isOver();) {
    const now = momentOf(clock);
    if ((now.cpuMicros - since.cpuMicros) * share < costMicros && now.ms - since.ms < everyMs) {
      await pause(Math.min(CHECK_MS, everyMs));
      continue;
    }
    const seen = await look(thread, { ms, sampleMs }, clock, since, signal);
    if (isOver()) return;
    hear(seen.profile);
    since = seen.end;
    costMicros = seen.costMicros;
    ms = lookMs;
  }
}

/** How often a thread asks itself whether the next look is due. */
const CHECK_MS = 10_000;
/** What a look costs, before there was one. */
const USUAL_COST_MICROS = 100_000;
/** Of one sample, of both threads, where it finds the thread waiting, which costs most (measured: 36 to 45). */
const SAMPLE_MICROS = 50;
/** By how much code is slower while it is profiled (measured: 3 to 4 %). */
const SLOWER = 0.05;

interface Look {
  readonly profile: CpuProfile;
  readonly end: Moment;
  readonly costMicros: number;
}

/** Samples this thread for `ms`; the profile is of all it did since `since`. */
async function look(
  thread: string,
  { ms, sampleMs }: { readonly ms: number; readonly sampleMs: number },
  clock: Clock,
  since: Moment,
  signal?: AbortSignal,
): Promise<Look> {
  const session = new Session();
  try {
    const before = threadMicros();
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: sampleMs * 1000 });
    await session.post('Profiler.start');
    const started = threadMicros();
    await clock.sleep(ms, signal).catch(() => undefined);
    const stopping = threadMicros();
    const { profile } = await session.post('Profiler.stop');
    const end = momentOf(clock);
    const ownMicros = started - before + end.cpuMicros - stopping;
    const nodes = nodesOf(profile, end.cpuMicros - since.cpuMicros - ownMicros);
    nodes.push({ ...NO_FUNCTION, name: '(profiling)', cpuMicros: ownMicros });
    return {
      profile: { thread, startMs: since.ms, durationMs: end.ms - since.ms, nodes },
      end,
      costMicros: ownMicros + SAMPLE_MICROS * (profile.samples ?? []).length + SLOWER * (stopping - started),
    };
  } finally {
    session.disconnect();
  }
}

function momentOf(clock: Clock): Moment {
  return { ms: clock.nowMs(), cpuMicros: threadMicros() };
}

function threadMicros(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

const NO_FUNCTION = { parent: -1, url: '', line: 0, samples: 0 } as const;

/**
 * Of a profile as the inspector's protocol has it (https://chromedevtools.github.io/devtools-protocol/v8/Profiler/), without what it waited.
 * @param cpuMicros is shared out among the samples, each the same, so that nothing is lost to rounding.
 */
function nodesOf({ nodes: seen, samples = [] }: Profiler.Profile, cpuMicros: number): CpuNode[] {
  const byId = new Map(seen.map((node) => [node.id, node]));
  const counts = new Map<number, number>();
  let all = 0;
  for (const id of samples) {
    if (NO_WORK.has(byId.get(id)!.callFrame.functionName)) continue;
    counts.set(id, (counts.get(id) ?? 0) + 1);
    all++;
  }
  if (all === 0) return [{ ...NO_FUNCTION, name: '(not sampled)', cpuMicros }];
  const nodes: CpuNode[] = [];
  let passed = 0;
  let given = 0;
  const visit = (id: number, parent: number): void => {
    const { callFrame, children = [] } = byId.get(id)!;
    if (NO_WORK.has(callFrame.functionName)) return;
    const own = counts.get(id) ?? 0;
    passed += own;
    const upTo = Math.round((cpuMicros * passed) / all);
    const row =
      nodes.push({
        parent,
        name: callFrame.functionName,
        url: callFrame.url,
        line: callFrame.lineNumber + 1,
        samples: own,
        cpuMicros: upTo - given,
      }) - 1;
    given = upTo;
    for (const child of children) visit(child, row);
  };
  for (const child of seen[0]?.children ?? []) visit(child, -1);
  return nodes;
}

/** What V8 calls the time in which the loop waits, and a sample of nothing. */
const NO_WORK: ReadonlySet<string> = new Set(['(idle)', '(root)']);
