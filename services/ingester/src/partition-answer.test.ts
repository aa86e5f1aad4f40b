import { systemClock } from '@kiln/async';
import { KilnError } from '@kiln/model';
import { memoryLog } from '@kiln/partition-log';
import type { Query } from '@kiln/query';
import { describe, expect, test, vi } from 'vitest';
import { damaged } from './test-support/damaged-log.ts';
import { everything, pushes, sums } from './test-support/marks.ts';
import { ANN, BOB, marked, Rig } from './test-support/rig.ts';

vi.setConfig({ testTimeout: 30_000 });

describe('an answer', () => {
  test('covers what was pushed once, from the head, from objects, and from any mark between', async () => {
    const rig = await Rig.open();
    rig.start();
    for (let cut = 0; cut < 4; cut++) {
      await pushes(rig, cut * 5, cut * 5 + 5);
      await rig.caughtUp();
      expect((await rig.read(ANN)).sums).toEqual(sums(0, cut * 5 + 5));
      await rig.cut();
      expect((await rig.read(ANN)).sums).toEqual(sums(0, cut * 5 + 5));
    }
    await pushes(rig, 20, 23);
    await rig.caughtUp();
    const ends = (await rig.manifests()).map(({ end }) => end);
    expect(ends).toEqual([4, 9, 14, 19]);
    // The last lies in the head: another owner may have committed it, and blocks hold it.
    for (const from of [-1, ...ends, 21])
      expect((await rig.read(ANN, from)).sums, `from ${from}`).toEqual(sums(from + 1, 23));
  });

  test('while a cut is under way holds the rows of both generations', async () => {
    const rig = await Rig.open();
    const held = Promise.withResolvers<void>();
    rig.start(undefined, { killPoint: (step) => (step === 'after-segment' ? held.promise : undefined) });
    await pushes(rig, 0, 5);
    await rig.caughtUp();
    await rig.clock.advance(300_000);
    await pushes(rig, 5, 8);
    expect(await rig.caughtUp()).toMatchObject({ generations: 2, committed: -1, consumed: 7 });
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 8));
    held.resolve();
    await rig.until(({ committed }) => committed === 4);
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 8));
    expect((await rig.read(ANN, 4)).sums).toEqual(sums(5, 8));
  });

  test('names only parts with rows in the range, and one step before it for a series', async () => {
    const rig = await Rig.open();
    rig.start();
    await rig.push(ANN, marked('m', 1, { timeMs: 5_000 }));
    await rig.cut();
    const range = { startMs: 6_000, endMs: 7_000 };
    const refs = async (query: Query): Promise<number> =>
      (await rig.partition.answer({ tenant: ANN, query, from: -1, upTo: 0 })).refs.length;
    expect(await refs({ kind: 'profileTypes', ...range })).toBe(0);
    expect(await refs({ kind: 'profileTypes', startMs: 5_000, endMs: 5_000 })).toBe(1);
    const series = {
      kind: 'selectSeries',
      profileType: 'a:b:c:d:e',
      selector: '{}',
      groupBy: [],
      aggregation: 'sum',
      limit: 0,
    } as const;
    expect(await refs({ ...series, ...range, stepMs: 1_000 })).toBe(0);
    expect(await refs({ ...series, ...range, stepMs: 1_001 })).toBe(1);
  });

  test('holds what was in the log when it was asked for, though the partition is still reading it', async () => {
    const rig = await Rig.open();
    await pushes(rig, 0, 20);
    const partition = rig.start();
    await rig.until(({ state }) => state === 'following');
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 20));
    for (let i = 20; i < 40; i++) {
      await pushes(rig, i, i + 1);
      expect((await rig.read(ANN)).sums).toEqual(sums(0, i + 1));
    }
    await rig.caughtUp();
    const asleep = rig.clock.sleeping;
    const answer = partition.answer(everything(39));
    expect(rig.clock.sleeping, 'nothing is waited for in ordinary times').toBe(asleep);
    expect(await answer).toMatchObject({ H: 39 });
  });

  test('is refused after a while when the log is replayed too slowly, never silently short', async () => {
    const gate = Promise.withResolvers<void>();
    const inner = await memoryLog({ partitions: 1, clock: systemClock() }).open(0);
    const slow = damaged(
      inner,
      (entry) => entry,
      async (entry) => void (entry.offset === 5 && (await gate.promise)),
    );
    const rig = await Rig.open({ log: slow });
    await pushes(rig, 0, 20);
    rig.start();
    await rig.until(({ consumed }) => consumed === 4);
    const early = rig.partition.answer(everything(19)).catch((error: unknown) => error);
    await rig.clock.advance(4_999);
    const late = rig.partition.answer(everything(19));
    await rig.clock.advance(1);
    expect(await early).toMatchObject({
      code: 'unavailable',
      reason: 'behind',
      retryAfterSeconds: 1,
      message: /^partition 0 has 15 records of its log still to read \(it is reading them\): /,
    });
    expect(await rig.sum(ANN, await rig.partition.answer(everything(4)))).toEqual(sums(0, 5));
    gate.resolve();
    expect(await rig.sum(ANN, await late)).toEqual(sums(0, 20));
  });

  test.each([
    ['stops', 'it is stopping'],
    ['fails', 'torn to pieces'],
  ])('is refused at once when the partition %s while it is waited for', async (end, why) => {
    const inner = await memoryLog({ partitions: 1, clock: systemClock() }).open(0);
    const slow = damaged(
      inner,
      (entry) => entry,
      async ({ offset }) => {
        if (offset === 0) return;
        if (end === 'fails') throw new KilnError('data_loss', why);
        await new Promise(() => undefined);
      },
    );
    const rig = await Rig.open({ log: slow });
    await pushes(rig, 0, 1);
    const partition = rig.start();
    await rig.caughtUp();
    const answer = partition.answer(everything(1));
    await pushes(rig, 1, 2);
    if (end === 'stops') void partition.stop();
    await expect(answer).rejects.toThrow(why);
  });

  test('is refused to a reader whose index lacks what segments need not hold any more', async () => {
    const rig = await Rig.open();
    rig.start();
    await pushes(rig, 0, 3);
    await rig.cut();
    rig.kill();
    await rig.raiseT(2);
    rig.start();
    await pushes(rig, 3, 5);
    await rig.caughtUp();
    await expect(rig.read(ANN, 1)).rejects.toMatchObject({ code: 'aborted', reason: 'stale_index' });
    expect((await rig.read(ANN, 2)).sums).toEqual(sums(3, 5));
  });

  test('is refused until the partition is open', async () => {
    const rig = await Rig.open();
    const partition = rig.start();
    await expect(partition.answer(everything(-1))).rejects.toThrow(/does not answer: it is opening/);
    await partition.stop();
    await expect(partition.answer(everything(-1))).rejects.toThrow(/it is stopped/);
  });
});

describe('two tenants', () => {
  test('share an object, never a byte of a part, and each is answered only its own', async () => {
    const rig = await Rig.open();
    rig.start();
    for (let i = 0; i < 5; i++) {
      await rig.push(ANN, marked(`annmark${i}`, 1 + i));
      await rig.push(BOB, marked(`bobmark${i}`, 100 + i));
    }
    await rig.caughtUp();
    for (const step of ['head', 'cut']) {
      const answer = await rig.partition.answer({
        tenant: ANN,
        query: { kind: 'series', matchers: [], labelNames: [], utf8: true, startMs: 0, endMs: 2e12 },
        from: -1,
        upTo: 9,
      });
      const bytes = [answer.partial];
      for (const { object, off, len } of answer.refs) bytes.push((await rig.store.getRange(object, off, len))!);
      for (const part of bytes) expect(Buffer.from(part).toString('latin1'), `at ${step}`).not.toContain('bobmark');
      expect(Object.keys((await rig.read(ANN)).sums).toSorted(), `at ${step}`).toEqual(
        [0, 1, 2, 3, 4].map((i) => `annmark${i}`),
      );
      expect(Object.keys((await rig.read(BOB)).sums).toSorted(), `at ${step}`).toEqual(
        [0, 1, 2, 3, 4].map((i) => `bobmark${i}`),
      );
      if (step === 'head') await rig.cut();
    }
  });
});
