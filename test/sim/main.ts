import { availableParallelism } from 'node:os';
import { runSeeds } from './run-seeds.ts';
import { EVENTS } from './simulation.ts';

/*
 * ./kiln sim [--seeds N] [--from K] [--threads N] [--until-broken]
 * Runs the simulation for the seeds K to K + N - 1 and prints how often what happened. Of the seeds that break a promise the first five are shown, each
 * with its story; the exit code is 1 then. With --until-broken a thread stops at its first.
 */
const seeds = wholeNumber('--seeds', 20, 1);
const from = wholeNumber('--from', 1, 0);
const threads = wholeNumber('--threads', availableParallelism(), 1);
const started = performance.now();
const { tally, failures } = await runSeeds(from, seeds, threads, process.argv.includes('--until-broken'));
process.stdout.write(`${tally.table}\n`);
for (const failure of failures.slice(0, 5)) process.stdout.write(`\n${failure}\n`);
const seconds = ((performance.now() - started) / 1000).toFixed(1);
process.stdout.write(`\n${seeds} seeds of ${EVENTS} events in ${seconds} s, ${failures.length} broke a promise\n`);
process.exitCode = failures.length === 0 ? 0 : 1;

function wholeNumber(flag: string, otherwise: number, least: number): number {
  const at = process.argv.indexOf(flag);
  if (at < 0) return otherwise;
  const value = Number(process.argv[at + 1] ?? Number.NaN);
  if (!Number.isInteger(value) || value < least) {
    process.stderr.write(`kiln sim: ${flag} takes a whole number from ${least} on\n`);
    process.exit(2);
  }
  return value;
}
