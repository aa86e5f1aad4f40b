import type { FrameTree } from './frame-tree.ts';
import { resized, TreeBuilder } from './tree-builder.ts';

/** A tree, and whether frames have callers that are left out. */
export interface InvertedTree {
  readonly tree: FrameTree;
  readonly isCut: boolean;
}

/** Of what is looked at: callers of less would be a fraction of a pixel. */
const FINEST = 2 ** -14;
/** Where a frame of the inverted tree lies: beside the way to what is looked at, on it, or in it. */
const BESIDE = 0;
const ON_THE_WAY = 1;
const INSIDE = 2;

/**
 * From the leaves to the root: below the root every function with its own values, below it who called it there. Read backwards stacks share little, so a
 * large tree becomes a tree many times as large; callers of frames below `finest` of what `focus` looks at are left out, and every frame that is there
 * has its exact values.
 * @param focus names from below the root of the inverted tree.
 */
export function invertedTree(tree: FrameTree, focus: readonly string[], finest: number = FINEST): InvertedTree {
  const { length, names, parent, name, self, total, sides } = tree;
  const builder = builderOf(tree, name[0]!);
  /** Rows that samples end in, how far each has come on its way to the root, and its row of the new tree. */
  let count = 0;
  const leaf = new Int32Array(length);
  for (let row = 1; row < length; row++) if (self[row]! > 0) leaf[count++] = row;
  const cursor = leaf.slice(0, count);
  const place = new Int32Array(count);
  let sums = new Float64Array(1024);
  let where = new Uint8Array(1024);
  where[0] = focus.length === 0 ? INSIDE : ON_THE_WAY;
  let focusTotal = total[0]!;
  let isCut = false;
  for (let depth = 1; count > 0; depth++) {
    for (let i = 0; i < count; i++) {
      const above = place[i]!;
      const called = name[cursor[i]!]!;
      const row = builder.child(above, called);
      if (row >= sums.length) {
        sums = resized(sums, new Float64Array(sums.length * 2));
        where = resized(where, new Uint8Array(where.length * 2));
      }
      sums[row]! += self[leaf[i]!]!;
      if (where[above] === INSIDE) where[row] = INSIDE;
      else if (where[above] === ON_THE_WAY && names[called] === focus[depth - 1])
        where[row] = depth === focus.length ? INSIDE : ON_THE_WAY;
      place[i] = row;
      cursor[i] = parent[cursor[i]!]!;
    }
    if (depth === focus.length)
      for (let i = 0; i < count; i++) if (where[place[i]!] === INSIDE) focusTotal = sums[place[i]!]!;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const row = place[i]!;
      const isEnd = cursor[i] === 0;
      const least = where[row] === INSIDE ? focusTotal : where[row] === BESIDE ? total[0]! : 0;
      if (isEnd || sums[row]! < least * finest) {
        if (!isEnd) isCut = true;
        if (sides === undefined) builder.add(row, self[leaf[i]!]!, 0);
        else builder.add(row, sides[1].self[leaf[i]!]!, sides[0].self[leaf[i]!]!);
        continue;
      }
      leaf[kept] = leaf[i]!;
      cursor[kept] = cursor[i]!;
      place[kept++] = row;
    }
    count = kept;
  }
  if (sides === undefined) builder.add(0, self[0]!, 0);
  else builder.add(0, sides[1].self[0]!, sides[0].self[0]!);
  return { tree: builder.finish(), isCut };
}

/** Who calls a function and whom it calls; both roots are the function, and their totals are all samples that it is in, each counted once. */
export interface SandwichTrees {
  readonly callers: FrameTree;
  readonly callees: FrameTree;
}

/**
 * Where a function recurs in a stack only its outermost frame counts, so no sample counts twice: callers are those of the outermost frame, and
 * the inner ones are among the callees.
 */
export function sandwichTrees(tree: FrameTree, functionName: string): SandwichTrees {
  const { length, parent, name, self, total, sides } = tree;
  const wanted = tree.names.indexOf(functionName);
  const callers = builderOf(tree, Math.max(0, wanted));
  const callees = builderOf(tree, Math.max(0, wanted));
  /** The row of `callees` that a row became, and of a frame outside of the function -1. */
  const place = new Int32Array(length).fill(-1);
  for (let row = 1; row < length; row++) {
    const above = place[parent[row]!]!;
    if (above >= 0) place[row] = callees.child(above, name[row]!);
    else if (name[row] === wanted) {
      place[row] = 0;
      let at = 0;
      for (let up = parent[row]!; up > 0; up = parent[up]!) at = callers.child(at, name[up]!);
      if (sides === undefined) callers.add(at, total[row]!, 0);
      else callers.add(at, sides[1].total[row]!, sides[0].total[row]!);
    } else continue;
    if (sides === undefined) callees.add(place[row]!, self[row]!, 0);
    else callees.add(place[row]!, sides[1].self[row]!, sides[0].self[row]!);
  }
  return { callers: callers.finish(), callees: callees.finish() };
}

function builderOf({ names, sides }: FrameTree, rootName: number): TreeBuilder {
  return new TreeBuilder(names, rootName, sides === undefined ? undefined : [sides[0].whole, sides[1].whole]);
}
