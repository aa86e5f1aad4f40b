import type { FrameTree } from './frame-tree.ts';
import { TreeBuilder } from './tree-builder.ts';

/** From the leaves to the root: below the root every function with its own values, below it who called it there. */
export function invertedTree(tree: FrameTree): FrameTree {
  const { length, parent, name, self, sides } = tree;
  const builder = builderOf(tree, name[0]!);
  for (let row = 0; row < length; row++) {
    if (self[row] === 0) continue;
    let at = 0;
    for (let up = row; up > 0; up = parent[up]!) at = builder.child(at, name[up]!);
    builder.add(
      at,
      sides === undefined ? self[row]! : sides[1].self[row]!,
      sides === undefined ? 0 : sides[0].self[row]!,
    );
  }
  return builder.finish();
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
  return new TreeBuilder(names, rootName, sides !== undefined);
}
