import { KilnError } from '@kiln/model';
import type { FlameData, FlameDiffData } from './props.ts';

/** Totals and own values of every row in one of two profiles. */
export interface Side {
  /** All samples of the profile, also where the tree is of some of them: what shares are of. */
  readonly whole: number;
  readonly total: Float64Array;
  readonly self: Float64Array;
}

/**
 * The frames of a flame graph as columns. Rows are ordered by depth and, within a depth, from left to right; so the children of a row lie beside
 * each other, and the children of the next row follow them. Row 0 is the root.
 */
export interface FrameTree {
  readonly names: readonly string[];
  readonly length: number;
  /** The first row of each depth, and behind them `length`. */
  readonly levels: Uint32Array;
  /** Row of the frame above; of the root -1. */
  readonly parent: Int32Array;
  /** The children of row i are the rows from `firstChild[i]` to before `firstChild[i + 1]`. */
  readonly firstChild: Uint32Array;
  /** Row of `names`. */
  readonly name: Uint32Array;
  /** Left edge, in the unit of the values, as `total`, which is the width, and `self`. */
  readonly left: Float64Array;
  readonly total: Float64Array;
  readonly self: Float64Array;
  /** Of a diff: the base and the other; `total` and `self` are both together. */
  readonly sides: readonly [base: Side, now: Side] | undefined;
}

/**
 * The tree of an answer, as `FlameData` or `FlameDiffData` writes it.
 * @throws KilnError `data_loss` when its numbers contradict each other.
 */
export function frameTree(data: FlameData | FlameDiffData): FrameTree {
  const perNode = 'leftTotal' in data ? 7 : 4;
  // The first name is that of the root. Below it stands for functions without one, as Pyroscope writes them.
  const names = [...data.names, ''];
  const levels = data.levels.length === 0 ? [new Array<number>(perNode).fill(0)] : data.levels;
  const starts = new Uint32Array(levels.length + 1);
  for (let depth = 0; depth < levels.length; depth++) {
    const count = levels[depth]!.length / perNode;
    if (!Number.isInteger(count)) throw broken(`a level of ${levels[depth]!.length} numbers`);
    starts[depth + 1] = starts[depth]! + count;
  }
  if (starts[1] !== 1) throw broken(`${starts[1]} frames at the root`);
  const length = starts[levels.length]!;
  const wholes = perNode === 7 ? ([levels[0]![1]!, levels[0]![4]!] as const) : undefined;
  const tree = emptyTree(names, length, starts, wholes);
  for (let depth = 0; depth < levels.length; depth++) {
    if (tree.sides === undefined) readLevel(tree, levels[depth]!, starts[depth]!);
    else readDiffLevel(tree, tree.sides, levels[depth]!, starts[depth]!);
    if (depth > 0) linkLevel(tree, depth);
  }
  for (let row = 1; row < length; row++) if (tree.name[row] === 0) tree.name[row] = names.length - 1;
  linkChildren(tree);
  return tree;
}

/** Columns of zeros. @param wholes of a diff: all samples of its sides. */
export function emptyTree(
  names: readonly string[],
  length: number,
  levels: Uint32Array,
  wholes: readonly [base: number, now: number] | undefined,
): FrameTree {
  const side = (whole: number): Side => ({ whole, total: new Float64Array(length), self: new Float64Array(length) });
  return {
    names,
    length,
    levels,
    parent: new Int32Array(length).fill(-1),
    firstChild: new Uint32Array(length + 1),
    name: new Uint32Array(length),
    left: new Float64Array(length),
    total: new Float64Array(length),
    self: new Float64Array(length),
    sides: wholes === undefined ? undefined : [side(wholes[0]), side(wholes[1])],
  };
}

function readLevel({ left, total, self, name, names }: FrameTree, values: readonly number[], start: number): void {
  let right = 0;
  for (let at = 0, row = start; at < values.length; at += 4, row++) {
    const x = right + values[at]!;
    const width = values[at + 1]!;
    const index = values[at + 3]!;
    if (!(index < names.length - 1)) throw broken(`name ${index} of ${names.length - 1}`);
    left[row] = x;
    total[row] = width;
    self[row] = values[at + 2]!;
    name[row] = index;
    right = x + width;
  }
}

function readDiffLevel(
  { left, total, self, name, names }: FrameTree,
  [base, now]: readonly [Side, Side],
  values: readonly number[],
  start: number,
): void {
  let baseRight = 0;
  let nowRight = 0;
  for (let at = 0, row = start; at < values.length; at += 7, row++) {
    const index = values[at + 6]!;
    if (!(index < names.length - 1)) throw broken(`name ${index} of ${names.length - 1}`);
    const baseX = baseRight + values[at]!;
    const nowX = nowRight + values[at + 3]!;
    base.total[row] = values[at + 1]!;
    base.self[row] = values[at + 2]!;
    now.total[row] = values[at + 4]!;
    now.self[row] = values[at + 5]!;
    left[row] = baseX + nowX;
    total[row] = base.total[row]! + now.total[row]!;
    self[row] = base.self[row]! + now.self[row]!;
    name[row] = index;
    baseRight = baseX + base.total[row]!;
    nowRight = nowX + now.total[row]!;
  }
}

/**
 * The parent of a row is the one above whose stretch holds its middle: edges are sums of doubles, and may be off by their last digits where values
 * are averages or above 2^53.
 */
function linkLevel({ levels, parent, left, total }: FrameTree, depth: number): void {
  const end = levels[depth]!;
  let over = levels[depth - 1]!;
  for (let row = levels[depth]!; row < levels[depth + 1]!; row++) {
    const middle = left[row]! + total[row]! / 2;
    while (over < end && left[over]! + total[over]! <= middle) over++;
    if (over === end || middle < left[over]!) throw broken('a frame that lies under none');
    parent[row] = over;
  }
}

function linkChildren({ length, parent, firstChild }: FrameTree): void {
  let child = 1;
  for (let row = 0; row < length; row++) {
    firstChild[row] = child;
    while (child < length && parent[child] === row) child++;
  }
  firstChild[length] = length;
}

/** How deep a row lies; the root at 0. */
export function depthOf({ levels }: FrameTree, row: number): number {
  let low = 0;
  let high = levels.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (levels[middle]! <= row) low = middle;
    else high = middle;
  }
  return low;
}

/** Names from below the root down to `row`; none for the root. */
export function pathOf({ names, name, parent }: FrameTree, row: number): string[] {
  const path: string[] = [];
  for (let at = row; at > 0; at = parent[at]!) path.push(names[name[at]!]!);
  return path.reverse();
}

/** The row that a path leads to, or as much of it as is there: a refresh may have dropped the rest. */
export function rowOf({ names, name, firstChild }: FrameTree, path: readonly string[]): number {
  let row = 0;
  for (const text of path) {
    let child = firstChild[row]!;
    const end = firstChild[row + 1]!;
    while (child < end && names[name[child]!] !== text) child++;
    if (child === end) break;
    row = child;
  }
  return row;
}

function broken(found: string): KilnError {
  return new KilnError('data_loss', `the answer is no flame graph: found ${found}`);
}
