import { afterAll, expect, test } from 'vitest';
import { mutants } from './mutants.ts';
import { copyForMutants, survives } from './run-mutant.ts';

/** Five a day in turn; with `--long` all. */
const A_DAY = 5;
const today = Math.floor(Date.now() / 86_400_000);
const chosen =
  process.env['KILN_LONG'] === '1'
    ? mutants
    : Array.from({ length: A_DAY }, (_, i) => mutants[(today * A_DAY + i) % mutants.length]!);
const copy = copyForMutants();

afterAll(() => copy.remove());

test('there are at least 20 mutants, each with a name of its own, and each fits its file', () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  expect(mutants.length).toBeGreaterThanOrEqual(20);
  for (const mutant of mutants) copy.plant(mutant)();
});

test.each(chosen)('noticed: $name', { timeout: 180_000 }, async (mutant) => {
  expect(await survives(copy, mutant)).toBeUndefined();
});
