import fc from 'fast-check';
import { expect, it } from 'vitest';
import { frameTree } from './frame-tree.ts';
import { functionChanges } from './function-changes.ts';
import { anyStacks, diffDataOf, flameDataOf } from './test-support/stacks.ts';

it('a function has the sums of the stacks it is in, each once, and of those it ends', () => {
  fc.assert(
    fc.property(anyStacks, (stacks) => {
      const found = functionChanges(frameTree(diffDataOf(stacks)));
      expect(found.map(({ name }) => name)).toEqual([...new Set(stacks.flatMap(({ frames }) => frames))].toSorted());
      for (const { name, base, now } of found) {
        const within = stacks.filter(({ frames }) => frames.includes(name));
        const ending = stacks.filter(({ frames }) => frames.at(-1) === name);
        const sums = [within, ending].map((some) => [
          some.reduce((sum, stack) => sum + stack.base, 0),
          some.reduce((sum, stack) => sum + stack.now, 0),
        ]);
        expect([
          [base.total, now.total],
          [base.self, now.self],
        ]).toEqual(sums);
      }
    }),
  );
});

it('a function is new, gone, changed when its share did, or the same', () => {
  const changes = functionChanges(
    frameTree(
      diffDataOf([
        { frames: ['a'], base: 50, now: 100 },
        { frames: ['b'], base: 50, now: 0 },
        { frames: ['c'], base: 0, now: 60 },
        { frames: ['d'], base: 100, now: 240 },
      ]),
    ),
  );
  expect(changes.map(({ name, kind }) => `${name} ${kind}`)).toEqual(['a same', 'b gone', 'c new', 'd changed']);
});

it('a graph of one profile has no changes', () => {
  expect(functionChanges(frameTree(flameDataOf([{ frames: ['a'], base: 0, now: 1 }])))).toEqual([]);
});
