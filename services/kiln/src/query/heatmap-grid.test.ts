import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fullest, gridOf, gridText, gridWidth, legendText } from './heatmap-grid.ts';
import { stepsOf } from './steps.ts';

const endMs = Date.UTC(2026, 10, 29, 10);
const steps = stepsOf({ startMs: endMs - 30 * 60_000, endMs }, 60_000);
const at = (minute: number): number => endMs - minute * 60_000;

test('a heat map has the largest values at the top, time from left to right, and a shade for how many', () => {
  const slots = [
    { timeMs: at(29), counts: [1, 0] },
    { timeMs: at(0), counts: [2, 9] },
  ];
  const cells = gridWidth(steps, 70);
  const grid = gridOf(slots, 2, steps, cells);
  expect(cells).toBe(60);
  expect(fullest([grid])).toBe(9);
  expect(gridText(grid, ['1 ms', '20 ms'], steps, { most: 9, colours: false }).split('\n')).toEqual([
    `20 ms ${' '.repeat(58)}@@`,
    ` 1 ms ..${' '.repeat(56)}::`,
    `      2026-11-29T09:30:00Z${' '.repeat(20)}2026-11-29T10:00:00Z`,
    '',
  ]);
  expect(gridText(grid, ['1 ms', '20 ms'], steps, { most: 9, colours: true })).toContain('\u001b[48;5;229m \u001b[0m');
});

test('every value is drawn, whatever the width: no step falls between two characters', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 29 }), (room, minute) => {
      const cells = gridWidth(steps, room);
      const [line] = gridOf([{ timeMs: at(minute), counts: [3] }], 1, steps, cells);
      expect(line!.reduce((sum, count) => sum + count, 0)).toBe(3 * Math.max(1, cells / steps.count));
    }),
  );
});

test('what does not fit side by side is added up', () => {
  const slots = Array.from({ length: 30 }, (_, minute) => ({ timeMs: at(minute), counts: [1] }));
  expect(gridOf(slots, 1, steps, gridWidth(steps, 10))).toEqual([[3, 3, 3, 3, 3, 3, 3, 3, 3, 3]]);
});

test('the legend names every shade that is used, with what it stands for', () => {
  expect(legendText(1, false)).toBe('values a cell: @ 1\n');
  expect(legendText(3, false)).toBe('values a cell: - 1  * 2  @ 3\n');
  expect(legendText(18, false)).toMatch(/^values a cell: \. 1-2 {2}: 3-4 .* @ 17-18\n$/);
});
