import fc from 'fast-check';
import type { FlameData, FlameDiffData } from '../props.ts';

/** A stack, root first, and its values in the base and now: the slow and obvious form of all trees. */
export interface Stack {
  readonly frames: readonly string[];
  readonly base: number;
  readonly now: number;
}

/** Few names, so that stacks share beginnings and functions recur in them. */
export const anyStacks: fc.Arbitrary<Stack[]> = fc.array(
  fc.record({
    frames: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'toString'), { minLength: 1, maxLength: 7 }),
    base: fc.nat(50),
    now: fc.integer({ min: 1, max: 50 }),
  }),
  { minLength: 1, maxLength: 40 },
);

interface Node {
  readonly name: string;
  readonly base: { total: number; self: number; x: number };
  readonly now: { total: number; self: number; x: number };
  readonly children: Map<string, Node>;
}

const node = (name: string): Node => ({
  name,
  base: { total: 0, self: 0, x: 0 },
  now: { total: 0, self: 0, x: 0 },
  children: new Map(),
});

function levelsOf(stacks: readonly Stack[]): Node[][] {
  const root = node('total');
  for (const { frames, base, now } of stacks) {
    let at = root;
    for (const name of ['', ...frames]) {
      if (name !== '') {
        if (!at.children.has(name)) at.children.set(name, node(name));
        at = at.children.get(name)!;
      }
      at.base.total += base;
      at.now.total += now;
    }
    at.base.self += base;
    at.now.self += now;
  }
  const levels: Node[][] = [];
  for (let level = [root]; level.length > 0;) {
    levels.push(level);
    const next: Node[] = [];
    for (const one of level) {
      let [base, now] = [one.base.x + one.base.self, one.now.x + one.now.self];
      for (const name of [...one.children.keys()].toSorted()) {
        const child = one.children.get(name)!;
        child.base.x = base;
        child.now.x = now;
        base += child.base.total;
        now += child.now.total;
        next.push(child);
      }
    }
    level = next;
  }
  return levels;
}

const names = ['total', 'a', 'b', 'c', 'd', 'toString'];

/** As the server writes a flame graph of the values of now. */
export function flameDataOf(stacks: readonly Stack[]): FlameData {
  const levels = levelsOf(stacks.map((stack) => ({ ...stack, base: 0 })));
  return {
    names,
    levels: levels.map((level) =>
      level.flatMap(({ name, now }, i) => [
        now.x - (i === 0 ? 0 : level[i - 1]!.now.x + level[i - 1]!.now.total),
        now.total,
        now.self,
        names.indexOf(name),
      ]),
    ),
    total: levels[0]![0]!.now.total,
    unit: 'count',
  };
}

/** As the server writes a diff. */
export function diffDataOf(stacks: readonly Stack[]): FlameDiffData {
  const levels = levelsOf(stacks);
  const right = (side: { x: number; total: number } | undefined): number =>
    side === undefined ? 0 : side.x + side.total;
  return {
    names,
    levels: levels.map((level) =>
      level.flatMap(({ name, base, now }, i) => [
        base.x - right(level[i - 1]?.base),
        base.total,
        base.self,
        now.x - right(level[i - 1]?.now),
        now.total,
        now.self,
        names.indexOf(name),
      ]),
    ),
    leftTotal: levels[0]![0]!.base.total,
    rightTotal: levels[0]![0]!.now.total,
    unit: 'count',
  };
}
