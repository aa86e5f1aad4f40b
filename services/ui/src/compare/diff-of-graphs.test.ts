import fc from 'fast-check';
import { expect, it } from 'vitest';
import { frameTree, pathOf } from '../flame/frame-tree.ts';
import type { FlameData } from '../flame/props.ts';
import { diffOfGraphs } from './diff-of-graphs.ts';

type Stacks = readonly (readonly [path: readonly string[], value: number])[];

/** Own values by path: the oracle. */
function selfOf(stacks: Stacks): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [path, value] of stacks) sums.set(path.join(';'), (sums.get(path.join(';')) ?? 0) + value);
  return sums;
}

/** A graph as the server answers it: levels of (distance, total, self, name). */
function graphOf(stacks: Stacks): FlameData {
  const names = ['total', 'a', 'b', 'c'];
  const levels: number[][] = [];
  const place = (own: Stacks, name: number, depth: number, left: number): void => {
    const total = own.reduce((sum, [, value]) => sum + value, 0);
    const self = own.filter(([path]) => path.length === depth).reduce((sum, [, value]) => sum + value, 0);
    const level = (levels[depth] ??= []);
    let end = 0;
    for (let i = 0; i < level.length; i += 4) end += level[i]! + level[i + 1]!;
    level.push(left - end, total, self, name);
    let next = left;
    for (const [i, child] of names.entries()) {
      const below = own.filter(([path]) => path[depth] === child);
      if (below.length === 0) continue;
      place(below, i, depth + 1, next);
      next += below.reduce((sum, [, value]) => sum + value, 0);
    }
  };
  place(stacks, 0, 0, 0);
  return { names, levels, total: stacks.reduce((sum, [, value]) => sum + value, 0), unit: 'bytes', kind: 'k' };
}

const stacks = fc.array(
  fc.tuple(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 }), fc.integer({ min: 1, max: 1000 })),
  { minLength: 1, maxLength: 15 },
);

it('every path has the values of both sides, and no other path is there', () => {
  fc.assert(
    fc.property(stacks, stacks, (left, right) => {
      const diff = diffOfGraphs(graphOf(left), graphOf(right));
      const tree = frameTree(diff);
      const sides = [selfOf(left), selfOf(right)].map((sums, side) => {
        const found = new Map<string, number>();
        for (let row = 0; row < tree.length; row++) {
          const own = tree.sides![side]!.self[row]!;
          if (own > 0) found.set(pathOf(tree, row).join(';'), own);
        }
        return [found, sums] as const;
      });
      for (const [found, sums] of sides) expect(found).toEqual(sums);
      expect([diff.leftTotal, diff.rightTotal]).toEqual([tree.sides![0].total[0], tree.sides![1].total[0]]);
    }),
  );
});

it('a side without samples leaves the other as it is', () => {
  const none: FlameData = { names: ['total'], levels: [[0, 0, 0, 0]], total: 0, unit: 'bytes' };
  const tree = frameTree(diffOfGraphs(none, graphOf([[['a'], 5]])));
  expect(Array.from(tree.total)).toEqual([5, 5]);
});

it('a function without a name, and one that is called as the root, stay themselves', () => {
  const graph = {
    names: ['total', 'total'],
    levels: [
      [0, 10, 0, 0],
      [0, 4, 4, 0, 0, 6, 6, 1],
    ],
    total: 10,
    unit: 'count',
  };
  const tree = frameTree(diffOfGraphs(graph, graph));
  expect([1, 2].map((row) => tree.names[tree.name[row]!]).toSorted()).toEqual(['', 'total']);
});
