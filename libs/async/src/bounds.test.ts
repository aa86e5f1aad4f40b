import { describe, expect, test } from 'vitest';
import { BoundedQueue } from './bounded-queue.ts';
import { ManualClock } from './manual-clock.ts';
import { mapLimit } from './map-limit.ts';
import { KeyedMutex, Mutex } from './mutex.ts';
import { seededRandom } from './random.ts';
import { Semaphore } from './semaphore.ts';

describe('Semaphore', () => {
  test('lets at most its limit in, first come, first served, large ones not overtaken', async () => {
    const gate = new Semaphore(4);
    const order: string[] = [];
    const enter = async (name: string, count: number): Promise<() => void> => {
      const release = await gate.acquire(count);
      order.push(name);
      return release;
    };
    const first = await enter('3', 3);
    const big = enter('big', 4);
    const small = enter('small', 1);
    expect(gate.tryAcquire(1)).toBeUndefined();
    first();
    first(); // giving back twice gives back once
    const release = await big;
    expect([order, gate.used, gate.waiting]).toEqual([['3', 'big'], 4, 1]);
    release();
    (await small)();
    expect([order, gate.used]).toEqual([['3', 'big', 'small'], 0]);
  });

  test('more than the limit enters alone', async () => {
    const gate = new Semaphore(2);
    const release = await gate.acquire(5);
    expect(gate.tryAcquire(1)).toBeUndefined();
    release();
    expect(gate.tryAcquire(1)).toBeTypeOf('function');
  });

  test('who leaves the line makes room for those behind', async () => {
    const gate = new Semaphore(2);
    await gate.acquire(1);
    const stop = new AbortController();
    const big = gate.acquire(2, stop.signal);
    const small = gate.acquire(1);
    stop.abort(new Error('left'));
    await expect(big).rejects.toThrow('left');
    await small;
    expect(gate.used).toBe(2);
  });

  test('a failing work gives its permit back', async () => {
    const gate = new Semaphore(1);
    await expect(gate.run(() => Promise.reject(new Error('x')))).rejects.toThrow('x');
    expect(gate.used).toBe(0);
  });
});

describe('Mutex', () => {
  test('one at a time, in order; keys are independent and forgotten', async () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    const work = (name: string, ms: number) => async () => {
      seen.push(`${name}<`);
      await clock.sleep(ms);
      seen.push(`${name}>`);
      if (name === 'bad') throw new Error('bad');
    };
    const one = new Mutex();
    await clock.run(Promise.allSettled([one.run(work('bad', 5)), one.run(work('b', 1)), one.run(work('c', 1))]));
    expect(seen.splice(0)).toEqual(['bad<', 'bad>', 'b<', 'b>', 'c<', 'c>']);
    const keyed = new KeyedMutex<string>();
    await clock.run(
      Promise.allSettled([keyed.run('x', work('bad', 5)), keyed.run('x', work('b', 1)), keyed.run('y', work('c', 1))]),
    );
    expect(seen).toEqual(['bad<', 'c<', 'c>', 'bad>', 'b<', 'b>']);
    expect(keyed.keys).toBe(0);
  });
});

describe('mapLimit', () => {
  test('keeps the order and the bound', async () => {
    const clock = new ManualClock();
    let running = 0;
    let most = 0;
    const work = async (item: number, index: number): Promise<string> => {
      most = Math.max(most, ++running);
      await clock.sleep((item * 7919) % 13);
      running--;
      return `${index}:${item}`;
    };
    const items = Array.from({ length: 50 }, (_, i) => i * 3);
    expect(await clock.run(mapLimit(items, 4, work))).toEqual(items.map((item, i) => `${i}:${item}`));
    expect(most).toBe(4);
    expect(await mapLimit([], 4, work)).toEqual([]);
  });

  test('the first error wins, nothing new starts, and what runs is awaited', async () => {
    const clock = new ManualClock();
    const ended: number[] = [];
    const started: number[] = [];
    const work = async (item: number): Promise<void> => {
      started.push(item);
      await clock.sleep(item * 10);
      ended.push(item);
      if (item === 1 || item === 3) throw new Error(`item ${item}`);
    };
    await expect(clock.run(mapLimit([2, 1, 3, 4, 5], 3, work))).rejects.toThrow('item 1');
    expect([started, ended]).toEqual([
      [2, 1, 3],
      [1, 2, 3],
    ]);
  });
});

describe('BoundedQueue', () => {
  test('is bounded by size, waits or refuses, and keeps the order of the line', async () => {
    const queue = new BoundedQueue<string>({ limit: 5, sizeOf: (text) => text.length });
    expect([queue.tryPush('abc'), queue.tryPush('def'), queue.tryPush('de')]).toEqual([true, false, true]);
    const long = queue.push('ghijk');
    const short = queue.push('l');
    expect(queue.tryPush('')).toBe(false); // others wait already
    expect(await queue.take()).toBe('abc');
    expect(queue.length).toBe(1); // 'ghijk' does not fit beside 'de', and 'l' does not overtake it
    expect(await queue.take()).toBe('de');
    expect(await long).toBe(true);
    expect(await queue.take()).toBe('ghijk');
    expect(await short).toBe(true);
    expect([await queue.take(), queue.size, queue.tryTake()]).toEqual(['l', 0, undefined]);
  });

  test('an item above the limit enters alone', async () => {
    const queue = new BoundedQueue<string>({ limit: 2, sizeOf: (text) => text.length });
    expect(await queue.push('abcdef')).toBe(true);
    expect(queue.tryPush('a')).toBe(false);
    expect(queue.tryTake()).toBe('abcdef');
  });

  test('takers get items in the order they asked', async () => {
    const queue = new BoundedQueue<number>({ limit: 1 });
    const takers = [queue.take(), queue.take(), queue.take()];
    for (const item of [1, 2, 3]) expect(queue.tryPush(item)).toBe(true);
    expect(await Promise.all(takers)).toEqual([1, 2, 3]);
  });

  test('close turns waiting pushers away, ends waiting takers and keeps what is inside', async () => {
    const queue = new BoundedQueue<number>({ limit: 1 });
    await queue.push(1);
    const late = queue.push(2);
    queue.close();
    expect([await late, queue.tryPush(3), await queue.push(3)]).toEqual([false, false, false]);
    expect([await queue.take(), await queue.take()]).toEqual([1, undefined]);
    const empty = new BoundedQueue<number>({ limit: 1 });
    const taker = empty.take();
    empty.close();
    expect(await taker).toBeUndefined();
  });

  test('who gives up waiting leaves no trace', async () => {
    const queue = new BoundedQueue<number>({ limit: 1 });
    const stop = new AbortController();
    const taker = queue.take(stop.signal);
    stop.abort(new Error('gone'));
    await expect(taker).rejects.toThrow('gone');
    expect(await queue.push(1)).toBe(true);
    const later = new AbortController();
    const pusher = queue.push(2, later.signal);
    later.abort(new Error('gone too'));
    await expect(pusher).rejects.toThrow('gone too');
    expect([queue.tryTake(), queue.tryTake()]).toEqual([1, undefined]);
  });
});

describe('seededRandom', () => {
  test('repeats itself and is spread evenly', () => {
    const a = seededRandom(42);
    const b = seededRandom(42);
    const buckets = new Float64Array(10);
    for (let i = 0; i < 10_000; i++) {
      const value = a();
      expect(value).toBe(b());
      buckets[Math.floor(value * 10)]!++;
    }
    for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect(seededRandom(1)()).not.toBe(seededRandom(2)());
  });
});
