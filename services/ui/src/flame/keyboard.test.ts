import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clampedRange, eased, moved, panned, rangeOfRow, zoomed } from './camera.ts';
import { frameTree, pathOf, rowOf, type FrameTree } from './frame-tree.ts';
import { nextRow } from './keyboard.ts';
import { anyStacks, flameDataOf } from './test-support/stacks.ts';

const tree = frameTree(
  flameDataOf([
    { frames: ['a', 'b'], base: 0, now: 10 },
    { frames: ['a', 'c', 'd'], base: 0, now: 30 },
    { frames: ['b', 'c'], base: 0, now: 5 },
    { frames: ['d'], base: 0, now: 55 },
  ]),
);
const whole = rangeOfRow(tree, 0);

function pressed(keys: readonly string[], options: { view?: typeof whole; upwards?: boolean } = {}): string {
  let row = 0;
  for (const key of keys) row = nextRow(tree, row, key, options.view ?? whole, options.upwards ?? false) ?? -1;
  return row < 0 ? 'not moved' : pathOf(tree, row).join(';');
}

describe('the cursor', () => {
  it('goes down to the largest frame below, and up again', () => {
    expect(pressed(['ArrowDown'])).toBe('d');
    expect(pressed(['ArrowDown', 'Home', 'ArrowDown'])).toBe('a;c');
    expect(pressed(['ArrowDown', 'Home', 'ArrowDown', 'ArrowUp'])).toBe('a');
    expect(pressed(['ArrowUp'])).toBe('');
  });

  it('goes to the neighbours of its level, also under another frame, and stops at the ends', () => {
    expect(pressed(['ArrowDown', 'Home', 'ArrowDown', 'ArrowRight'])).toBe('b;c');
    expect(pressed(['ArrowDown', 'ArrowRight'])).toBe('d');
    expect(pressed(['ArrowDown', 'Home', 'ArrowLeft'])).toBe('a');
    expect(pressed(['ArrowDown', 'Home', 'End'])).toBe('d');
  });

  it('does not leave what is in view', () => {
    const view = rangeOfRow(tree, rowOf(tree, ['a']));
    expect(pressed(['ArrowDown', 'Home', 'ArrowDown', 'ArrowRight'], { view })).toBe('a;c');
  });

  it('goes the other way where callers are above', () => {
    expect(pressed(['ArrowUp'], { upwards: true })).toBe('d');
    expect(pressed(['ArrowUp', 'ArrowDown'], { upwards: true })).toBe('');
  });

  it('is not moved by another key', () => {
    expect(pressed(['x'])).toBe('not moved');
  });

  it('always stands on a frame', () => {
    const anyKeys = fc.array(fc.constantFrom('ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight', 'Home', 'End'));
    fc.assert(
      fc.property(anyStacks, anyKeys, (stacks, keys) => {
        const some: FrameTree = frameTree(flameDataOf(stacks));
        let row = 0;
        for (const key of keys) {
          row = nextRow(some, row, key, rangeOfRow(some, 0), false)!;
          expect(row >= 0 && row < some.length).toBe(true);
        }
      }),
    );
  });
});

describe('the view', () => {
  it('stays within the tree, and keeps its width while it is moved', () => {
    expect(clampedRange(tree, { from: -20, to: 30 })).toEqual({ from: 0, to: 50 });
    expect(clampedRange(tree, { from: 90, to: 140 })).toEqual({ from: 50, to: 100 });
    expect(clampedRange(tree, { from: -5, to: 300 })).toEqual({ from: 0, to: 100 });
    expect(panned({ from: 10, to: 30 }, -0.25)).toEqual({ from: 5, to: 25 });
  });

  it('is never narrower than doubles can tell apart', () => {
    const { from, to } = clampedRange(tree, { from: 50, to: 50 });
    expect(to).toBeGreaterThan(from);
  });

  it('keeps the value under the pointer where it is when it is zoomed', () => {
    const { from, to } = zoomed({ from: 0, to: 100 }, 0.3, 0.5);
    expect(from + (to - from) * 0.3).toBeCloseTo(30);
    expect(to - from).toBeCloseTo(50);
  });

  it('begins and ends a way where it should', () => {
    const [start, end] = [
      { from: 0, to: 100 },
      { from: 20, to: 40 },
    ];
    expect([eased(start, end, 0), eased(start, end, 1)]).toEqual([start, end]);
  });

  it('of a part of one tree is the same part of another', () => {
    expect(moved({ from: 25, to: 50 }, { from: 0, to: 100 }, { from: 10, to: 50 })).toEqual({ from: 20, to: 30 });
    expect(moved({ from: 0, to: 0 }, { from: 0, to: 0 }, { from: 0, to: 10 })).toEqual({ from: 0, to: 0 });
  });
});
