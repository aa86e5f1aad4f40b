import { ExactSums, exactToBigInt } from '@kiln/model';
import type { FunctionTreeColumns } from './function-tree.ts';

/** What one function costs. */
export interface FunctionSum {
  readonly name: string;
  /** Of the stacks that end in it. */
  readonly self: bigint;
  /** Of the stacks that it is in, each counted once however often it recurs. */
  readonly total: bigint;
}

/** The functions of a tree that have a value, largest self first, then largest total, then by name. Exact: nothing is cut before. */
export function functionSums(tree: FunctionTreeColumns): FunctionSum[] {
  const { length, parent, name, names, selfLo, selfHi } = tree;
  const below = sumBelow(tree);
  const self = new ExactSums(names.length);
  const total = new ExactSums(names.length);
  for (let node = 1; node < length; node++) {
    const own = name[node]!;
    self.add(own, selfLo[node]!, selfHi[node]!);
    let above = parent[node]!;
    while (above !== 0 && name[above] !== own) above = parent[above]!;
    if (above === 0) total.add(own, below.lo[node]!, below.hi[node]!);
  }
  const sums: FunctionSum[] = [];
  for (let own = 0; own < names.length; own++) {
    if (total.lo[own] === 0 && total.hi[own] === 0) continue;
    sums.push({ name: names.textOf(own), self: self.get(own), total: total.get(own) });
  }
  return sums.toSorted(
    (a, b) => larger(a.self, b.self) || larger(a.total, b.total) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
}

function larger(a: bigint, b: bigint): number {
  return a > b ? -1 : a < b ? 1 : 0;
}

/** Own value and those below it, by node; node 0 has those of all nodes that have a frame. */
function sumBelow({ length, parent, selfLo, selfHi }: FunctionTreeColumns): ExactSums {
  const below = new ExactSums(length);
  for (let node = length - 1; node > 0; node--) {
    below.add(node, selfLo[node]!, selfHi[node]!);
    below.add(parent[node]!, below.lo[node]!, below.hi[node]!);
  }
  return below;
}

/** The sum of all stacks that have a frame: the width of their flame graph. */
export function treeTotal(tree: FunctionTreeColumns): bigint {
  const below = sumBelow(tree);
  return exactToBigInt(below.lo[0]!, below.hi[0]!);
}

/** The tree of those stacks alone that a function of that name is in. */
export function stacksThrough(tree: FunctionTreeColumns, wanted: string): FunctionTreeColumns {
  const { length, parent, name, names } = tree;
  const number = names.internText(wanted);
  const inside = new Uint8Array(length);
  const selfLo = new Float64Array(length);
  const selfHi = new Float64Array(length);
  for (let node = 1; node < length; node++) {
    if (name[node] !== number && inside[parent[node]!] === 0) continue;
    inside[node] = 1;
    selfLo[node] = tree.selfLo[node]!;
    selfHi[node] = tree.selfHi[node]!;
  }
  return { names, length, parent, name, selfLo, selfHi };
}
