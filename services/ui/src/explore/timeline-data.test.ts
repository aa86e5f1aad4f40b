import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TimeSeries } from '../api/calls.ts';
import { rangeOfSteps, stacked, timelineData } from './timeline-data.ts';

const STEP = 15_000;
const range = { fromMs: 1_800_000_000_001 - 10 * STEP, untilMs: 1_800_000_000_000 - 7_000 };

const series = (group: string, points: readonly (readonly [number, number])[]): TimeSeries => ({
  group,
  timesMs: points.map(([step]) => 1_800_000_000_000 - step * STEP),
  values: points.map(([, value]) => value),
});

describe('a timeline', () => {
  it('has a step for every stretch of its range, also where nothing came', () => {
    const data = timelineData(
      [
        series('', [
          [0, 5],
          [4, 7],
        ]),
      ],
      range,
      STEP,
      10,
      'sum',
    );
    expect(data.edgesMs).toHaveLength(10);
    expect(data.edgesMs.at(-1)).toBe(1_800_000_000_000);
    expect(Array.from(data.groups[0]!.values)).toEqual([...Array(5).fill(NaN), 7, NaN, NaN, NaN, 5]);
  });

  it('loses no value when many groups become one rest', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(9), fc.nat(1000)), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 2, max: 5 }),
        (points, most) => {
          const all = points.map(([step, value], i) => series(`g${i}`, [[step, value]]));
          const { groups, rest } = timelineData(all, range, STEP, most, 'sum');
          const sum = groups.reduce(
            (total, { values }) => total + values.reduce((part, value) => part + (Number.isNaN(value) ? 0 : value), 0),
            0,
          );
          expect(sum).toBe(points.reduce((total, [, value]) => total + value, 0));
          expect(groups.length).toBeLessThanOrEqual(most);
          expect(groups.length - (rest > 0 ? 1 : 0) + rest).toBe(points.length);
        },
      ),
    );
  });

  it('adds no means together: what is too much is left out, and counted', () => {
    const all = [1, 2, 3, 4].map((value) => series(`g${value}`, [[0, value]]));
    const { groups, rest, leftOut } = timelineData(all, range, STEP, 3, 'average');
    expect(groups.map(({ name, total }) => [name, total])).toEqual([
      ['g4', 4],
      ['g3', 3],
      ['g2', 2],
    ]);
    expect([rest, leftOut]).toEqual([0, 1]);
  });

  it('puts groups on top of each other, and leaves out what is not there', () => {
    const data = timelineData(
      [
        series('a', [
          [0, 5],
          [1, 9],
        ]),
        series('b', [[0, 2]]),
      ],
      range,
      STEP,
      10,
      'sum',
    );
    expect(stacked(data.groups).map((column) => column.slice(-2))).toEqual([
      [9, 5],
      [null, 7],
    ]);
  });
});

describe('a drag over a timeline', () => {
  const data = timelineData([series('', [[0, 5]])], range, STEP, 10, 'sum');
  const last = 1_800_000_000_000;

  it('means whole steps, those that it touches, in either direction', () => {
    const steps = { fromMs: last - 3 * STEP + 1, untilMs: last - STEP };
    expect(rangeOfSteps(data, last - 2.5 * STEP, last - 1.5 * STEP)).toEqual(steps);
    expect(rangeOfSteps(data, last - 1.5 * STEP, last - 2.5 * STEP)).toEqual(steps);
  });

  it('ends where the timeline does', () => {
    expect(rangeOfSteps(data, 0, last + STEP)).toEqual({ fromMs: last - 10 * STEP + 1, untilMs: last });
    expect(rangeOfSteps(data, last + 1, last + STEP)).toBeUndefined();
  });
});
