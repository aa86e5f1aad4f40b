import { appendFileSync, readFileSync } from 'node:fs';
import { afterAll, expect } from 'vitest';

/** What a test file cost: its process from its start on, and the processes that it started and that have ended. */
export interface FileCost {
  readonly file: string;
  readonly wallMs: number;
  readonly cpuMs: number;
}

/*
 * A setup file of every project: vitest runs each test file in a process of its own, so when its last hook runs the process knows what the file cost.
 * `run-tests.ts` says where to write it.
 */
const { KILN_COSTS_FILE: costs } = process.env;
if (costs !== undefined) {
  afterAll(() => {
    const { user, system } = process.cpuUsage();
    const cost: FileCost = {
      file: expect.getState().testPath!,
      wallMs: performance.now(),
      cpuMs: (user + system) / 1_000 + childrenMs(),
    };
    appendFileSync(costs, `${JSON.stringify(cost)}\n`);
  });
}

/** CPU time of the children that were waited for; only Linux tells. */
function childrenMs(): number {
  try {
    // proc_pid_stat(5): cutime and cstime are fields 16 and 17, in ticks of 10 ms; the name, field 2, may hold spaces.
    const fields = readFileSync('/proc/self/stat', 'latin1').split(') ').at(-1)!.split(' ');
    return (Number(fields[13]) + Number(fields[14])) * 10;
  } catch {
    return 0;
  }
}
