import { describe, expect, test } from 'vitest';
import { KilnError } from '@kiln/model';
import type { Appended, OpenLog } from '@kiln/partition-log';
import { NOW, tenant, labels, profile, sample, ids, harness } from './test-support/intake-harness.ts';

describe('an append that fails', () => {
  /** Logs of which one call after the other does what the plan says, then all go well; with what was tried. */
  function failing(
    plan: (() => void)[],
    afterEffect = false,
  ): { wrap: (log: OpenLog) => OpenLog; tried: Uint8Array[] } {
    const tried: Uint8Array[] = [];
    const append = async (log: OpenLog, record: Uint8Array): Promise<Appended> => {
      tried.push(record.slice());
      if (!afterEffect) plan.shift()?.();
      const appended = await log.append(record);
      if (afterEffect) plan.shift()?.();
      return appended;
    };
    const wrap = (log: OpenLog): OpenLog => ({
      id: log.id,
      partition: log.partition,
      append: (record) => append(log, record),
      read: (from, signal) => log.read(from, signal),
      startOffset: () => log.startOffset(),
      endOffset: () => log.endOffset(),
      trim: (to) => log.trim(to),
    });
    return { wrap, tried };
  }
  const full = (): never => {
    throw new KilnError('unavailable', 'appending partition 1 of the log: the disk is full');
  };
  const always = (fail: () => never): (() => void)[] => Array.from({ length: 1_000 }, () => fail);
  /** Whole seconds: the id of the profile is made by chance. */
  const wholeSecond = [{ labels: labels('a'), samples: [sample(profile(1n, BigInt(NOW) * 1_000_000n))] }];

  test('is tried again with the same bytes and ids until it succeeds, whether or not a try took effect', async () => {
    for (const afterEffect of [false, true]) {
      const { wrap, tried } = failing([full, full, full], afterEffect);
      const { intake, clock, records } = await harness({}, wrap);
      expect(await clock.run(intake.push(tenant, wholeSecond))).toHaveLength(1);
      expect(tried).toHaveLength(4);
      for (const again of tried) expect(again).toEqual(tried[0]);
      expect(new Set(ids(await records())).size).toBe(1);
    }
  });

  test('for 10 s is not acknowledged, and not tried any longer', async () => {
    const { wrap, tried } = failing(always(full));
    const { intake, clock } = await harness({}, wrap);
    await expect(clock.run(intake.push(tenant, wholeSecond))).rejects.toMatchObject({ code: 'unavailable' });
    expect(clock.nowMs() - NOW).toBeGreaterThan(8_000);
    expect(clock.nowMs() - NOW).toBeLessThanOrEqual(10_000);
    expect(tried.length).toBeGreaterThan(10);
    expect(tried.length).toBeLessThan(60);
  });

  test('for good is not tried again: a log that is closed, a record that is too large', async () => {
    for (const code of ['failed_precondition', 'invalid_argument', 'internal'] as const) {
      const { wrap, tried } = failing(
        always(() => {
          throw new KilnError(code, 'for good');
        }),
      );
      const { intake, distributor } = await harness({}, wrap);
      await expect(intake.push(tenant, wholeSecond)).rejects.toMatchObject({ code });
      expect([tried.length, distributor.notReady()]).toEqual([1, undefined]);
    }
  });

  test('answers that the push may be sent again, also when another record of it never can be stored', async () => {
    const tooLarge = new KilnError('invalid_argument', 'record too large');
    for (const partition of [0, 1, 2, 3]) {
      const { intake, clock } = await harness({}, (log) => ({
        ...log,
        append: async () => (log.partition === partition ? Promise.reject(tooLarge) : full()),
      }));
      const series = 'abcdefghijkl'.split('').map((service) => ({
        labels: labels(service),
        samples: [sample(profile(1n))],
      }));
      await expect(clock.run(intake.push(tenant, series))).rejects.toMatchObject({ code: 'unavailable' });
    }
  });

  test('makes the distributor not ready and says why; it is ready when one succeeds, and when none was tried for a while', async () => {
    const plan = always(full);
    const { intake, distributor, clock } = await harness({}, failing(plan).wrap);
    expect(distributor.notReady()).toBeUndefined();
    const pushed = intake.push(tenant, wholeSecond).catch(() => 'refused');
    await clock.advance(5_000);
    expect(distributor.notReady()).toBe(
      '1 partition takes no records, for 5 s now: appending partition 1 of the log: the disk is full',
    );
    expect(await clock.run(pushed)).toBe('refused');
    expect(distributor.notReady()).toMatch(/disk is full/);
    await clock.advance(15_000);
    expect(distributor.notReady()).toBeUndefined();

    const next = intake.push(tenant, wholeSecond);
    await clock.advance(3_000);
    expect(distributor.notReady()).toMatch(/for 3 s now/);
    plan.length = 0;
    expect(await clock.run(next)).toHaveLength(1);
    expect(distributor.notReady()).toBeUndefined();
  });
});
