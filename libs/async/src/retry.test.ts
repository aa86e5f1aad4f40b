import { describe, expect, test } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { seededRandom } from './random.ts';
import { retry } from './retry.ts';
import { TimeoutError, withTimeout } from './timeout.ts';

const failing = (times: number, seen: number[], clock: ManualClock) => async (n: number) => {
  seen.push(clock.nowMs());
  if (n < times) throw new Error(`try ${n}`);
  return n;
};

describe('retry', () => {
  test('waits between 0 and a bound that doubles up to the largest', async () => {
    const clock = new ManualClock();
    const seen: number[] = [];
    const options = { clock, random: () => 1, baseMs: 10, maxMs: 50 };
    expect(await clock.run(retry(failing(5, seen, clock), options))).toBe(5);
    expect(seen).toEqual([0, 10, 30, 70, 120, 170]);
    const jittered: number[] = [];
    const from = clock.nowMs();
    await clock.run(retry(failing(5, jittered, clock), { ...options, random: seededRandom(7) }));
    expect(clock.nowMs() - from).toBeLessThan(170);
  });

  test('ends with the last error: after its tries, at its deadline, or when it is of no use', async () => {
    const clock = new ManualClock();
    const seen: number[] = [];
    const options = { clock, random: () => 1, baseMs: 10, maxMs: 50 };
    await expect(clock.run(retry(failing(9, seen, clock), { ...options, attempts: 3 }))).rejects.toThrow('try 2');
    await expect(clock.run(retry(failing(9, seen, clock), { ...options, deadlineMs: 100 }))).rejects.toThrow('try 3');
    const useless = retry(failing(9, seen, clock), {
      ...options,
      retryIf: (error) => !String(error).includes('try 1'),
    });
    await expect(clock.run(useless)).rejects.toThrow('try 1');
  });

  test('an abort ends the waiting', async () => {
    const clock = new ManualClock();
    const stop = new AbortController();
    const work = retry(failing(9, [], clock), {
      clock,
      random: () => 1,
      baseMs: 1000,
      maxMs: 1000,
      signal: stop.signal,
    });
    stop.abort(new Error('stopped'));
    await expect(work).rejects.toThrow('stopped');
  });
});

describe('withTimeout', () => {
  test('returns what ended in time and leaves no timer', async () => {
    const clock = new ManualClock();
    expect(await withTimeout(clock, 10, 'work', () => Promise.resolve(7))).toBe(7);
    expect(clock.sleeping).toBe(0);
  });

  test('rejects by name after the time, also when the work does not listen', async () => {
    const clock = new ManualClock();
    let told: unknown;
    const work = withTimeout(clock, 10, 'the work', (signal) => {
      signal.addEventListener('abort', () => (told = signal.reason));
      return new Promise<never>(() => undefined);
    });
    await expect(clock.run(work)).rejects.toThrow(/the work did not end within 10 ms/);
    expect(told).toBeInstanceOf(TimeoutError);
  });

  test('passes on the abort of its caller', async () => {
    const clock = new ManualClock();
    const stop = new AbortController();
    const work = withTimeout(clock, 10, 'work', () => new Promise<never>(() => undefined), stop.signal);
    stop.abort(new Error('caller left'));
    await expect(work).rejects.toThrow('caller left');
    expect(clock.sleeping).toBe(0);
  });
});
