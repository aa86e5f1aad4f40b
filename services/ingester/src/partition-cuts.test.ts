import { type Clock, seededRandom } from '@kiln/async';
import { type Fault, randomFaults } from '@kiln/disk';
import { KilnError } from '@kiln/model';
import { faultyStore, memoryStore, type StoreCall } from '@kiln/objstore';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { damaged } from './test-support/damaged-log.ts';
import { everything, pushes, STEPS, sums } from './test-support/marks.ts';
import { ANN, marked, Rig } from './test-support/rig.ts';

vi.setConfig({ testTimeout: 30_000 });

describe('a crash', () => {
  test('at any step of a cut loses nothing and doubles nothing; the start is at the tip', async () => {
    for (const step of STEPS) {
      const rig = await Rig.open();
      rig.start(step);
      await pushes(rig, 0, 6);
      await rig.caughtUp();
      await rig.clock.advance(300_000);
      await rig.died();
      const committed = (await rig.manifests()).at(-1)?.end ?? -1;
      expect(committed, `at ${step}`).toBe(step.includes('segment') ? -1 : 5);
      rig.start();
      const status = await rig.caughtUp();
      expect(status.committed, `at ${step}`).toBe(committed);
      expect(status.counts.records, `at ${step}`).toBe(5 - committed);
      expect((await rig.read(ANN)).sums, `at ${step}`).toEqual(sums(0, 6));
      await pushes(rig, 6, 8);
      await rig.cut();
      expect((await rig.read(ANN)).sums, `at ${step}`).toEqual(sums(0, 8));
      expect(await rig.log.startOffset(), `at ${step}`).toBe(8);
    }
  });

  test('leaves manifests that tile the offsets', async () => {
    const rig = await Rig.open();
    for (let life = 0; life < 20; life++) {
      rig.start(STEPS[life % STEPS.length]);
      await pushes(rig, life, life + 1);
      await rig.caughtUp();
      await rig.clock.advance(300_000);
      await rig.died();
    }
    const manifests = await rig.manifests();
    expect(manifests.length).toBeGreaterThan(8);
    manifests.forEach(({ start }, i) => expect(start).toBe(i === 0 ? -1 : manifests[i - 1]!.end));
  });
});

describe('cuts', () => {
  test('an idle partition makes no manifest', async () => {
    const rig = await Rig.open();
    rig.start();
    await rig.until(({ state }) => state === 'following');
    await rig.clock.advance(3_600_000);
    expect(await rig.manifests()).toEqual([]);
    await pushes(rig, 0, 1);
    await rig.cut();
    await rig.clock.advance(3_600_000);
    expect(await rig.manifests()).toHaveLength(1);
  });

  test('come by bytes of the log, by bytes of the object, by age since the first record', async () => {
    const byLog = await Rig.open({ cuts: { maxLogBytes: 2000 } });
    byLog.start();
    await pushes(byLog, 0, 20);
    await byLog.caughtUp();
    await byLog.until(({ counts }) => counts.cuts >= 2);
    const bySize = await Rig.open({ cuts: { maxBytes: 2000 } });
    bySize.start();
    await pushes(bySize, 0, 40);
    await bySize.until(({ counts }) => counts.cuts >= 1);
    const byAge = await Rig.open({ cuts: { maxAgeMs: 1000 } });
    byAge.start();
    await byAge.until(({ state }) => state === 'following');
    await byAge.clock.advance(10_000);
    await pushes(byAge, 0, 1);
    await byAge.caughtUp();
    await byAge.clock.advance(999);
    expect((await byAge.status()).committed).toBe(-1);
    await byAge.clock.advance(1);
    await byAge.until(({ committed }) => committed === 0);
  });

  test('are not put off by a clock that is set back', async () => {
    const rig = await Rig.open();
    let backMs = 0;
    const clock: Clock = {
      nowMs: () => rig.clock.nowMs() - backMs,
      sleep: (ms, signal) => rig.clock.sleep(ms, signal),
    };
    rig.start(undefined, { clock });
    await pushes(rig, 0, 1);
    await rig.caughtUp();
    backMs = 3_600_000;
    await rig.clock.advance(300_000);
    await rig.until(({ committed }) => committed === 0);
  });

  test('copies alone are committed without an object, and let go from the log', async () => {
    const rig = await Rig.open();
    rig.start();
    await rig.push(ANN, marked('m', 1));
    await rig.cut();
    await rig.push(ANN, marked('m', 1));
    await rig.cut();
    expect(await rig.log.startOffset()).toBe(2);
    expect(await rig.store.list(`log/${rig.log.id}/s/`)).toHaveLength(1);
    expect((await rig.read(ANN)).sums).toEqual({ m: 1 });
  });

  test('a clean stop commits what the head holds, so that the next start replays nothing', async () => {
    const rig = await Rig.open();
    const partition = rig.start();
    await pushes(rig, 0, 4);
    await rig.caughtUp();
    await partition.stop(true);
    expect((await rig.manifests()).at(-1)?.end).toBe(3);
    rig.start();
    expect((await rig.caughtUp()).counts.records).toBe(0);
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 4));
    await rig.partition.stop(false);
    expect(await rig.manifests()).toHaveLength(1);
  });
});

describe('while the store is in trouble', () => {
  /** A store that refuses what `refuses` says. */
  function moody(refuses: (call: StoreCall) => boolean): ReturnType<typeof memoryStore> {
    return faultyStore(memoryStore(), (call): Fault | undefined =>
      refuses(call) ? { before: new KilnError('unavailable', 'ENOSPC: no space left') } : undefined,
    );
  }

  test('reading stops with two full generations, and goes on by itself, with nothing lost', async () => {
    let full = false;
    const rig = await Rig.open({
      store: moody(({ operation }) => full && operation.startsWith('put')),
      cuts: { maxLogBytes: 1500 },
    });
    rig.start();
    await rig.until(({ state }) => state === 'following');
    full = true;
    await pushes(rig, 0, 40);
    const stuck = await rig.until(({ paused }) => paused !== undefined);
    expect(stuck).toMatchObject({ generations: 2, committed: -1 });
    expect(stuck.paused).toMatch(/both generations are full/);
    expect(stuck.error).toMatch(/no space left/);
    expect(stuck.lag).toBeGreaterThan(10);
    for (let i = 0; i < 20; i++) await rig.clock.advance(10_000);
    const later = await rig.status();
    expect(later.consumed).toBe(stuck.consumed);
    expect(later.counts.cutFailures).toBeGreaterThan(3);
    const refused = rig.clock.run(rig.partition.answer(everything(39)).catch((error: unknown) => error));
    expect(await refused).toMatchObject({ code: 'unavailable', reason: 'behind', message: /no space left/ });
    const head = await rig.partition.answer(everything(stuck.consumed));
    expect(await rig.sum(ANN, head)).toEqual(sums(0, stuck.consumed + 1));
    full = false;
    await rig.clock.advance(30_000);
    const well = await rig.caughtUp();
    expect(well).toMatchObject({ error: undefined, paused: undefined });
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 40));
  });

  test('a partition that cannot open says why, and opens when the trouble ends', async () => {
    let down = true;
    const rig = await Rig.open({ store: moody(() => down) });
    rig.start();
    await pushes(rig, 0, 2);
    expect((await rig.until(({ error }) => error !== undefined)).state).toBe('opening');
    down = false;
    await rig.clock.advance(60_000);
    await rig.caughtUp();
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 2));
  });

  test('a stop that cuts gives up after a while; the log still has everything', async () => {
    let full = false;
    const rig = await Rig.open({ store: moody(({ operation }) => full && operation === 'put') });
    const partition = rig.start();
    await pushes(rig, 0, 2);
    await rig.caughtUp();
    full = true;
    await rig.clock.run(partition.stop(true));
    full = false;
    rig.start();
    expect((await rig.caughtUp()).counts.records).toBe(2);
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 2));
  });

  test('calls that fail before or after their effect change no sum', async () => {
    for (let seed = 1; seed <= 15; seed++) {
      const random = seededRandom(seed);
      let calm = false;
      const faults = randomFaults(random, { before: 0.15, after: 0.15 }, () => new KilnError('unavailable', 'timeout'));
      const store = faultyStore(memoryStore(), (call) => (calm ? undefined : faults(call)));
      const rig = await Rig.open({ store, cuts: { maxAgeMs: 2_000 } });
      rig.start();
      for (let i = 0; i < 10; i++) {
        await pushes(rig, i, i + 1);
        if (i > 0) await rig.push(ANN, marked(`m${i - 1}`, 2 ** (i - 1)));
        await rig.clock.advance(3_000);
        if (random() < 0.3) {
          rig.kill();
          rig.start();
        }
      }
      calm = true;
      await rig.clock.advance(120_000);
      await rig.caughtUp();
      expect((await rig.read(ANN)).sums, `seed ${seed}`).toEqual(sums(0, 10));
      const manifests = await rig.manifests();
      manifests.forEach(({ start }, i) => expect(start).toBe(i === 0 ? -1 : manifests[i - 1]!.end));
    }
  });
});

describe('two owners of one log', () => {
  test('one manifest wins; the other lets go of what it covers and cuts the rest', async () => {
    const rig = await Rig.open();
    rig.start();
    const other = rig.newLife().partition;
    await pushes(rig, 0, 4);
    await rig.caughtUp();
    await rig.clock.advance(100_000);
    other.start();
    await pushes(rig, 4, 6);
    await rig.caughtUp();
    await rig.clock.advance(200_000);
    await rig.until(({ committed }) => committed === 5);
    await pushes(rig, 6, 9);
    await rig.caughtUp();
    await rig.clock.advance(100_000);
    await rig.until(({ consumed }) => consumed === 8);
    for (const partition of [rig.partition, other])
      expect((await rig.read(ANN, -1, partition)).sums).toEqual(sums(0, 9));
    await rig.clock.advance(400_000);
    const manifests = await rig.manifests();
    manifests.forEach(({ start }, i) => expect(start).toBe(i === 0 ? -1 : manifests[i - 1]!.end));
    expect(manifests.at(-1)?.end).toBe(8);
    for (const partition of [rig.partition, other])
      expect((await rig.read(ANN, -1, partition)).sums).toEqual(sums(0, 9));
  });

  test('one that others have overtaken takes over their ids, so that a copy of what it never read is dropped', async () => {
    const gate = Promise.withResolvers<void>();
    const rig = await Rig.open();
    await pushes(rig, 0, 6);
    rig.newLife().partition.start();
    await rig.clock.advance(100_000);
    const slow = damaged(
      rig.log,
      (entry) => entry,
      async ({ offset }) => void (offset === 3 && (await gate.promise)),
    );
    rig.start(undefined, { log: slow });
    await rig.until(({ consumed }) => consumed === 2);
    await rig.clock.advance(200_000);
    expect((await rig.manifests()).map(({ end }) => end)).toEqual([5]);
    await rig.clock.advance(100_000);
    await rig.until(({ committed }) => committed === 5);
    gate.resolve();
    await pushes(rig, 4, 7);
    expect(await rig.caughtUp()).toMatchObject({ counts: { copiesDropped: 2 } });
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 7));
  });

  test('one whose younger generation others have committed too lets go of both', async () => {
    const held = Promise.withResolvers<void>();
    const rig = await Rig.open();
    rig.start(undefined, { killPoint: (step) => (step === 'before-segment' ? held.promise : undefined) });
    await pushes(rig, 0, 3);
    await rig.caughtUp();
    await rig.clock.advance(300_000);
    await pushes(rig, 3, 6);
    expect(await rig.caughtUp()).toMatchObject({ generations: 2, committed: -1 });
    rig.newLife(undefined, { cuts: { maxAgeMs: 0, maxBytes: 64 << 20, maxLogBytes: 1 << 30 } }).partition.start();
    for (let turn = 0; turn < 1_000 && (await rig.manifests()).at(-1)?.end !== 5; turn++) await setImmediate();
    held.resolve();
    expect(await rig.until(({ committed }) => committed === 5)).toMatchObject({ generations: 0, consumed: 5 });
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 6));
  });
});
