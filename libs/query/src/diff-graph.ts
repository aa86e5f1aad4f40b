import { exactToBigInt, ExactSums } from '@kiln/model';
import { partialBytes, type Merged } from './answer.ts';
import { breadthFirst, rankNames, threshold, type CutTree } from './cut-tree.ts';
import { numberNames, toDoubles } from './flame-graph.ts';
import { FunctionTree, type FunctionTreeColumns } from './function-tree.ts';
import { refuseAboveInt64 } from './int64.ts';
import { NameTable } from './name-table.ts';
import type { QueryRange } from './query.ts';
import { namedTree } from './stacktraces.ts';

/**
 * Levels of two flame graphs that have the same nodes (contract/pyroscope.md §5.7), from the root: seven numbers per node, left to right: of the left side
 * the distance of its left edge from the right edge of the node before it, total, self; the same of the right side; row of `names`. Doubles while
 * both totals together are below 2^53, else int64.
 */
export interface DiffGraph {
  /** Row 0 is `total`. */
  readonly names: readonly string[];
  readonly levels: readonly Float64Array[] | readonly BigInt64Array[];
  readonly leftTicks: bigint;
  readonly rightTicks: bigint;
  /** The largest self value of either side. */
  readonly maxSelf: bigint;
}

/** The merged partial of a query for stacktraces, and the range it was asked for. */
export interface DiffSide {
  readonly range: QueryRange;
  readonly partial: Merged;
}

/**
 * Two merged trees, node beside node; what one side lacks is 0 there. Truncated, once, to about `maxNodes` nodes, the root among them (0: not at all), by
 * the larger of both totals; the rest under one parent is its last child, `other`.
 * @throws KilnError `out_of_range` when the total of a side, or of both together, is above int64; CorruptDataError for a damaged partial.
 */
export function diffGraph(left: DiffSide, right: DiffSide, maxNodes: number): DiffGraph {
  const names = new NameTable();
  const tree = new FunctionTree({}, names);
  const sides = [left, right].map(({ partial }) => placed(tree, namedTree(partialBytes(partial), names)));
  const [l, r] = sides.map((side) => valuesOf(tree, side)) as [Values, Values];
  for (const [{ range }, { total }] of [
    [left, l],
    [right, r],
  ] as const)
    refuseAboveInt64(total.lo[0]!, total.hi[0]!, range);
  const both = new ExactSums(1);
  for (const { total } of [l, r]) both.add(0, total.lo[0]!, total.hi[0]!);
  refuseAboveInt64(both.lo[0]!, both.hi[0]!, left.range);
  const cut = cutPair(tree, [l, r], maxNodes);
  const { names: texts, index } = numberNames(cut);
  return {
    names: texts,
    levels: levelsOf(cut, index, both.hi[0]! < 2),
    leftTicks: l.total.get(0),
    rightTicks: r.total.get(0),
    maxSelf: cut.sides.map(({ self }) => largest(self)).reduce((a, b) => (a > b ? a : b)),
  };
}

/** Nodes of a side with their places in the tree of both. */
interface Placed {
  readonly columns: FunctionTreeColumns;
  readonly target: Uint32Array;
}

function placed(tree: FunctionTree, columns: FunctionTreeColumns): Placed {
  const { length, parent, name } = columns;
  const target = new Uint32Array(length);
  tree.reserve(tree.length + length);
  for (let node = 1; node < length; node++)
    target[node] = tree.child(target[parent[node]!]!, name[node]!, target[node - 1]! + 1);
  return { columns, target };
}

/** One side's values of the nodes of both. */
interface Values {
  readonly self: ExactSums;
  readonly total: ExactSums;
}

function valuesOf({ length, parent }: FunctionTree, { columns, target }: Placed): Values {
  const self = new ExactSums(length);
  for (let node = 1; node < columns.length; node++)
    self.add(target[node]!, columns.selfLo[node]!, columns.selfHi[node]!);
  const total = new ExactSums(length);
  total.lo.set(self.lo);
  total.hi.set(self.hi);
  for (let node = length - 1; node > 0; node--) total.add(parent[node]!, total.lo[node]!, total.hi[node]!);
  return { self, total };
}

/** As CutTree, with the values of both sides. */
type CutPair = Omit<CutTree, 'self' | 'total'> & { readonly sides: readonly Values[] };

function cutPair(tree: FunctionTree, [l, r]: readonly [Values, Values], maxNodes: number): CutPair {
  const larger = largerTotals(tree.length, l, r);
  const least = minimum(tree.length, larger, maxNodes);
  const { length, parent } = tree;
  const place = new Int32Array(length).fill(-1);
  place[0] = 0;
  let count = 1;
  const hasRest = new Uint8Array(length);
  for (let node = 1; node < length; node++) {
    const up = parent[node]!;
    if (place[up]! < 0) continue;
    if (isLess(larger, node, least)) hasRest[up] = 1;
    else place[node] = count++;
  }
  const rests = hasRest.reduce((sum, has) => sum + has, 0);
  const other = tree.names.internText('other');
  const kept = { length: count + rests, parent: new Uint32Array(count + rests), name: new Uint32Array(count + rests) };
  const restOf = new Uint32Array(length);
  let next = count;
  for (let node = 0; node < length; node++) {
    const at = place[node]!;
    if (at < 0) continue;
    kept.parent[at] = place[parent[node]!]!;
    kept.name[at] = tree.name[node]!;
    if (hasRest[node] === 0) continue;
    restOf[node] = next;
    kept.parent[next] = at;
    kept.name[next++] = other;
  }
  const sides = [l, r].map((side) => keptValues(tree, side, place, restOf, kept.length));
  const { names, rank } = rankNames(tree.names, kept, false);
  const sorted = rank.slice();
  sorted.fill(names.length, count); // the rest comes last, also behind a function of that name
  const { order, firstChild, childCount } = breadthFirst(kept, sorted, names.length + 1);
  const name = Uint32Array.from(order, (node) => rank[node]!);
  return { length: kept.length, name, names, firstChild, childCount, sides: sides.map((side) => inOrder(side, order)) };
}

function largerTotals(length: number, { total: l }: Values, { total: r }: Values): ExactSums {
  const larger = new ExactSums(length);
  for (let node = 0; node < length; node++) {
    const from = l.hi[node]! > r.hi[node]! || (l.hi[node] === r.hi[node] && l.lo[node]! > r.lo[node]!) ? l : r;
    larger.lo[node] = from.lo[node]!;
    larger.hi[node] = from.hi[node]!;
  }
  return larger;
}

/** The maxNodes-th largest total, that of the root, which no other passes, among them; 0 when nothing is cut. */
function minimum(length: number, larger: ExactSums, maxNodes: number): { lo: number; hi: number } {
  if (maxNodes === 1 && length > 1) return { lo: larger.lo[0]!, hi: larger.hi[0]! };
  return threshold(length, larger, Math.max(0, maxNodes - 1));
}

function isLess({ lo, hi }: ExactSums, node: number, than: { lo: number; hi: number }): boolean {
  return hi[node]! < than.hi || (hi[node] === than.hi && lo[node]! < than.lo);
}

/** Values of kept nodes by place, and of the rests behind them. */
function keptValues(
  { length, parent }: FunctionTree,
  { self, total }: Values,
  place: Int32Array,
  restOf: Uint32Array,
  count: number,
): Values {
  const kept = { self: new ExactSums(count), total: new ExactSums(count) };
  for (let node = 0; node < length; node++) {
    const at = place[node]!;
    if (at >= 0) {
      kept.self.add(at, self.lo[node]!, self.hi[node]!);
      kept.total.add(at, total.lo[node]!, total.hi[node]!);
      continue;
    }
    const up = parent[node]!;
    if (place[up]! < 0) continue;
    kept.self.add(restOf[up]!, total.lo[node]!, total.hi[node]!);
    kept.total.add(restOf[up]!, total.lo[node]!, total.hi[node]!);
  }
  return kept;
}

function inOrder({ self, total }: Values, order: Uint32Array): Values {
  const ordered = { self: new ExactSums(order.length), total: new ExactSums(order.length) };
  for (let at = 0; at < order.length; at++) {
    const node = order[at]!;
    ordered.self.add(at, self.lo[node]!, self.hi[node]!);
    ordered.total.add(at, total.lo[node]!, total.hi[node]!);
  }
  return ordered;
}

function levelsOf(cut: CutPair, index: Uint32Array, isSmall: boolean): DiffGraph['levels'] {
  if (isSmall) {
    const [left, right] = cut.sides.map((side) => smallColumns(cut, side)) as [SmallColumns, SmallColumns];
    return eachLevel(cut, (start, end) => {
      const values = new Float64Array(7 * (end - start));
      for (let node = start, at = 0; node < end; node++) {
        for (const { delta, total, self } of [left, right]) {
          values[at++] = delta[node]!;
          values[at++] = total[node]!;
          values[at++] = self[node]!;
        }
        values[at++] = index[node]!;
      }
      return values;
    });
  }
  const [left, right] = cut.sides.map((side) => largeColumns(cut, side)) as [LargeColumns, LargeColumns];
  return eachLevel(cut, (start, end) => {
    const values = new BigInt64Array(7 * (end - start));
    for (let node = start, at = 0; node < end; node++) {
      for (const { delta, total, self } of [left, right]) {
        values[at++] = delta[node]!;
        values[at++] = total[node]!;
        values[at++] = self[node]!;
      }
      values[at++] = BigInt(index[node]!);
    }
    return values;
  });
}

/** Levels are consecutive: the first node's children begin where its level ends. */
function eachLevel<T>({ length, firstChild }: CutPair, make: (start: number, end: number) => T): T[] {
  const levels: T[] = [];
  for (let start = 0; start < length; start = firstChild[start]!) levels.push(make(start, firstChild[start]!));
  return levels;
}

interface SmallColumns {
  readonly delta: Float64Array;
  readonly total: Float64Array;
  readonly self: Float64Array;
}

/** Hot: once per node of the answer. Children start where the parent's own value ends. */
function smallColumns({ length, firstChild, childCount }: CutPair, values: Values): SmallColumns {
  const total = toDoubles(values.total, length);
  const self = toDoubles(values.self, length);
  const left = new Float64Array(length);
  const delta = new Float64Array(length);
  let right = 0;
  for (let node = 0, end = 1; node < length; node++) {
    if (node === end) {
      right = 0;
      end = firstChild[node]!;
    }
    const x = left[node]!;
    delta[node] = x - right;
    right = x + total[node]!;
    let next = x + self[node]!;
    const first = firstChild[node]!;
    for (let child = first; child < first + childCount[node]!; child++) {
      left[child] = next;
      next += total[child]!;
    }
  }
  return { delta, total, self };
}

interface LargeColumns {
  readonly delta: BigInt64Array;
  readonly total: BigInt64Array;
  readonly self: BigInt64Array;
}

/** As smallColumns, for sums that doubles cannot hold. */
function largeColumns({ length, firstChild, childCount }: CutPair, values: Values): LargeColumns {
  const total = BigInt64Array.from({ length }, (_, node) => values.total.get(node));
  const self = BigInt64Array.from({ length }, (_, node) => values.self.get(node));
  const left = new BigInt64Array(length);
  const delta = new BigInt64Array(length);
  let right = 0n;
  for (let node = 0, end = 1; node < length; node++) {
    if (node === end) {
      right = 0n;
      end = firstChild[node]!;
    }
    const x = left[node]!;
    delta[node] = x - right;
    right = x + total[node]!;
    let next = x + self[node]!;
    const first = firstChild[node]!;
    for (let child = first; child < first + childCount[node]!; child++) {
      left[child] = next;
      next += total[child]!;
    }
  }
  return { delta, total, self };
}

function largest({ lo, hi }: ExactSums): bigint {
  let best = 0;
  for (let node = 1; node < lo.length; node++)
    if (hi[node]! > hi[best]! || (hi[node] === hi[best] && lo[node]! > lo[best]!)) best = node;
  return exactToBigInt(lo[best]!, hi[best]!);
}
