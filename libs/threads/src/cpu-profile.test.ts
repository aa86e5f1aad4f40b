import { ManualClock, systemClock } from '@kiln/async';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { profileOnAndOn, profileOnce, type CpuProfile, type CpuProfiling } from './cpu-profile.ts';

const sumOf = ({ nodes }: CpuProfile): number => nodes.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0);

function threadMicros(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

function burn(ms: number): void {
  for (const until = threadMicros() + ms * 1000; threadMicros() < until;);
}

test('a profile has the CPU that the system counts for the thread, in the functions that it was seen in', async () => {
  const before = threadMicros();
  const seen = profileOnce('mine', { ms: 300, sampleMs: 2 }, systemClock());
  await new Promise((resolve) => setImmediate(resolve));
  burn(200);
  const { thread, nodes, durationMs } = await seen;
  const sum = sumOf(await seen);
  expect(sum).toBeGreaterThanOrEqual(200_000);
  expect(sum).toBeLessThanOrEqual(threadMicros() - before);
  expect(thread).toBe('mine');
  expect(durationMs).toBeGreaterThanOrEqual(300);
  const under = (row: number): boolean => row >= 0 && (nodes[row]!.name === 'burn' || under(nodes[row]!.parent));
  const burnt = nodes.filter((_, row) => under(row)).reduce((all, { samples }) => all + samples, 0);
  expect(burnt).toBeGreaterThan(0);
  expect(nodes.some(({ name }) => name === '(idle)' || name === '(root)')).toBe(false);
});

test('what it takes to profile is said beside the rest, and work that no sample saw is not given to a function', async () => {
  const seen = await profileOnce('mine', { ms: 20, sampleMs: 100_000 }, systemClock());
  const own = seen.nodes.find(({ name }) => name === '(profiling)')!;
  expect(own.cpuMicros).toBeGreaterThan(0);
  expect(own.samples).toBe(0);
  expect(own.cpuMicros).toBeLessThanOrEqual(sumOf(seen));
});

describe('a thread that is profiled on and on', () => {
  /** That the thread has used: one more at each look. */
  let micros = 0;
  const ended = { signal: new AbortController() };
  beforeEach(() => {
    micros = 5_000_000;
    ended.signal = new AbortController();
    vi.spyOn(process, 'threadCpuUsage').mockImplementation(() => ({ user: ++micros, system: 0 }));
  });
  afterEach(() => {
    ended.signal.abort();
    vi.restoreAllMocks();
  });

  const profiling: CpuProfiling = {
    waitMs: 3_000,
    firstMs: 5_000,
    lookMs: 10_000,
    sampleMs: 1_000,
    share: 0.01,
    everyMs: 900_000,
  };

  function follow(atOnce: boolean, clock: ManualClock): CpuProfile[] {
    const heard: CpuProfile[] = [];
    const hear = (seen: CpuProfile): void => void heard.push(seen);
    void profileOnAndOn('mine', profiling, clock, hear, { atOnce, signal: ended.signal.signal });
    return heard;
  }

  test('is seen within seconds of the start where that was asked for', async () => {
    const clock = new ManualClock(1_000);
    const heard = follow(true, clock);
    await clock.advance(7_999);
    expect(heard).toEqual([]);
    await clock.advance(1);
    expect(heard).toMatchObject([{ thread: 'mine', startMs: 4_000, durationMs: 5_000 }]);
  });

  test('is looked at when the look is one in a hundred of its work, and not before', async () => {
    const clock = new ManualClock();
    const heard = follow(false, clock);
    await clock.advance(100_000);
    micros += 9_000_000;
    await clock.advance(100_000);
    expect(heard).toEqual([]);
    micros += 1_000_000;
    await clock.advance(20_000);
    expect(heard).toHaveLength(1);
    expect(sumOf(heard[0]!)).toBeGreaterThanOrEqual(10_000_000);
  });

  test('is looked at once in a while though it does nothing', async () => {
    const clock = new ManualClock();
    const heard = follow(false, clock);
    await clock.advance(3_000 + 900_000 + 9_999);
    expect(heard).toEqual([]);
    await clock.advance(1);
    expect(heard).toHaveLength(1);
  });

  test('loses no work and counts none twice: profiles follow each other without a hole', async () => {
    const clock = new ManualClock();
    const heard = follow(true, clock);
    await clock.advance(8_000);
    const work = 20_000_000;
    for (let i = 0; i < 5; i++) {
      micros += work;
      await clock.advance(61_000);
    }
    expect(heard).toHaveLength(6);
    for (const [i, { startMs }] of heard.entries())
      expect(startMs).toBe(i === 0 ? 3_000 : heard[i - 1]!.startMs + heard[i - 1]!.durationMs);
    for (const seen of heard.slice(1)) {
      expect(sumOf(seen)).toBeGreaterThanOrEqual(work);
      expect(sumOf(seen)).toBeLessThan(work + 100);
    }
  });
});
