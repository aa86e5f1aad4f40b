import { ExactSums } from '@kiln/model';
import type { FunctionTreeColumns } from './function-tree.ts';
import { refuseAboveInt64 } from './int64.ts';
import type { NameTable } from './name-table.ts';
import { nthLargest } from './nth-largest.ts';
import type { QueryRange } from './query.ts';
import { sortUtf8 } from './utf8-order.ts';

/**
 * A truncated function tree, breadth first: node 0 is the root of all, the children of each node are consecutive and in
 * order, so each level is consecutive too. A node's values are exact.
 */
export interface CutTree {
  readonly length: number;
  /** Row in `names`. The root has none. */
  readonly name: Uint32Array;
  readonly names: readonly string[];
  readonly self: ExactSums;
  readonly total: ExactSums;
  readonly firstChild: Uint32Array;
  readonly childCount: Uint32Array;
}

/** How the rest below the threshold is shown. */
export interface CutRules {
  /**
   * true (flame graph, contract §5.6): nodes that are named `other` already lose their children and join the rest, which is the
   * last child. false (tree bytes, §5.4): they survive, and the rest is added to them, in the order of names.
   */
  readonly otherIsRest: boolean;
}

/**
 * Keeps the nodes whose total is at least the `maxNodes`-th largest, so ties may keep more; the rest under one parent becomes
 * one child `other`. All are kept when maxNodes is 0 or no less than the nodes there are.
 * @throws KilnError `out_of_range` when the sum of all is above int64, naming the query's range.
 */
export function cutTree(
  tree: FunctionTreeColumns,
  maxNodes: number,
  { otherIsRest }: CutRules,
  range: QueryRange,
): CutTree {
  const total = sumTotals(tree);
  refuseAboveInt64(total.lo[0]!, total.hi[0]!, range);
  const minimum = threshold(tree.length, total, maxNodes);
  const kept = keepNodes(tree, total, minimum, otherIsRest);
  return arrange(tree, kept, otherIsRest);
}

/** Own value and those below it. One pass backwards: parents come before children. The root's own value has no frame and is left out. */
function sumTotals({ length, parent, selfLo, selfHi }: FunctionTreeColumns): ExactSums {
  const total = new ExactSums(length);
  const { lo, hi } = total;
  lo.set(selfLo.subarray(1, length), 1);
  hi.set(selfHi.subarray(1, length), 1);
  for (let node = length - 1; node > 0; node--) total.add(parent[node]!, lo[node]!, hi[node]!);
  return total;
}

/** The maxNodes-th largest total of nodes 1 to length - 1, 0 when nothing is cut; that of node 0 is their sum. */
export function threshold(length: number, total: ExactSums, maxNodes: number): { lo: number; hi: number } {
  const count = length - 1;
  if (maxNodes < 1 || count <= maxNodes) return { lo: 0, hi: 0 };
  if (total.hi[0] === 0) return { lo: nthLargest(total.lo.slice(1, length), maxNodes), hi: 0 };
  // By high part first; then, of those that have the same, by low part.
  const hi = nthLargest(total.hi.slice(1, length), maxNodes);
  const lows = new Float64Array(count);
  let higher = 0;
  let equal = 0;
  for (let node = 1; node < length; node++) {
    if (total.hi[node]! > hi) higher++;
    else if (total.hi[node] === hi) lows[equal++] = total.lo[node]!;
  }
  return { lo: nthLargest(lows.subarray(0, equal), maxNodes - higher), hi };
}

/** Surviving nodes with their values, in the order of the tree; the nodes `other` that the cut makes come last. */
interface KeptNodes {
  length: number;
  /** Position of the parent in this list. */
  parent: Uint32Array;
  /** Number in the tree's name table. */
  name: Uint32Array;
  self: ExactSums;
  total: ExactSums;
}

function keepNodes(
  tree: FunctionTreeColumns,
  total: ExactSums,
  minimum: { lo: number; hi: number },
  otherIsRest: boolean,
): KeptNodes {
  const { length, parent, name } = tree;
  const other = tree.names.internText('other');
  const place = new Int32Array(length).fill(-1);
  const rest = new ExactSums(length);
  const hasOther = otherIsRest ? undefined : new Uint32Array(length);
  const { lo, hi } = total;
  place[0] = 0;
  let count = 1;
  for (let node = 1; node < length; node++) {
    const up = parent[node]!;
    if (place[up]! < 0 || (lo[node] === 0 && hi[node] === 0)) continue;
    const isOther = name[node] === other;
    const large = hi[node]! > minimum.hi || (hi[node] === minimum.hi && lo[node]! >= minimum.lo);
    if (isOther ? !otherIsRest : large) {
      place[node] = count++;
      if (isOther) hasOther![up] = node;
    } else {
      rest.add(up, lo[node]!, hi[node]!);
    }
  }
  let added = 0;
  for (let node = 0; node < length; node++) {
    if ((rest.lo[node] !== 0 || rest.hi[node] !== 0) && (hasOther === undefined || hasOther[node] === 0)) added++;
  }
  const kept: KeptNodes = {
    length: count + added,
    parent: new Uint32Array(count + added),
    name: new Uint32Array(count + added),
    self: new ExactSums(count + added),
    total: new ExactSums(count + added),
  };
  let next = count;
  for (let node = 0; node < length; node++) {
    const at = place[node]!;
    if (at < 0) continue;
    kept.parent[at] = place[parent[node]!]!;
    kept.name[at] = name[node]!;
    if (node > 0) kept.self.add(at, tree.selfLo[node]!, tree.selfHi[node]!);
    kept.total.add(at, lo[node]!, hi[node]!);
    const restLo = rest.lo[node]!;
    const restHi = rest.hi[node]!;
    if (restLo === 0 && restHi === 0) continue;
    const existing = hasOther === undefined ? 0 : hasOther[node]!;
    const target = existing > 0 ? place[existing]! : next++;
    if (existing === 0) {
      kept.parent[target] = at;
      kept.name[target] = other;
    }
    kept.self.add(target, restLo, restHi);
    kept.total.add(target, restLo, restHi);
  }
  return kept;
}

/** Puts kept nodes in breadth-first order, siblings by name. */
function arrange(tree: FunctionTreeColumns, kept: KeptNodes, otherIsRest: boolean): CutTree {
  const { length } = kept;
  const { names, rank } = rankNames(tree.names, kept, otherIsRest);
  const { order, firstChild, childCount } = breadthFirst(kept, rank, names.length);
  const name = new Uint32Array(length);
  const self = new ExactSums(length);
  const total = new ExactSums(length);
  for (let at = 0; at < length; at++) {
    const node = order[at]!;
    name[at] = rank[node]!;
    self.lo[at] = kept.self.lo[node]!;
    self.hi[at] = kept.self.hi[node]!;
    total.lo[at] = kept.total.lo[node]!;
    total.hi[at] = kept.total.hi[node]!;
  }
  return { length, name, names, self, total, firstChild, childCount };
}

/** The nodes of a tree breadth first, siblings by rank: `order` by place, the children of each place as places. */
export function breadthFirst(
  nodes: Pick<KeptNodes, 'length' | 'parent'>,
  rank: Uint32Array,
  ranks: number,
): { order: Uint32Array } & Pick<CutTree, 'firstChild' | 'childCount'> {
  const { length } = nodes;
  const { first, children } = childrenByRank(nodes, rank, ranks);
  const order = new Uint32Array(length);
  const firstChild = new Uint32Array(length);
  const childCount = new Uint32Array(length);
  let end = 1;
  for (let at = 0; at < length; at++) {
    const node = order[at]!;
    firstChild[at] = end;
    childCount[at] = first[node + 1]! - first[node]!;
    for (let i = first[node]!; i < first[node + 1]!; i++) order[end++] = children[i]!;
  }
  return { order, firstChild, childCount };
}

/** The names in use, sorted by bytes (with `other` last when it is the rest), and the place of each node's name among them. */
export function rankNames(
  table: NameTable,
  { length, name }: Pick<KeptNodes, 'length' | 'name'>,
  otherIsRest: boolean,
): { names: string[]; rank: Uint32Array } {
  const textOf = new Map<string, number>();
  const seen = new Uint8Array(table.length);
  for (let node = 1; node < length; node++) {
    const number = name[node]!;
    if (seen[number] !== 0) continue;
    seen[number] = 1;
    textOf.set(table.textOf(number), number);
  }
  const names = sortUtf8(textOf.keys());
  if (otherIsRest && textOf.has('other')) {
    names.splice(names.indexOf('other'), 1);
    names.push('other');
  }
  const rankOf = new Uint32Array(table.length);
  for (const [rank, text] of names.entries()) rankOf[textOf.get(text)!] = rank;
  const rank = new Uint32Array(length);
  for (let node = 1; node < length; node++) rank[node] = rankOf[name[node]!]!;
  return { names, rank };
}

/** The children of node i are children[first[i] .. first[i + 1]), by rank: two counting sorts, by rank and then, keeping that order, by parent. */
function childrenByRank(
  { length, parent }: Pick<KeptNodes, 'length' | 'parent'>,
  rank: Uint32Array,
  ranks: number,
): { first: Uint32Array; children: Uint32Array } {
  const byRank = countingSort(rank, length, ranks);
  const first = new Uint32Array(length + 1);
  for (let node = 1; node < length; node++) first[parent[node]! + 1] = first[parent[node]! + 1]! + 1;
  for (let node = 0; node < length; node++) first[node + 1] = first[node + 1]! + first[node]!;
  const next = first.slice();
  const children = new Uint32Array(length);
  for (let i = 0; i < length; i++) {
    const node = byRank[i]!;
    if (node === 0) continue;
    const up = parent[node]!;
    children[next[up]!] = node;
    next[up] = next[up]! + 1;
  }
  return { first, children };
}

/** 0 to length - 1, ordered by key, equal keys as they were. */
function countingSort(key: Uint32Array, length: number, keys: number): Uint32Array {
  const next = new Uint32Array(keys + 2);
  for (let i = 0; i < length; i++) next[key[i]! + 1] = next[key[i]! + 1]! + 1;
  for (let k = 0; k < keys; k++) next[k + 1] = next[k + 1]! + next[k]!;
  const sorted = new Uint32Array(length);
  for (let i = 0; i < length; i++) {
    const k = key[i]!;
    sorted[next[k]!] = i;
    next[k] = next[k]! + 1;
  }
  return sorted;
}
