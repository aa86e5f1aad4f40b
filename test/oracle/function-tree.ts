import { compareBytes } from './labels.ts';

/** A node of the merged function tree (contract §5.4). */
export interface TreeNode {
  readonly name: string;
  self: bigint;
  total: bigint;
  readonly children: TreeNode[];
}

export interface FlameGraphAnswer {
  readonly names: string[];
  readonly levels: bigint[][];
  readonly total: bigint;
  readonly maxSelf: bigint;
}

/** Stacks of names, root first, with their values → the roots, siblings sorted and unique. A stack without names has no node. */
export function buildTree(stacks: Iterable<{ readonly names: readonly string[]; readonly value: bigint }>): TreeNode[] {
  const top: TreeNode = { name: '', self: 0n, total: 0n, children: [] };
  for (const { names, value } of stacks) {
    if (value <= 0n) continue;
    let node = top;
    for (const name of names) {
      let child = node.children.find((c) => c.name === name);
      if (child === undefined) {
        child = { name, self: 0n, total: 0n, children: [] };
        node.children.push(child);
      }
      child.total += value;
      node = child;
    }
    node.self += value;
  }
  sortChildren(top);
  return top.children;
}

function sortChildren(node: TreeNode): void {
  node.children.sort((a, b) => compareBytes(a.name, b.name));
  for (const child of node.children) sortChildren(child);
}

/** The smallest of the n largest totals; 0 when nothing needs to be cut. */
export function minValue(roots: readonly TreeNode[], maxNodes: number): bigint {
  const totals: bigint[] = [];
  const walk = (node: TreeNode): void => {
    totals.push(node.total);
    node.children.forEach(walk);
  };
  roots.forEach(walk);
  if (maxNodes < 1 || totals.length <= maxNodes) return 0n;
  totals.sort((a, b) => (a > b ? -1 : a < b ? 1 : 0));
  return totals[maxNodes - 1]!;
}

/** The tree as it is written: small children in a child named `other`, a node of that name always kept (§5.4). */
export function truncateTree(roots: readonly TreeNode[], min: bigint): TreeNode[] {
  const kept: TreeNode[] = [];
  let rest = 0n;
  for (const node of roots) {
    if (node.total >= min || node.name === 'other') kept.push({ ...node, children: truncateTree(node.children, min) });
    else rest += node.total;
  }
  if (rest > 0n) {
    const other = kept.find((node) => node.name === 'other');
    if (other === undefined) kept.push({ name: 'other', self: rest, total: rest, children: [] });
    else {
      other.self += rest;
      other.total += rest;
    }
    kept.sort((a, b) => compareBytes(a.name, b.name));
  }
  return kept;
}

/** Tree bytes of §5.5. */
export function encodeTree(roots: readonly TreeNode[]): Uint8Array {
  if (roots.length === 0) return new Uint8Array(0);
  const out: number[] = [];
  const uvarint = (value: bigint): void => {
    for (let rest = value; ; rest >>= 7n) {
      if (rest < 128n) return void out.push(Number(rest));
      out.push(Number(rest & 127n) | 128);
    }
  };
  const stack: TreeNode[] = [{ name: '', self: 0n, total: 0n, children: [...roots] }];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const name = Buffer.from(node.name);
    uvarint(BigInt(name.length));
    out.push(...name);
    uvarint(node.self);
    uvarint(BigInt(node.children.length));
    stack.push(...node.children);
  }
  return Uint8Array.from(out);
}

/** Reads tree bytes back into sorted roots with totals. @throws Error where the bytes end too early. */
export function decodeTree(bytes: Uint8Array): TreeNode[] {
  if (bytes.length < 2) return [];
  let at = 0;
  const uvarint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error(`tree bytes end inside a number at ${at}`);
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const record = (): { node: TreeNode; children: number } => {
    const length = Number(uvarint());
    const name = Buffer.from(bytes.subarray(at, at + length)).toString('utf8');
    at += length;
    const self = uvarint();
    return { node: { name, self, total: self, children: [] }, children: Number(uvarint()) };
  };
  const top = record();
  const parents: TreeNode[] = Array.from({ length: top.children }, () => top.node);
  while (parents.length > 0) {
    const parent = parents.pop()!;
    const { node, children } = record();
    const known = parent.children.find((c) => c.name === node.name);
    if (known !== undefined) known.self += node.self;
    else parent.children.push(node);
    for (let i = 0; i < children; i++) parents.push(known ?? node);
  }
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes after the tree`);
  sortChildren(top.node);
  sumTotals(top.node);
  return top.node.children;
}

function sumTotals(node: TreeNode): bigint {
  node.total = node.children.reduce((sum, child) => sum + sumTotals(child), node.self);
  return node.total;
}

/** Levels of §5.6. */
export function flameGraph(roots: readonly TreeNode[], min: bigint): FlameGraphAnswer {
  const names: string[] = [];
  const rows = new Map<string, number>();
  const nodes: { x: bigint; total: bigint; self: bigint; name: number }[][] = [];
  const total = roots.reduce((sum, node) => sum + node.total, 0n);
  let maxSelf = 0n;
  const visit = (node: TreeNode, level: number, x: bigint): void => {
    if (node.self > maxSelf) maxSelf = node.self;
    let row = node.name === '' ? 0 : rows.get(node.name);
    if (row === undefined || names.length === 0) {
      row = names.length;
      names.push(row === 0 ? 'total' : node.name);
      rows.set(node.name, row);
    }
    (nodes[level] ??= []).push({ x, total: node.total, self: node.self, name: row });
    let childX = x + node.self;
    let rest = 0n;
    const placed: [TreeNode, bigint][] = [];
    for (const child of node.children) {
      if (child.total >= min && child.name !== 'other') {
        placed.push([child, childX]);
        childX += child.total;
      } else rest += child.total;
    }
    if (rest > 0n) placed.push([{ name: 'other', self: rest, total: rest, children: [] }, childX]);
    // The rightmost child first: it decides the order of names.
    for (const [child, at] of placed.reverse()) visit(child, level + 1, at);
  };
  visit({ name: '', self: 0n, total, children: [...roots] }, 0, 0n);
  const levels = nodes.map((level) => {
    level.sort((a, b) => (a.x < b.x ? -1 : a.x > b.x ? 1 : 0));
    let end = 0n;
    return level.flatMap(({ x, total: width, self, name }) => {
      const delta = x - end;
      end = x + width;
      return [delta, width, self, BigInt(name)];
    });
  });
  return { names, levels, total, maxSelf };
}

/**
 * Levels → self value of every stack of names (root first, joined by ';' with `\` before a ';' of a name). Checks that the drawing holds: children
 * lie inside their parent, one beside the other. @throws Error where it does not.
 */
export function decodeFlameGraph({
  names,
  levels,
}: {
  names: readonly string[];
  levels: readonly (readonly bigint[])[];
}): Map<string, bigint> {
  const stacks = new Map<string, bigint>();
  let above: { path: string | undefined; x: bigint; end: bigint }[] = [];
  for (const [depth, values] of levels.entries()) {
    const row: typeof above = [];
    let end = 0n;
    for (let i = 0; i < values.length; i += 4) {
      const [delta, total, self, name] = values.slice(i, i + 4) as [bigint, bigint, bigint, bigint];
      const x = end + delta;
      if (delta < 0n || self > total)
        throw new Error(`node ${i / 4} of level ${depth} overlaps or has more self than total`);
      end = x + total;
      const parent = above.find((p) => p.x <= x && end <= p.end);
      if (depth > 0 && parent === undefined) throw new Error(`node ${i / 4} of level ${depth} has no parent`);
      const text = names[Number(name)];
      if (text === undefined) throw new Error(`name ${name} of ${names.length}`);
      const path = depth === 0 ? undefined : stackPath(parent!.path, text);
      row.push({ path, x, end });
      if (path !== undefined && self > 0n) stacks.set(path, (stacks.get(path) ?? 0n) + self);
    }
    above = row;
  }
  return stacks;
}

function stackPath(parent: string | undefined, name: string): string {
  const part = name.replaceAll('\\', '\\\\').replaceAll(';', '\\;');
  return parent === undefined ? part : `${parent};${part}`;
}

/** Self value of every path of a tree, in the form of `decodeFlameGraph`. */
export function treeStacks(
  roots: readonly TreeNode[],
  parent?: string,
  into: Map<string, bigint> = new Map(),
): Map<string, bigint> {
  for (const node of roots) {
    const path = stackPath(parent, node.name);
    if (node.self > 0n) into.set(path, (into.get(path) ?? 0n) + node.self);
    treeStacks(node.children, path, into);
  }
  return into;
}
