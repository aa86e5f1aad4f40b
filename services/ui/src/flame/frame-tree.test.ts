import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { depthOf, frameTree, pathOf, rowOf, type FrameTree } from './frame-tree.ts';
import { anyStacks, diffDataOf, flameDataOf, type Stack } from './test-support/stacks.ts';
import { invertedTree, sandwichTrees } from './views.ts';

/** What a tree says, by path from the root: total, self, and both of the base. */
function told(tree: FrameTree): Map<string, number[]> {
  const paths = new Map<string, number[]>();
  for (let row = 0; row < tree.length; row++) {
    const { total, self, sides } = tree;
    const values =
      sides === undefined ? [total[row]!, self[row]!] : sides.flatMap((side) => [side.total[row]!, side.self[row]!]);
    paths.set(pathOf(tree, row).join(';'), values);
  }
  return paths;
}

/** The same by brute force: every prefix of every stack is a frame. */
function expected(stacks: readonly Stack[], isDiff: boolean): Map<string, number[]> {
  const zeros = (): number[] => (isDiff ? [0, 0, 0, 0] : [0, 0]);
  const paths = new Map<string, number[]>([['', zeros()]]);
  for (const { frames, base, now } of stacks) {
    for (let depth = 0; depth <= frames.length; depth++) {
      const path = frames.slice(0, depth).join(';');
      const sums = paths.get(path) ?? zeros();
      paths.set(path, sums);
      const own = depth === frames.length ? 1 : 0;
      const added = isDiff ? [base, base * own, now, now * own] : [now, now * own];
      for (const [i, value] of added.entries()) sums[i]! += value;
    }
  }
  return paths;
}

/** Own values of a frame whose callers are left out are all of it. */
function totalsOf(values: readonly number[]): number[] {
  return values.filter((_, i) => i % 2 === 0);
}

/** Frames lie within the one above, its own part first, then its children beside each other, in the order that is told. */
function expectWellLaid(tree: FrameTree, order: 'by name' | 'largest first'): void {
  const { length, levels, parent, firstChild, left, total, self, names, name } = tree;
  const isBefore = (a: number, b: number): boolean =>
    order === 'largest first' && total[a] !== total[b] ? total[a]! > total[b]! : names[name[a]!]! < names[name[b]!]!;
  expect(levels.at(-1)).toBe(length);
  for (let row = 0; row < length; row++) {
    let edge = left[row]! + self[row]!;
    for (let child = firstChild[row]!; child < firstChild[row + 1]!; child++) {
      expect(parent[child]).toBe(row);
      expect(left[child]).toBe(edge);
      if (child > firstChild[row]!) expect(isBefore(child - 1, child)).toBe(true);
      edge += total[child]!;
    }
    expect(edge).toBe(left[row]! + total[row]!);
  }
}

describe.each([false, true])('a tree (of a diff: %s)', (isDiff) => {
  const treeOf = (stacks: readonly Stack[]): FrameTree => frameTree(isDiff ? diffDataOf(stacks) : flameDataOf(stacks));

  it('has the frames and sums of its stacks', () => {
    fc.assert(
      fc.property(anyStacks, (stacks) => {
        const tree = treeOf(stacks);
        expect(told(tree)).toEqual(expected(stacks, isDiff));
        expectWellLaid(tree, 'by name');
      }),
    );
  });

  it('inverted has those of its stacks read backwards', () => {
    fc.assert(
      fc.property(anyStacks, (stacks) => {
        const tree = invertedTree(treeOf(stacks), []).tree;
        const backwards = stacks.map((stack) => ({ ...stack, frames: stack.frames.toReversed() }));
        expect(told(tree)).toEqual(expected(backwards, isDiff));
        expectWellLaid(tree, 'largest first');
      }),
    );
  });

  it('inverted and cut has exact values, all children of what is not small, and says that it is cut', () => {
    const anyFocus = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 });
    fc.assert(
      fc.property(anyStacks, anyFocus, fc.double({ min: 0.01, max: 0.9, noNaN: true }), (stacks, focus, finest) => {
        const { tree, isCut } = invertedTree(treeOf(stacks), focus, finest);
        const whole = invertedTree(treeOf(stacks), []).tree;
        const [found, all] = [told(tree), told(whole)];
        const totalOf = (path: readonly string[]): number => whole.total[rowOf(whole, path)]!;
        const hasFocus = all.has(focus.join(';'));
        let missing = 0;
        for (const [path, values] of all) {
          const frames = path === '' ? [] : path.split(';');
          const above = frames.slice(0, -1);
          const isInside = focus.every((name, i) => above[i] === name);
          const isOnTheWay = above.every((name, i) => focus[i] === name);
          const least = finest * (isInside && hasFocus ? totalOf(focus) : totalOf([]));
          if (found.has(path)) expect(totalsOf(found.get(path)!)).toEqual(totalsOf(values));
          else missing++;
          if (isOnTheWay || (found.has(above.join(';')) && totalOf(above) >= least)) expect(found.has(path)).toBe(true);
        }
        expect(isCut).toBe(missing > 0);
        expectWellLaid(tree, 'largest first');
      }),
      { numRuns: 300 },
    );
  });

  it('around a function has its callers and callees, each sample counted once at the outermost frame', () => {
    fc.assert(
      fc.property(anyStacks, fc.constantFrom('a', 'b', 'toString', 'missing'), (stacks, wanted) => {
        const { callers, callees } = sandwichTrees(treeOf(stacks), wanted);
        const inside = stacks.filter(({ frames }) => frames.includes(wanted));
        const above = inside.map((stack) => ({
          ...stack,
          frames: stack.frames.slice(0, stack.frames.indexOf(wanted)).toReversed(),
        }));
        const below = inside.map((stack) => ({
          ...stack,
          frames: stack.frames.slice(stack.frames.indexOf(wanted) + 1),
        }));
        expect(told(callers)).toEqual(expected(above, isDiff));
        expect(told(callees)).toEqual(expected(below, isDiff));
        expectWellLaid(callers, 'largest first');
        expectWellLaid(callees, 'largest first');
      }),
    );
  });
});

describe('an answer', () => {
  const example = { names: ['total', 'c', 'a', 'b'], total: 10, unit: 'count' };

  it('has functions without a name, which an answer writes by the first name', () => {
    const levels = [
      [0, 10, 0, 0],
      [0, 4, 4, 0, 0, 6, 6, 2],
    ];
    const tree = frameTree({ ...example, levels });
    expect([1, 2].map((row) => pathOf(tree, row))).toEqual([[''], ['a']]);
    expect(rowOf(tree, [''])).toBe(1);
  });

  it('of the contract reads as its stacks', () => {
    const levels = [
      [0, 10, 0, 0],
      [0, 5, 2, 2, 0, 5, 5, 1],
      [2, 3, 3, 3],
    ];
    expect(Object.fromEntries(told(frameTree({ ...example, levels })))).toEqual({
      '': [10, 0],
      a: [5, 2],
      c: [5, 5],
      'a;b': [3, 3],
    });
  });

  it('of nothing is a root of nothing', () => {
    for (const levels of [[], [[0, 0, 0, 0]]]) {
      const tree = frameTree({ ...example, levels });
      expect([tree.length, tree.total[0]]).toEqual([1, 0]);
      expect(invertedTree(tree, []).tree.length).toBe(1);
    }
  });

  it.each([
    ['a level that ends in the middle of a frame', [[0, 10, 0]]],
    ['two roots', [[0, 5, 0, 0, 0, 5, 0, 0]]],
    [
      'a frame beside all others',
      [
        [0, 10, 0, 0],
        [12, 5, 5, 1],
      ],
    ],
    [
      'a name that is not there',
      [
        [0, 10, 0, 0],
        [0, 10, 10, 4],
      ],
    ],
    ['a name that is no number', [[0, 10, 0, Number.NaN]]],
  ])('with %s is refused', (_, levels) => {
    expect(() => frameTree({ ...example, levels })).toThrow('is no flame graph');
  });

  it('whose numbers doubles round still has every frame under its own', () => {
    const huge = 2 ** 62;
    const levels = [
      [0, huge, 0, 0],
      [0, huge / 3, 1000, 1, 0, huge / 3, 0.1, 2, 0, huge / 3, 1, 3],
      [1000, huge / 7, 1, 2, huge / 3 - huge / 7 - 1000 + 0.1, huge / 3, 1, 1, 1, huge / 3, 1, 1],
    ];
    const tree = frameTree({ ...example, levels, total: huge });
    expect([...told(tree).keys()]).toEqual(['', 'c', 'a', 'b', 'c;a', 'a;c', 'b;c']);
  });
});

it('a path leads to its row and back, and a path that is gone to as much as is left of it', () => {
  const tree = frameTree(
    flameDataOf([
      { frames: ['a', 'b', 'c'], base: 0, now: 1 },
      { frames: ['a', 'c'], base: 0, now: 1 },
      { frames: ['b', 'b'], base: 0, now: 1 },
    ]),
  );
  for (let row = 0; row < tree.length; row++) {
    expect(rowOf(tree, pathOf(tree, row))).toBe(row);
    expect(depthOf(tree, row)).toBe(pathOf(tree, row).length);
  }
  expect(pathOf(tree, rowOf(tree, ['a', 'b', 'd']))).toEqual(['a', 'b']);
  expect(rowOf(tree, ['d', 'b'])).toBe(0);
});
