import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sparkline } from './sparkline.ts';
import { stepAt, stepSeconds, stepsOf } from './steps.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

test('steps are round, at most 60, and end with the range', () => {
  const endMs = 1_700_000_000_123;
  const want = (lengthMs: number, stepMs: number, count: number) =>
    expect(stepsOf({ startMs: endMs - lengthMs, endMs }, 0)).toMatchObject({ stepMs, count });
  want(0, 15_000, 1);
  want(HOUR, MINUTE, 60);
  want(HOUR + 1, 2 * MINUTE, 31);
  want(24 * HOUR, 30 * MINUTE, 48);
  want(30 * 24 * HOUR, 12 * HOUR, 60);
  want(365 * 24 * HOUR, 7 * 24 * HOUR, 53);
});

test('every point of a server falls into its own step, wherever the server begins', () => {
  const anyRange = fc.tuple(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 0, max: 1e8 }));
  fc.assert(
    fc.property(anyRange, fc.integer({ min: 1_000, max: 1e7 }), ([startMs, length], step) => {
      const steps = stepsOf({ startMs, endMs: startMs + length }, step);
      expect(steps.firstMs).toBeGreaterThanOrEqual(startMs);
      expect(steps.firstMs - step).toBeLessThanOrEqual(startMs);
      expect(steps.firstMs + (steps.count - 1) * step).toBe(startMs + length);
      expect(stepAt(steps, steps.firstMs)).toBe(0);
      expect(stepAt(steps, startMs + length)).toBe(steps.count - 1);
    }),
  );
});

test('a step in seconds is the same milliseconds again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), (stepMs) => {
      expect(Math.trunc(stepSeconds({ stepMs, count: 1, firstMs: 1 }) * 1_000)).toBe(stepMs);
    }),
  );
});

test('a sparkline shows the shape: the largest highest, nothing where nothing is, means where it is short', () => {
  const line = (values: readonly (number | undefined)[], cells: number): string => {
    const known = values.flatMap((value, step) => (value === undefined ? [] : [[step, value] as const]));
    return sparkline(known, values.length, cells);
  };
  expect(line([1, 2, undefined, 4, 8], 80)).toBe('▁▂ ▄█');
  expect(line([0, 0], 80)).toBe('▁▁');
  expect(line([8, 8, 2, 2, undefined, undefined, 4, undefined], 4)).toBe('█▂ ▄');
  expect(line([], 80)).toBe('');
});

test('a sparkline of billions of steps costs its points alone', () => {
  const count = 2 ** 40;
  const known = [
    [0, 1],
    [count - 1, 2],
  ] as const;
  expect(sparkline(known, count, 4)).toBe('▄  █');
});
