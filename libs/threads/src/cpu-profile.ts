import { console as inspectorConsole, type Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import type { Clock } from '@kiln/async';

/** Stretches of profiling: the first is short, so that there soon is something to see. Times in milliseconds. */
export interface CpuProfiling {
  /** Before the first: a thread that loads its code is not made slower. */
  readonly waitMs: number;
  readonly firstMs: number;
  readonly everyMs: number;
  /** Between two samples. */
  readonly sampleMs: number;
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
  /** Of the samples that end here. */
  readonly samples: number;
  readonly cpuMicros: number;
}

/** What a thread did in a stretch of time, as V8 sampled it, without what it waited. Plain data. */
export interface CpuProfile {
  readonly thread: string;
  /** Unix milliseconds. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly nodes: readonly CpuNode[];
}

/** What this thread does in the next `ms`. @param signal ends it early, with what was seen so far. */
export async function profileOnce(
  thread: string,
  { ms, sampleMs }: { readonly ms: number; readonly sampleMs: number },
  clock: Clock,
  signal?: AbortSignal,
): Promise<CpuProfile> {
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: sampleMs * 1000 });
    const startMs = clock.nowMs();
    await session.post('Profiler.start');
    await clock.sleep(ms, signal).catch(() => undefined);
    const { profile } = await session.post('Profiler.stop');
    return { thread, startMs, durationMs: clock.nowMs() - startMs, nodes: nodesOf(profile) };
  } finally {
    session.disconnect();
  }
}

/**
 * Profiles this thread until the signal aborts, one profile after the other.
 *
 * V8 takes tens of milliseconds to begin to profile a thread, because it looks at all code there is, and none for a profile beside one that runs. So each
 * begins before the one before it ends, which `console.profile` of the inspector can and `Profiler.start` cannot.
 */
export async function profileOnAndOn(
  thread: string,
  { waitMs, firstMs, everyMs, sampleMs }: CpuProfiling,
  clock: Clock,
  hear: (profile: CpuProfile) => void,
  signal?: AbortSignal,
): Promise<void> {
  const isOver = (): boolean => signal?.aborted === true;
  await clock.sleep(waitMs, signal).catch(() => undefined);
  if (isOver()) return;
  const session = new Session();
  session.connect();
  /** Unix milliseconds at which those that run began, by title. */
  const running = new Map<string, number>();
  const begin = (title: string): void => {
    running.set(title, clock.nowMs());
    inspectorConsole.profile(title);
  };
  session.on('Profiler.consoleProfileFinished', ({ params: { title = '', profile: seen } }) => {
    const startMs = running.get(title);
    if (!running.delete(title) || startMs === undefined) return;
    hear({ thread, startMs, durationMs: clock.nowMs() - startMs, nodes: nodesOf(seen) });
  });
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: sampleMs * 1000 });
    begin(titleOf(0));
    for (let cut = 0; ; cut++) {
      await clock.sleep(cut === 0 ? firstMs : everyMs, signal).catch(() => undefined);
      if (isOver()) return;
      begin(titleOf(cut + 1));
      inspectorConsole.profileEnd(titleOf(cut));
    }
  } finally {
    session.disconnect();
  }
}

const titleOf = (cut: number): string => `kiln ${cut}`;

/** Of a profile as the inspector's protocol has it (https://chromedevtools.github.io/devtools-protocol/v8/Profiler/); deltas are microseconds before each sample. */
function nodesOf({ nodes: seen, samples = [], timeDeltas = [] }: Profiler.Profile): CpuNode[] {
  const [root] = seen;
  const byId = new Map(seen.map((node) => [node.id, node]));
  const counts = new Map<number, number>();
  const micros = new Map<number, number>();
  for (const [i, id] of samples.entries()) {
    counts.set(id, (counts.get(id) ?? 0) + 1);
    micros.set(id, (micros.get(id) ?? 0) + Math.max(0, timeDeltas[i] ?? 0));
  }
  const nodes: CpuNode[] = [];
  const visit = (id: number, parent: number): void => {
    const { callFrame, children = [] } = byId.get(id)!;
    if (callFrame.functionName === IDLE) return;
    const row =
      nodes.push({
        parent,
        name: callFrame.functionName,
        url: callFrame.url,
        line: callFrame.lineNumber + 1,
        samples: counts.get(id) ?? 0,
        cpuMicros: micros.get(id) ?? 0,
      }) - 1;
    for (const child of children) visit(child, row);
  };
  for (const child of root?.children ?? []) visit(child, -1);
  return nodes;
}

/** What V8 calls the time in which the loop waits. */
const IDLE = '(idle)';
