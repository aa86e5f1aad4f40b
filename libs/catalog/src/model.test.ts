import { ManualClock, seededRandom } from '@kiln/async';
import { makeLogId } from '@kiln/model';
import { memoryStore } from '@kiln/objstore';
import { expect, test } from 'vitest';
import { readChain } from './chain.ts';
import { commitCut } from './cut.ts';
import { registerLog } from './register-log.ts';
import { runModel, type ModelReport } from './test-support/model.ts';
import { testCatalog, troubled } from './test-support/store.ts';

const SEEDS = process.env['KILN_LONG'] === '1' ? 5000 : 500;

test(`${SEEDS} seeds of two owners, crashes, sleep, lost and late writes and a greedy janitor: the manifests tile the log`, async () => {
  const sum: ModelReport = { cuts: 0, lostRaces: 0, crashes: 0, trims: 0, voids: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    const report = await runModel(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    });
    for (const name of Object.keys(sum) as (keyof ModelReport)[]) sum[name] += report[name];
  }
  // The runs were worth something: everything that could go wrong did.
  expect(sum.cuts).toBeGreaterThan(5 * SEEDS);
  expect(sum.lostRaces).toBeGreaterThan(SEEDS);
  expect(sum.crashes).toBeGreaterThan(SEEDS);
  expect(sum.trims).toBeGreaterThan(2 * SEEDS);
  expect(sum.voids).toBeGreaterThan(SEEDS / 50);
}, 600_000);

test('1,000 races of two owners through a bad line: one wins each, the other learns it, and the manifests tile the log', async () => {
  const log = makeLogId('a'.repeat(16), 0);
  const clock = new ManualClock(1_700_000_000_000);
  const random = seededRandom(99);
  const store = memoryStore();
  const line = troubled(store, clock, random, {
    errorBefore: 0.1,
    errorAfter: 0.1,
    late: 0.05,
    delayMs: () => random() * 10,
    lateMs: () => random() * 50,
  });
  const owners = [1, 2].map((seed) => testCatalog(line, seed, clock));
  await clock.run(registerLog(owners[0]!, { log, partition: 0 }, {}));
  const wins = [0, 0];
  let chain = (await readChain(testCatalog(store), log))!;
  for (let race = 0; race < 1000; race++) {
    const cuts = owners.map((catalog, i) =>
      commitCut(catalog, {
        chain,
        end: chain.E + 1 + Math.floor(random() * 10),
        aMax: race,
        segment: undefined,
        gaps: [],
        writer: `owner ${i}`,
      }),
    );
    const [a, b] = await clock.run(Promise.all(cuts));
    expect(a!.won).toBe(!b!.won);
    expect(a!.chain!.tip).toEqual(b!.chain!.tip);
    expect(a!.chain!.tip!.writer).toBe(a!.won ? 'owner 0' : 'owner 1');
    wins[a!.won ? 0 : 1]!++;
    chain = a!.chain!;
  }
  expect(Math.min(...wins)).toBeGreaterThan(300);
  const whole = (await readChain(testCatalog(store), log))!;
  expect(whole.manifests).toEqual(chain.manifests);
  expect(whole.manifests).toHaveLength(1000);
}, 60_000);
