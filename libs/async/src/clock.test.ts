import { describe, expect, test } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { systemClock } from './system-clock.ts';

describe('ManualClock', () => {
  test('sleepers wake at their times, in order, and what they start first is seen by the next', async () => {
    const clock = new ManualClock(1000);
    const seen: string[] = [];
    const nap = async (name: string, ms: number): Promise<void> => {
      await clock.sleep(ms);
      seen.push(`${name}@${clock.nowMs()}`);
      if (name === 'a') await nap('a2', 5);
    };
    const all = [nap('b', 20), nap('a', 10), nap('c', 20)];
    await clock.advance(9);
    expect(seen).toEqual([]);
    await clock.advance(11);
    expect(seen).toEqual(['a@1010', 'a2@1015', 'b@1020', 'c@1020']);
    expect(clock.nowMs()).toBe(1020);
    await Promise.all(all);
  });

  test('a sleep ends with the reason of its signal, before or while it waits', async () => {
    const clock = new ManualClock();
    const stop = new AbortController();
    const nap = clock.sleep(10, stop.signal);
    stop.abort(new Error('enough'));
    await expect(nap).rejects.toThrow('enough');
    await expect(clock.sleep(10, stop.signal)).rejects.toThrow('enough');
    expect(clock.sleeping).toBe(0);
  });

  test('run turns the clock as far as the work needs', async () => {
    const clock = new ManualClock();
    const work = async (): Promise<number> => {
      await clock.sleep(3_600_000);
      await systemClock().sleep(1); // real I/O in between
      await clock.sleep(1);
      return clock.nowMs();
    };
    expect(await clock.run(work())).toBe(3_600_001);
  });
});

describe('systemClock', () => {
  test('a sleep of more days than a timer takes does not end at once', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('long enough')), 30);
    await expect(systemClock().sleep(30 * 86_400_000, stop.signal)).rejects.toThrow('long enough');
  });

  test('sleeps at least as long as asked and can be stopped', async () => {
    const clock = systemClock();
    const before = clock.nowMs();
    await clock.sleep(20);
    await clock.sleep(0);
    expect(clock.nowMs() - before).toBeGreaterThanOrEqual(18);
    await expect(clock.sleep(60_000, AbortSignal.abort(new Error('no')))).rejects.toThrow('no');
    await expect(clock.sleep(60_000, AbortSignal.timeout(5))).rejects.toThrow('timeout');
  });
});
