import { availableParallelism } from 'node:os';
import { afterAll, expect, test } from 'vitest';
import { didNotLoad, SourceCopy, type Ended } from '../support/source-copy.ts';
import { compareInProcess } from './in-process.ts';
import { plantedFaults } from './planted-faults.ts';

/** A copy for each processor: faults are tried beside each other. */
const copies = Array.from(
  { length: availableParallelism() },
  () =>
    new SourceCopy([
      'libs',
      'services/ingester',
      'test/oracle',
      'test/support',
      'test/fuzz',
      'test/fixtures/pprof',
      'test/conformance',
    ]),
);
const free = [...copies];
const waiting: ((copy: SourceCopy) => void)[] = [];

/** Does it with a copy that nobody else uses meanwhile. */
async function withCopy<T>(use: (copy: SourceCopy) => Promise<T>): Promise<T> {
  const copy = free.pop() ?? (await new Promise<SourceCopy>((resolve) => waiting.push(resolve)));
  try {
    return await use(copy);
  } finally {
    const next = waiting.shift();
    if (next === undefined) free.push(copy);
    else next(copy);
  }
}

const compareIn = (copy: SourceCopy): Promise<Ended> => copy.run(['test/conformance/in-process.ts']);

afterAll(() => {
  for (const copy of copies) copy.remove();
});

test('without a fault product and oracle agree', { timeout: 120_000 }, async () => {
  expect(compareInProcess()).toEqual([]);
  expect(await withCopy(compareIn)).toEqual({ code: 0, said: '' });
});

test('there are at least 20 faults', () => {
  expect(new Set(plantedFaults.map(({ name }) => name)).size).toBeGreaterThanOrEqual(20);
});

test.concurrent.each(plantedFaults)('noticed: $name', { timeout: 240_000 }, async (fault) => {
  const { code, said } = await withCopy(async (copy) => {
    const takeOut = copy.plant(fault);
    try {
      return await compareIn(copy);
    } finally {
      takeOut();
    }
  });
  expect(code, 'the oracle noticed nothing').not.toBe(0);
  expect(didNotLoad(said)).toBe(false);
});
