import { afterAll, expect, test } from 'vitest';
import { didNotLoad, SourceCopy, type Ended } from '../support/source-copy.ts';
import { compareInProcess } from './in-process.ts';
import { plantedFaults } from './planted-faults.ts';

const copy = new SourceCopy([
  'libs',
  'services/ingester',
  'test/oracle',
  'test/support',
  'test/fuzz',
  'test/fixtures/pprof',
  'test/conformance',
]);
const compareInCopy = (): Promise<Ended> => copy.run(['test/conformance/in-process.ts']);

afterAll(() => copy.remove());

test('without a fault product and oracle agree', { timeout: 120_000 }, async () => {
  expect(compareInProcess()).toEqual([]);
  expect(await compareInCopy()).toEqual({ code: 0, said: '' });
});

test('there are at least 20 faults', () => {
  expect(new Set(plantedFaults.map(({ name }) => name)).size).toBeGreaterThanOrEqual(20);
});

test.each(plantedFaults)('noticed: $name', { timeout: 120_000 }, async (fault) => {
  const takeOut = copy.plant(fault);
  try {
    const { code, said } = await compareInCopy();
    expect(code, 'the oracle noticed nothing').not.toBe(0);
    expect(didNotLoad(said)).toBe(false);
  } finally {
    takeOut();
  }
});
