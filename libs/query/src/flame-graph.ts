import { exactToBigInt, SPILL } from '@kiln/model';
import { cutTree, type CutTree } from './cut-tree.ts';
import type { FunctionTreeColumns } from './function-tree.ts';
import type { QueryRange } from './query.ts';

/**
 * Levels of a flame graph, from the root: four numbers per node, left to right: distance of its left edge from the right edge of the
 * node before it (from 0 for the first), total, self, row of `names`. Doubles while the total is below 2^53, else int64.
 */
export interface FlameGraph {
  /** Row 0 is `total`. */
  readonly names: readonly string[];
  readonly levels: readonly Float64Array[] | readonly BigInt64Array[];
  readonly total: bigint;
  /** The largest self value, that of an `other` node included. */
  readonly maxSelf: bigint;
}

/**
 * The flame graph of contract/pyroscope.md §5.6, truncated to about `maxNodes` nodes (0: not at all).
 * @throws KilnError `out_of_range` when the total is above int64, naming `range`.
 */
export function flameGraph(tree: FunctionTreeColumns, maxNodes: number, range: QueryRange): FlameGraph {
  const cut = cutTree(tree, maxNodes, { otherIsRest: true }, range);
  const { names, index } = numberNames(cut);
  const isSmall = cut.total.hi[0]! < 2;
  return {
    names,
    levels: isSmall ? smallLevels(cut, index) : largeLevels(cut, index),
    total: cut.total.get(0),
    maxSelf: maxSelf(cut),
  };
}

/** Numbers names by first visit, in a walk in depth that takes the rightmost child first; the root and the empty name are 0. */
export function numberNames({
  length,
  name,
  names,
  firstChild,
  childCount,
}: Pick<CutTree, 'length' | 'name' | 'names' | 'firstChild' | 'childCount'>): { names: string[]; index: Uint32Array } {
  const numberOf = new Int32Array(names.length).fill(-1);
  const empty = names.indexOf('');
  if (empty >= 0) numberOf[empty] = 0;
  const numbered = ['total'];
  const index = new Uint32Array(length);
  const stack = new Uint32Array(length);
  let depth = 1;
  while (depth > 0) {
    const node = stack[--depth]!;
    if (node > 0) {
      const rank = name[node]!;
      if (numberOf[rank]! < 0) numberOf[rank] = numbered.push(names[rank]!) - 1;
      index[node] = numberOf[rank]!;
    }
    const first = firstChild[node]!;
    for (let i = 0; i < childCount[node]!; i++) stack[depth++] = first + i;
  }
  return { names: numbered, index };
}

/** Hot: once per node of the answer. Children start where the parent's own value ends. */
function smallLevels({ length, self, total, firstChild, childCount }: CutTree, index: Uint32Array): Float64Array[] {
  const totals = toDoubles(total, length);
  const selfs = toDoubles(self, length);
  const left = new Float64Array(length);
  const levels: Float64Array[] = [];
  let end: number;
  for (let start = 0; start < length; start = end) {
    end = firstChild[start]!;
    const values = new Float64Array(4 * (end - start));
    let right = 0;
    let at = 0;
    for (let node = start; node < end; node++) {
      const x = left[node]!;
      values[at] = x - right;
      values[at + 1] = totals[node]!;
      values[at + 2] = selfs[node]!;
      values[at + 3] = index[node]!;
      at += 4;
      right = x + totals[node]!;
      let next = x + selfs[node]!;
      const first = firstChild[node]!;
      for (let child = first; child < first + childCount[node]!; child++) {
        left[child] = next;
        next += totals[child]!;
      }
    }
    levels.push(values);
  }
  return levels;
}

/** As smallLevels, for sums that doubles cannot hold. */
function largeLevels({ length, self, total, firstChild, childCount }: CutTree, index: Uint32Array): BigInt64Array[] {
  const left = new BigInt64Array(length);
  const levels: BigInt64Array[] = [];
  let end: number;
  for (let start = 0; start < length; start = end) {
    end = firstChild[start]!;
    const values = new BigInt64Array(4 * (end - start));
    let right = 0n;
    let at = 0;
    for (let node = start; node < end; node++) {
      const x = left[node]!;
      const width = total.get(node);
      values[at] = x - right;
      values[at + 1] = width;
      values[at + 2] = self.get(node);
      values[at + 3] = BigInt(index[node]!);
      at += 4;
      right = x + width;
      let next = x + self.get(node);
      const first = firstChild[node]!;
      for (let child = first; child < first + childCount[node]!; child++) {
        left[child] = next;
        next += total.get(child);
      }
    }
    levels.push(values);
  }
  return levels;
}

/** Sums as doubles, for those below 2^53. */
export function toDoubles({ lo, hi }: CutTree['total'], length: number): Float64Array {
  const doubles = new Float64Array(length);
  for (let i = 0; i < length; i++) doubles[i] = hi[i]! * SPILL + lo[i]!;
  return doubles;
}

function maxSelf({ length, self: { lo, hi } }: CutTree): bigint {
  let best = 0;
  for (let node = 1; node < length; node++) {
    if (hi[node]! > hi[best]! || (hi[node] === hi[best] && lo[node]! > lo[best]!)) best = node;
  }
  return exactToBigInt(lo[best]!, hi[best]!);
}
