import { Worker } from 'node:worker_threads';
import { Tally, type Happening } from './tally.ts';

/** What a thread has to do. */
export interface SeedsTask {
  readonly seeds: readonly number[];
  /** Whether it stops at the first seed that breaks a promise. */
  readonly untilBroken: boolean;
}

/** What a thread has found. */
export interface SeedsReport {
  readonly failures: readonly string[];
  readonly counts: readonly (readonly [Happening, number])[];
}

/** Runs the seeds `from` to `from + seeds - 1` in some threads; the failures are the stories of the seeds that broke a promise. */
export async function runSeeds(
  from: number,
  seeds: number,
  threads: number,
  untilBroken = false,
): Promise<{ readonly tally: Tally; readonly failures: readonly string[] }> {
  const all = Array.from({ length: seeds }, (_, i) => from + i);
  const shares = Array.from({ length: Math.min(threads, seeds) }, (_, t) =>
    all.filter((_seed, i) => i % threads === t),
  );
  const reports = await Promise.all(shares.map((share) => inThread({ seeds: share, untilBroken })));
  const tally = new Tally();
  for (const { counts } of reports) for (const [what, count] of counts) tally.add(what, count);
  return { tally, failures: reports.flatMap(({ failures }) => failures) };
}

function inThread(workerData: SeedsTask): Promise<SeedsReport> {
  const worker = new Worker(new URL('seeds.worker.ts', import.meta.url), { workerData });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
