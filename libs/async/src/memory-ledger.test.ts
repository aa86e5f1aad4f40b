import { expect, test } from 'vitest';
import { MEMORY_SHARES, MemoryLedger } from './memory-ledger.ts';

const MB = 1024 * 1024;

test('what every share holds is counted under one ceiling, in every thread, and nothing is left when it has gone', () => {
  const ledger = MemoryLedger.create(100 * MB);
  const other = MemoryLedger.attach(structuredClone(ledger.toShared()));
  for (const share of MEMORY_SHARES) ledger.move(share, 0, 10 * MB + 1);
  other.move('heads', 10 * MB + 1, 40 * MB);
  expect(ledger.bytesOf('heads')).toBe(40 * MB);
  expect(ledger.usedBytes).toBe(90 * MB + 5 * 1024); // each holding is rounded up
  expect([ledger.fits(9 * MB), ledger.fits(10 * MB)]).toEqual([true, false]);
  expect(other.describe(10 * MB)).toMatch(
    /holds 94376960 bytes \(process 10486784, .*heads 41943040, .*\), 10485760 more do not fit below 104857600 \(memory\.ceiling\)/,
  );
  other.move('heads', 40 * MB, 0);
  for (const share of MEMORY_SHARES) if (share !== 'heads') other.move(share, 10 * MB + 1, 0);
  expect(ledger.usedBytes).toBe(0);
});

test('whoever waits is woken when bytes come or go near the ceiling, and sleeps through what happens far below it', async () => {
  const ledger = MemoryLedger.create(100 * MB);
  const other = MemoryLedger.attach(structuredClone(ledger.toShared()));
  let woken = 0;
  const wait = async (): Promise<void> => {
    await other.changed();
    woken++;
  };
  const first = wait();
  ledger.move('requests', 0, 50 * MB);
  ledger.move('requests', 50 * MB, 10 * MB);
  await new Promise((resolve) => setImmediate(resolve));
  expect(woken).toBe(0);
  ledger.move('merges', 0, 80 * MB);
  await first;
  const second = wait();
  ledger.move('merges', 80 * MB, 0);
  await second;
  expect(woken).toBe(2);
});

test('without a ceiling everything fits and is counted all the same', () => {
  const ledger = MemoryLedger.create();
  ledger.move('queries', 0, 1e12);
  expect(ledger.fits(1e15)).toBe(true);
  expect(ledger.usedBytes).toBeGreaterThanOrEqual(1e12);
});
