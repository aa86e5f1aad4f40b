import fc from 'fast-check';
import { expect, it } from 'vitest';
import { frameTree, type FrameTree } from './frame-tree.ts';
import { anyStacks, flameDataOf } from './test-support/stacks.ts';
import { Boxes, findVisible, rowAt, type View } from './visible.ts';

const anyView = fc.record({
  from: fc.double({ min: 0, max: 0.99, noNaN: true }),
  span: fc.double({ min: 0.001, max: 1, noNaN: true }),
  width: fc.integer({ min: 1, max: 120 }),
});

function within(tree: FrameTree, { from, span, width }: { from: number; span: number; width: number }): View {
  const whole = tree.total[0]!;
  return { from: from * whole, to: Math.min(1, from + span) * whole, width, top: 0, bottom: tree.levels.length - 1 };
}

it('every frame in view is in one box, boxes of several lie close, and wide frames have their own', () => {
  fc.assert(
    fc.property(anyStacks, anyView, (stacks, some) => {
      const tree = frameTree(flameDataOf(stacks));
      const view = within(tree, some);
      const boxes = new Boxes();
      findVisible(tree, view, boxes);
      const scale = view.width / (view.to - view.from);
      const boxOf = new Map<number, number>();
      for (let i = 0; i < boxes.length; i++) {
        const first = boxes.row[i]!;
        for (let row = first; row < first + boxes.count[i]!; row++) {
          expect(boxOf.has(row)).toBe(false);
          boxOf.set(row, i);
        }
        expect(boxes.x[i]).toBeGreaterThanOrEqual(0);
        expect(boxes.x[i]! + boxes.width[i]!).toBeLessThanOrEqual(view.width + 0.01);
      }
      for (let row = 0; row < tree.length; row++) {
        const [left, right] = [tree.left[row]!, tree.left[row]! + tree.total[row]!];
        const isSeen = right > view.from && left < view.to;
        if (!isSeen) continue;
        const i = boxOf.get(row);
        expect(i).toBeDefined();
        const [x, end] = [Math.max(0, (left - view.from) * scale), Math.min(view.width, (right - view.from) * scale)];
        expect(boxes.x[i!]).toBeLessThanOrEqual(x + 0.01);
        expect(boxes.x[i!]! + boxes.width[i!]!).toBeGreaterThanOrEqual(end - 0.01);
        if ((right - left) * scale >= 1.5) expect(boxes.count[i!]).toBe(1);
      }
    }),
    { numRuns: 300 },
  );
});

it('a level of a hundred thousand frames is a few boxes', () => {
  const count = 100_000;
  const level = Array.from({ length: count }, (_, i) => [i % 3 === 0 ? 1 : 0, 1, 1, 1]).flat();
  const total = count + Math.ceil(count / 3);
  const tree = frameTree({ names: ['total', 'a'], levels: [[0, total, 0, 0], level], total, unit: 'count' });
  const boxes = new Boxes();
  findVisible(tree, { from: 0, to: total, width: 1000, top: 0, bottom: 2 }, boxes);
  expect(boxes.length).toBe(2);
  expect(boxes.count[1]).toBe(count);
  findVisible(tree, { from: 100, to: 200, width: 1000, top: 1, bottom: 2 }, boxes);
  expect(boxes.length).toBe(75);
});

it('a value at a depth is of the frame that covers it, or of none', () => {
  fc.assert(
    fc.property(anyStacks, fc.double({ min: 0, max: 1, noNaN: true }), (stacks, part) => {
      const tree = frameTree(flameDataOf(stacks));
      const value = part * tree.total[0]!;
      for (let depth = -1; depth < tree.levels.length; depth++) {
        let covered = -1;
        for (let row = tree.levels[depth] ?? 0; row < (tree.levels[depth + 1] ?? 0); row++)
          if (tree.left[row]! <= value && value < tree.left[row]! + tree.total[row]!) covered = row;
        expect(rowAt(tree, depth, value)).toBe(depth < 0 ? -1 : covered);
      }
    }),
  );
});
