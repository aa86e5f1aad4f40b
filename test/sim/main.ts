import { availableParallelism } from 'node:os';
import { ToolOptions } from '../support/tool-options.ts';
import { runSeeds } from './run-seeds.ts';
import { EVENTS } from './simulation.ts';

const HELP = `./kiln sim: all roles in one process under every kind of trouble; one seed is one run.
Prints how often what happened. Of the seeds that break a promise the first five are shown, each with its story; the exit code is 1 then.

  --seeds N        how many (20)
  --from N         the first of them (1)
  --threads N      that run seeds at once (as many as there are processors)
  --until-broken   a thread stops at its first seed that breaks a promise
`;
const options = new ToolOptions('sim', HELP).noWords();
const seeds = options.number('--seeds', 20, 1);
const from = options.number('--from', 1, 0);
const threads = options.number('--threads', availableParallelism(), 1);
const started = performance.now();
const { tally, failures } = await runSeeds(from, seeds, threads, options.has('--until-broken'));
process.stdout.write(`${tally.table}\n`);
for (const failure of failures.slice(0, 5)) process.stdout.write(`\n${failure}\n`);
const seconds = ((performance.now() - started) / 1000).toFixed(1);
process.stdout.write(`\n${seeds} seeds of ${EVENTS} events in ${seconds} s, ${failures.length} broke a promise\n`);
process.exitCode = failures.length === 0 ? 0 : 1;
