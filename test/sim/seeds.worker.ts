import { parentPort, workerData } from 'node:worker_threads';
import type { SeedsReport, SeedsTask } from './run-seeds.ts';
import { simulate } from './simulation.ts';
import { Tally } from './tally.ts';

Error.stackTraceLimit = 4; // errors are made by the thousand here

const failures: string[] = [];
const tally = new Tally();
const { seeds, untilBroken } = workerData as SeedsTask;
for (const seed of seeds) {
  if (untilBroken && failures.length > 0) break;
  try {
    tally.join(await simulate(seed));
  } catch (error) {
    failures.push((error as Error).message);
  }
}
parentPort!.postMessage({ failures, counts: [...tally.counts] } satisfies SeedsReport);
