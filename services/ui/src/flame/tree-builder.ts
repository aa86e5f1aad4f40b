import { emptyTree, type FrameTree } from './frame-tree.ts';

/** Merges stacks into a tree: rows in the order they came, found again by (row above, name) in a hash table. */
export class TreeBuilder {
  readonly #names: readonly string[];
  readonly #wholes: readonly [base: number, now: number] | undefined;
  #length = 1;
  #parent: Int32Array = new Int32Array(1024);
  #name: Uint32Array = new Uint32Array(1024);
  /** Of the base of a diff, else zeros. */
  #base: Float64Array = new Float64Array(1024);
  #now: Float64Array = new Float64Array(1024);
  /** Rows; 0, the root, is nobody's child and means free. */
  #slots: Int32Array = new Int32Array(4096);

  /** @param rootName row of `names` that the root is called. @param wholes of a diff: all samples of its sides. */
  constructor(names: readonly string[], rootName: number, wholes: readonly [base: number, now: number] | undefined) {
    this.#names = names;
    this.#wholes = wholes;
    this.#parent[0] = -1;
    this.#name[0] = rootName;
  }

  /** The row of `name` under `row`, made when it is missing. */
  child(row: number, name: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash(row, name) & mask;
    for (let found = this.#slots[slot]!; found !== 0; found = this.#slots[slot]!) {
      if (this.#parent[found] === row && this.#name[found] === name) return found;
      slot = (slot + 1) & mask;
    }
    const made = this.#length++;
    if (made === this.#parent.length) this.#grow();
    this.#parent[made] = row;
    this.#name[made] = name;
    if (made * 2 > mask) this.#rehash();
    else this.#slots[slot] = made;
    return made;
  }

  /** Adds to the own value of a row; `base` is for a diff. */
  add(row: number, now: number, base: number): void {
    this.#now[row]! += now;
    this.#base[row]! += base;
  }

  #grow(): void {
    const length = this.#parent.length * 2;
    this.#parent = resized(this.#parent, new Int32Array(length));
    this.#name = resized(this.#name, new Uint32Array(length));
    this.#base = resized(this.#base, new Float64Array(length));
    this.#now = resized(this.#now, new Float64Array(length));
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 4);
    const mask = slots.length - 1;
    for (let row = 1; row < this.#length; row++) {
      let slot = hash(this.#parent[row]!, this.#name[row]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = row;
    }
    this.#slots = slots;
  }

  /** The tree: of siblings the largest first, equal ones by name. */
  finish(): FrameTree {
    const length = this.#length;
    const sums = this.#now.slice(0, length);
    for (let row = 0; row < length; row++) sums[row]! += this.#base[row]!;
    for (let row = length - 1; row > 0; row--) sums[this.#parent[row]!]! += sums[row]!;
    const order = this.#breadthFirst(sums);
    const place = new Uint32Array(length);
    for (let at = 0; at < length; at++) place[order[at]!] = at;
    const tree = emptyTree(this.#names, length, this.#levels(order), this.#wholes);
    const { parent, firstChild, name, left, total, self } = tree;
    for (let at = 0; at < length; at++) {
      const row = order[at]!;
      name[at] = this.#name[row]!;
      if (at > 0) parent[at] = place[this.#parent[row]!]!;
      self[at] = this.#now[row]! + this.#base[row]!;
      if (tree.sides !== undefined) {
        tree.sides[0].self[at] = this.#base[row]!;
        tree.sides[1].self[at] = this.#now[row]!;
      }
    }
    sumUp(parent, self, total);
    for (const side of tree.sides ?? []) sumUp(parent, side.self, side.total);
    let child = 1;
    for (let at = 0; at < length; at++) {
      firstChild[at] = child;
      for (let next = left[at]! + self[at]!; child < length && parent[child] === at; child++) {
        left[child] = next;
        next += total[child]!;
      }
    }
    firstChild[length] = length;
    return tree;
  }

  /** Two counting sorts, by name and then by the row above, put children beside each other; those of a row are then sorted by size. */
  #breadthFirst(sums: Float64Array): Uint32Array {
    const length = this.#length;
    const rank = ranksOf(this.#names);
    const byRank = sortedBy(length, this.#names.length, (row) => rank[this.#name[row]!]!);
    const starts = new Uint32Array(length + 1);
    for (let row = 1; row < length; row++) starts[this.#parent[row]! + 1]!++;
    for (let row = 0; row < length; row++) starts[row + 1]! += starts[row]!;
    const children = new Uint32Array(length);
    const next = starts.slice();
    for (let at = 0; at < length; at++) {
      const row = byRank[at]!;
      if (row !== 0) children[next[this.#parent[row]!]!++] = row;
    }
    const bySize = (a: number, b: number): number => sums[b]! - sums[a]!;
    const order = new Uint32Array(length);
    for (let at = 0, end = 1; at < length; at++) {
      const row = order[at]!;
      if (starts[row + 1]! - starts[row]! > 1) children.subarray(starts[row], starts[row + 1]).sort(bySize);
      for (let i = starts[row]!; i < starts[row + 1]!; i++) order[end++] = children[i]!;
    }
    return order;
  }

  #levels(order: Uint32Array): Uint32Array {
    const depth = new Uint32Array(order.length);
    const levels = [0];
    for (let at = 1; at < order.length; at++) {
      const row = order[at]!;
      depth[row] = depth[this.#parent[row]!]! + 1;
      if (depth[row] === levels.length) levels.push(at);
    }
    return Uint32Array.from([...levels, order.length]);
  }
}

function hash(row: number, name: number): number {
  const mixed = Math.imul(row, 0x9e3779b1) ^ Math.imul(name + 1, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

/** Values at the beginning of a longer column. */
export function resized<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** The place of each name among all. */
function ranksOf(names: readonly string[]): Uint32Array {
  const order = Array.from(names.keys());
  order.sort((a, b) => (names[a]! < names[b]! ? -1 : names[a] === names[b] ? a - b : 1));
  const rank = new Uint32Array(names.length);
  for (let at = 0; at < order.length; at++) rank[order[at]!] = at;
  return rank;
}

function sortedBy(length: number, keys: number, keyOf: (row: number) => number): Uint32Array {
  const next = new Uint32Array(keys + 1);
  for (let row = 0; row < length; row++) next[keyOf(row) + 1]!++;
  for (let key = 0; key < keys; key++) next[key + 1]! += next[key]!;
  const sorted = new Uint32Array(length);
  for (let row = 0; row < length; row++) sorted[next[keyOf(row)]!++] = row;
  return sorted;
}

/** Rows come after the row above them. */
function sumUp(parent: Int32Array, self: Float64Array, total: Float64Array): void {
  total.set(self);
  for (let row = total.length - 1; row > 0; row--) total[parent[row]!]! += total[row]!;
}
