import { ExactSums, SPILL } from '@kiln/model';
import { refuseAboveInt64 } from './int64.ts';
import type { FunctionTreeColumns } from './function-tree.ts';
import type { ProfileSelection } from './query.ts';
import { compareUtf8 } from './utf8-order.ts';

/**
 * The functions of a tree as a call graph in Graphviz' language (contract/pyroscope.md §5.14): boxes with flat and cumulative value, edges with what passes
 * them; a stack counts once however often a function or a call recurs in it. A call that leads through functions that are not shown is dashed.
 * @param maxNodes functions to keep, the largest cumulative values; 0 keeps all.
 * @returns '' for a tree without nodes.
 * @throws KilnError `out_of_range` when the total is above int64.
 */
export function dotText(tree: FunctionTreeColumns, maxNodes: number, query: ProfileSelection): string {
  if (tree.length === 1) return '';
  const [, type = '', unit = ''] = query.profileType.split(':');
  const { flat, cum, total } = functionSums(tree);
  refuseAboveInt64(total.lo[0]!, total.hi[0]!, query);
  const shown = largest(tree, cum, maxNodes);
  const edges = edgesBetween(tree, shown);
  const all = total.get(0);
  const share = (value: bigint): string => `${value} ${unit} (${((Number(value) / Number(all)) * 100).toFixed(2)}%)`;
  const kept = [...shown].flatMap((isShown, name) => (isShown === 0 ? [] : [name]));
  kept.sort((a, b) => compare(cum.get(b), cum.get(a)) || compareUtf8(tree.names.textOf(a), tree.names.textOf(b)));
  const number = new Map(kept.map((name, i) => [name, i + 1]));
  const legend = [`Type: ${type}`, `Total: ${all} ${unit}`, `Showing ${kept.length} functions`].map(quoted).join('\\l');
  let text = `digraph ${JSON.stringify(type)} {\nnode [style=filled fillcolor="#f8f8f8" shape=box]\n`;
  text += `L [shape=box fontsize=16 label="${legend}\\l"]\n`;
  for (const name of kept) {
    const own = flat.get(name);
    const size = 8 + Math.ceil(Math.sqrt(Number(own) / Number(all)) * 16);
    const label = `${quoted(tree.names.textOf(name))}\\n${share(own)}\\nof ${share(cum.get(name))}`;
    text += `N${number.get(name)} [label="${label}" fontsize=${size}]\n`;
  }
  for (const { from, to, isDirect, value } of edges) {
    const weight = Number(value) / Number(all);
    const style = isDirect ? '' : ' style="dashed"';
    text += `N${number.get(from)} -> N${number.get(to)} [label="${value} ${unit}" weight=${1 + Math.floor(weight * 100)} penwidth=${1 + Math.floor(weight * 5)}${style}]\n`;
  }
  return `${text}}\n`;
}

/** By name: own values, values of the stacks that hold it; and the sum of all. */
function functionSums({ length, parent, name, names, selfLo, selfHi }: FunctionTreeColumns): {
  flat: ExactSums;
  cum: ExactSums;
  total: ExactSums;
} {
  const flat = new ExactSums(names.length);
  const cum = new ExactSums(names.length);
  const total = new ExactSums(1);
  const seen = new Uint32Array(names.length);
  for (let node = 1; node < length; node++) {
    const [lo, hi] = [selfLo[node]!, selfHi[node]!];
    if (lo === 0 && hi === 0) continue;
    flat.add(name[node]!, lo, hi);
    total.add(0, lo, hi);
    for (let at = node; at !== 0; at = parent[at]!) {
      const fn = name[at]!;
      if (seen[fn] === node) continue;
      seen[fn] = node;
      cum.add(fn, lo, hi);
    }
  }
  return { flat, cum, total };
}

/** A byte per name, not 0 for the functions with the largest cumulative values; of equal ones those whose names come first. */
function largest({ names }: FunctionTreeColumns, cum: ExactSums, maxNodes: number): Uint8Array {
  const used = Array.from({ length: names.length }, (_, name) => name).filter((name) => cum.get(name) > 0n);
  used.sort((a, b) => compare(cum.get(b), cum.get(a)) || compareUtf8(names.textOf(a), names.textOf(b)));
  const shown = new Uint8Array(names.length);
  for (const name of maxNodes === 0 ? used : used.slice(0, maxNodes)) shown[name] = 1;
  return shown;
}

interface Edge {
  readonly from: number;
  readonly to: number;
  /** Whether all of it are calls without functions between. */
  isDirect: boolean;
  value: bigint;
  /** Node of the stack that was added last. */
  stack: number;
}

/** What passes from one shown function to the next, once per stack. */
function edgesBetween({ length, parent, name, names, selfLo, selfHi }: FunctionTreeColumns, shown: Uint8Array): Edge[] {
  const edges = new Map<number, Edge>();
  for (let node = 1; node < length; node++) {
    if (selfLo[node] === 0 && selfHi[node] === 0) continue;
    const value = BigInt(selfHi[node]!) * BigInt(SPILL) + BigInt(selfLo[node]!);
    let to = -1;
    let isDirect = true;
    for (let at = node; at !== 0; at = parent[at]!) {
      const from = name[at]!;
      if (shown[from] === 0) {
        isDirect = false;
        continue;
      }
      const key = from * names.length + to;
      if (to >= 0) {
        let edge = edges.get(key);
        if (edge === undefined) edges.set(key, (edge = { from, to, isDirect: true, value: 0n, stack: 0 }));
        if (edge.stack !== node) edge.value += value;
        edge.stack = node;
        edge.isDirect &&= isDirect;
      }
      to = from;
      isDirect = true;
    }
  }
  const byName = (a: number, b: number): number => compareUtf8(names.textOf(a), names.textOf(b));
  return [...edges.values()].sort((a, b) => compare(b.value, a.value) || byName(a.from, b.from) || byName(a.to, b.to));
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Inside a label: a backslash, a quote and line ends mean something to Graphviz. */
function quoted(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll(/\s/g, ' ');
}
