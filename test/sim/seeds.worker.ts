import { parentPort, workerData } from 'node:worker_threads';
import type { SeedsReport } from './run-seeds.ts';
import { simulate } from './simulation.ts';
import { Tally } from './tally.ts';

Error.stackTraceLimit = 4; // errors are made by the thousand here

const failures: string[] = [];
const tally = new Tally();
for (const seed of workerData as readonly number[]) {
  try {
    tally.join(await simulate(seed));
  } catch (error) {
    failures.push((error as Error).message);
  }
}
parentPort!.postMessage({ failures, counts: [...tally.counts] } satisfies SeedsReport);
