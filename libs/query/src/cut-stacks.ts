import { SymbolRemap, SymbolTable } from '@kiln/block';
import { ExactSums, type ExactColumn, type Symbols } from '@kiln/model';
import { threshold } from './cut-tree.ts';
import type { StackValues } from './symbol-codec.ts';

/**
 * Keeps the locations by path whose total is at least the `maxNodes`-th largest, so ties may keep more; what is called from one of them and is not kept
 * becomes one stacktrace that ends in a function `other`. All are kept when maxNodes is 0 or no less than there are.
 */
export function cutStacks(stacks: StackValues, maxNodes: number): StackValues {
  const { symbols, values } = stacks;
  const { length, parent } = symbols.tree;
  if (maxNodes < 1 || length - 1 <= maxNodes) return stacks;
  const self = sumByNode(symbols, values);
  const total = new ExactSums(length);
  total.lo.set(self.lo);
  total.hi.set(self.hi);
  for (let node = length - 1; node > 0; node--) total.add(parent[node]!, total.lo[node]!, total.hi[node]!);
  const least = threshold(length, total, maxNodes);
  /** By node: itself where it is kept, else the nearest node above it that is. */
  const place = new Uint32Array(length);
  const own = new ExactSums(length);
  const rest = new ExactSums(length);
  own.add(0, self.lo[0]!, self.hi[0]!);
  for (let node = 1; node < length; node++) {
    const up = parent[node]!;
    const large = total.hi[node]! > least.hi || (total.hi[node] === least.hi && total.lo[node]! >= least.lo);
    const isKept = place[up] === up && large;
    place[node] = isKept ? node : place[up]!;
    (isKept ? own : rest).add(place[node]!, self.lo[node]!, self.hi[node]!);
  }
  return build(stacks, own, rest);
}

/** Sums by node of the location tree. Hot: once per stack. */
function sumByNode({ tree, stacks }: Symbols, { lo, hi }: ExactColumn): ExactSums {
  const self = new ExactSums(tree.length);
  const node = stacks.node;
  for (let stack = 0; stack < stacks.length; stack++) {
    const high = hi === undefined ? 0 : hi[stack]!;
    if (lo[stack] !== 0 || high !== 0) self.add(node[stack]!, lo[stack]!, high);
  }
  return self;
}

/** Stacktraces that end at a node, with its own value, and those that go on with `other` from there, with its rest. */
function build({ symbols }: StackValues, own: ExactSums, rest: ExactSums): StackValues {
  const has = ({ lo, hi }: ExactSums, node: number): boolean => lo[node] !== 0 || hi[node] !== 0;
  const nodes = Uint32Array.from({ length: symbols.tree.length }, (_, node) => node).filter(
    (node) => has(own, node) || has(rest, node),
  );
  const table = new SymbolTable();
  const remap = new SymbolRemap({ ...symbols, stacks: { length: nodes.length, node: nodes } }, table);
  const other = otherLocation(table);
  const sums = new ExactSums(nodes.length * 2);
  for (const [i, node] of nodes.entries()) {
    const stack = remap.stack(i);
    sums.add(stack, own.lo[node]!, own.hi[node]!);
    if (!has(rest, node)) continue;
    const below = table.tree.intern(table.stacks.columns().node[stack]!, other);
    sums.add(table.stacks.intern(below), rest.lo[node]!, rest.hi[node]!);
  }
  return { symbols: table.symbols(), values: sums };
}

function otherLocation(table: SymbolTable): number {
  const name = table.internString('other');
  const functions = Uint32Array.of(table.functions.intern(name, name, 0, 0));
  return table.locations.intern(table.mappings.intern(0n, 0n, 0n, 0, 0, 0), 0, 0, functions, new Float64Array(1), 1);
}
