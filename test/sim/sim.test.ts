import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { runSeeds } from './run-seeds.ts';
import { simulate } from './simulation.ts';
import { HAPPENINGS } from './tally.ts';

/** Where everything must be shown 1,000 seeds run, on a laptop enough to notice what is plainly wrong. */
const SEEDS = process.env['KILN_LONG'] === '1' ? 20_000 : process.env['KILN_REQUIRE_SERVICES'] === '1' ? 1_000 : 60;

test(`${SEEDS} seeds of all roles under every kind of trouble: no answer is silently wrong, and in the end every answer is exact`, async () => {
  const { tally, failures } = await runSeeds(1, SEEDS, availableParallelism());
  process.stdout.write(`${tally.table}\n`);
  expect(failures.slice(0, 3)).toEqual([]);
  // The runs were worth something: each kind of fault struck, and each kind of work was done, a hundred times in a thousand seeds, and most questions got
  // an exact answer.
  const rare = [...HAPPENINGS.faults, ...HAPPENINGS.work].filter((what) => tally.of(what) < SEEDS / 10);
  expect(rare).toEqual([]);
  expect(tally.of('answers: exact')).toBeGreaterThan(tally.of('answers: flagged') + tally.of('answers: error'));
}, 14_400_000);

test('the same seed is the same run', async () => {
  const [one, two] = [await simulate(7), await simulate(7)];
  expect([...two.counts]).toEqual([...one.counts]);
});
