import { expect, it } from 'vitest';
import { aggregationOf, compareKinds, firstKind, kindTitle, titleAmong } from './kinds.ts';

const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';

it('a kind is called as people call it, and one that nobody knows by its id', () => {
  expect(kindTitle(CPU)).toBe('CPU time');
  expect(kindTitle('memory:inuse_space:bytes:space:bytes')).toBe('Memory in use');
  expect(kindTitle('goroutines:goroutine:count:goroutine:count')).toBe('Goroutines');
  expect(kindTitle('exception:exception:count:cpu:nanoseconds')).toBe('exception (count)');
  expect(kindTitle('io:reads:count::')).toBe('io reads (count)');
});

it('kinds that would be called alike are told apart by what they are counted by, or by their ids', () => {
  const wall = 'process_cpu:samples:count:wallclock:nanoseconds';
  const cpu = 'process_cpu:samples:count:cpu:nanoseconds';
  const odd = 'process_cpu:samples:events:cpu:nanoseconds';
  const bare = 'process_cpu:samples:count::';
  const titles = (...kinds: string[]): string[] => kinds.map((kind) => titleAmong(kind, kinds));
  expect(titles(wall, CPU)).toEqual(['CPU samples', 'CPU time']);
  expect(titles(wall, cpu, CPU)).toEqual([
    'CPU samples · wallclock:nanoseconds',
    'CPU samples · cpu:nanoseconds',
    'CPU time',
  ]);
  expect(titles(odd, cpu, bare)).toEqual([odd, cpu, bare].map((kind) => `CPU samples · ${kind}`));
});

it('CPU is looked at first where there is some', () => {
  expect(firstKind(['memory:inuse_space:bytes:space:bytes', 'process_cpu:samples:count:cpu:nanoseconds', CPU])).toBe(
    CPU,
  );
  expect(firstKind(['memory:alloc_space:bytes:space:bytes', 'memory:inuse_space:bytes:space:bytes'])).toBe(
    'memory:inuse_space:bytes:space:bytes',
  );
  expect(firstKind([])).toBe('');
});

it('time is looked at before counts of samples', () => {
  const time = 'process_cpu:time:nanoseconds:wallclock:nanoseconds';
  expect(firstKind(['process_cpu:samples:count:wallclock:nanoseconds', time])).toBe(time);
});

it('of two kinds that are alike the first is looked at, and one that tells only a part of itself comes last', () => {
  const odd = 'process_cpu:cpu:nanoseconds::nanoseconds';
  expect([odd, CPU].toSorted(compareKinds)).toEqual([CPU, odd]);
  expect([firstKind([odd, CPU]), firstKind([CPU, odd])]).toEqual([odd, CPU]);
});

it('what is held at an instant is averaged', () => {
  expect(aggregationOf('memory:inuse_space:bytes:inuse_space:bytes')).toBe('average');
  expect(aggregationOf('goroutine:goroutine:count:goroutine:count')).toBe('average');
  expect(aggregationOf('memory:alloc_space:bytes:space:bytes')).toBe('sum');
  expect(aggregationOf(CPU)).toBe('sum');
});
