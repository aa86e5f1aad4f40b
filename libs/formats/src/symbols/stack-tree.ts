import { MAX_PROBES, refuseCollisions, room } from '../scratch.ts';

/** More slots than that are not cleared for the next profile but given up. */
const LARGE = 65_536;

/** The words of a node. */
const PARENT = 0;
/** Row + 1. */
const LOCATION = 1;
/** The child visited last, 0 for none; of a node with several children its complement. */
const CHILD = 2;
/** Row + 1 of the stack that ends here. */
const STACK = 3;
const WORDS = 4;

/**
 * Stacktraces as a prefix tree, root side first; node 0 is the root and a parent's number is below its child's. Reused from profile to profile.
 *
 * A walk from the root is exact, so no hash of a whole stack is needed in front. It is also cheap: every node remembers the child that was visited
 * last, which is the one wanted nearly always, and only nodes with a second child have their children in the hash table.
 */
export class StackTree {
  nodes = 1;
  stacks = 0;
  /** Four words a node, side by side because they are wanted together. */
  #node = new Int32Array(WORDS * 1024);
  #stackNode = new Int32Array(256);
  /** Nodes by parent and location; node 0 is nobody's child and marks a free slot. */
  #slots = new Int32Array(1024);
  #entries = 0;

  /** Forgets all. */
  clear(): void {
    this.nodes = 1;
    this.stacks = 0;
    this.#node.fill(0, 0, WORDS);
    if (this.#slots.length > LARGE) this.#slots = new Int32Array(1024);
    else if (this.#entries > 0) this.#slots.fill(0);
    this.#entries = 0;
  }

  /**
   * Hot: once per frame. The stack row of frames [from, to), leaf first.
   * @param rows location row + 1 by frame.
   */
  stackOf(frame: Int32Array, from: number, to: number, rows: Int32Array): number {
    const words = this.#node;
    let node = 0;
    let i = to - 1;
    for (; i >= from; i--) {
      const location = rows[frame[i]!]!;
      const child = words[node * WORDS + CHILD]!;
      if (child > 0 && words[child * WORDS + LOCATION] === location) node = child;
      else {
        const other = child < 0 ? this.#childOf(node, location, ~child) : 0;
        if (other === 0) break;
        node = other;
      }
    }
    // Below a node without the wanted child nothing needs to be searched.
    if (i >= from) node = this.#addPath(node, frame, from, i, rows);
    const known = this.#node[node * WORDS + STACK]! - 1;
    if (known >= 0) return known;
    const row = this.stacks++;
    if (row === this.#stackNode.length) this.#stackNode = room(this.#stackNode, row + 1);
    this.#stackNode[row] = node;
    this.#node[node * WORDS + STACK] = row + 1;
    return row;
  }

  /** The child by location of a node that has several, 0 for none. */
  #childOf(node: number, location: number, last: number): number {
    if (this.#node[last * WORDS + LOCATION] === location) return last;
    const found = this.#slots[this.#slotOf(node, location)]!;
    if (found !== 0) this.#node[node * WORDS + CHILD] = ~found;
    return found;
  }

  /** Appends nodes for frames `last` down to `from` below `parent`. */
  #addPath(parent: number, frame: Int32Array, from: number, last: number, rows: Int32Array): number {
    const first = this.nodes;
    const end = first + last - from + 1;
    if (end * WORDS > this.#node.length) this.#node = room(this.#node, end * WORDS);
    const words = this.#node;
    for (let node = first, at = first * WORDS; node < end; node++, at += WORDS) {
      words[at + PARENT] = node - 1;
      words[at + LOCATION] = rows[frame[last - (node - first)]!]!;
      words[at + CHILD] = node + 1;
      words[at + STACK] = 0;
    }
    words[first * WORDS + PARENT] = parent;
    words[(end - 1) * WORDS + CHILD] = 0;
    this.nodes = end;
    const sibling = words[parent * WORDS + CHILD]!;
    if (sibling === 0) words[parent * WORDS + CHILD] = first;
    else {
      // From its second child on a node's children are in the table.
      if (sibling > 0) this.#enter(sibling);
      this.#enter(first);
      words[parent * WORDS + CHILD] = ~first;
    }
    return end - 1;
  }

  #enter(node: number): void {
    if ((this.#entries + 1) * 2 > this.#slots.length) this.#rehash();
    this.#slots[this.#slotOf(this.#node[node * WORDS + PARENT]!, this.#node[node * WORDS + LOCATION]!)] = node;
    this.#entries++;
  }

  /** The slot of the child by location, or the free one where it belongs. */
  #slotOf(parent: number, location: number): number {
    const slots = this.#slots;
    const words = this.#node;
    const mask = slots.length - 1;
    let hash = Math.imul(parent ^ Math.imul(location, 0x85ebca6b), 0x9e3779b1);
    hash ^= hash >>> 15;
    let slot = hash & mask;
    for (let probes = 0; ; probes++) {
      const node = slots[slot]!;
      if (node === 0) return slot;
      if (words[node * WORDS + LOCATION] === location && words[node * WORDS + PARENT] === parent) return slot;
      if (probes > MAX_PROBES) refuseCollisions('stacktraces');
      slot = (slot + 1) & mask;
    }
  }

  #rehash(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 4);
    for (let i = 0; i < old.length; i++) {
      const node = old[i]!;
      if (node === 0) continue;
      this.#slots[this.#slotOf(this.#node[node * WORDS + PARENT]!, this.#node[node * WORDS + LOCATION]!)] = node;
    }
  }

  /** A copy. @param parent @param location `nodes` long. @param stack `stacks` long. */
  copy(parent: Uint32Array, location: Uint32Array, stack: Uint32Array): void {
    const words = this.#node;
    for (let node = 1, at = WORDS; node < this.nodes; node++, at += WORDS) {
      parent[node] = words[at + PARENT]!;
      location[node] = words[at + LOCATION]! - 1;
    }
    stack.set(this.#stackNode.subarray(0, this.stacks));
  }
}
