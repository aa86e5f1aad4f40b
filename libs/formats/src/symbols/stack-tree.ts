import type { Symbols } from '@kiln/model';
import { MAX_PROBES, refuseCollisions, room } from '../scratch.ts';

/** More slots than that are not cleared for the next profile but given up. */
const LARGE = 65_536;

/**
 * Stacktraces as a prefix tree, root side first; node 0 is the root and a parent's number is below its child's. Reused from profile to profile.
 *
 * A walk from the root is exact, so no hash of a whole stack is needed in front. It is also cheap: the nodes of a new stack are made one behind the
 * other, so a node's child is mostly the next row, and no load waits for another; else every node remembers the child that was visited last, and
 * only nodes with a second child have their children in the hash table.
 */
export class StackTree {
  nodes = 1;
  stacks = 0;
  /** By node; the one behind the last is -1, nobody's child. */
  #parent = new Int32Array(1024);
  /** By node, as the frames name it. */
  #location = new Int32Array(1024);
  /** By node the child visited last, 0 for none; of a node with several children its complement. */
  #child = new Int32Array(1024);
  /** By node row + 1 of the stack that ends there. */
  #stack = new Int32Array(1024);
  #stackNode = new Int32Array(256);
  /** Nodes by parent and location; node 0 is nobody's child and marks a free slot. */
  #slots = new Int32Array(1024);
  #entries = 0;

  /** Forgets all. */
  clear(): void {
    this.nodes = 1;
    this.stacks = 0;
    this.#child[0] = 0;
    this.#stack[0] = 0;
    this.#parent[1] = -1;
    if (this.#slots.length > LARGE) this.#slots = new Int32Array(1024);
    else if (this.#entries > 0) this.#slots.fill(0);
    this.#entries = 0;
  }

  /** Hot: once per frame. The stack row of frames [from, to), leaf first: each is the number of a location. */
  stackOf(frame: Int32Array, from: number, to: number): number {
    const parents = this.#parent;
    const locations = this.#location;
    const children = this.#child;
    let node = 0;
    let i = to - 1;
    for (; i >= from; i--) {
      const location = frame[i]!;
      if (locations[node + 1] === location && parents[node + 1] === node) {
        node++;
        continue;
      }
      const child = children[node]!;
      if (child > 0 && locations[child] === location) node = child;
      else {
        const other = child < 0 ? this.#childOf(node, location, ~child) : 0;
        if (other === 0) break;
        node = other;
      }
    }
    // Below a node without the wanted child nothing needs to be searched.
    if (i >= from) node = this.#addPath(node, frame, from, i);
    const known = this.#stack[node]! - 1;
    if (known >= 0) return known;
    const row = this.stacks++;
    if (row === this.#stackNode.length) this.#stackNode = room(this.#stackNode, row + 1);
    this.#stackNode[row] = node;
    this.#stack[node] = row + 1;
    return row;
  }

  /** The child by location of a node that has several, 0 for none. */
  #childOf(node: number, location: number, last: number): number {
    if (this.#location[last] === location) return last;
    const found = this.#slots[this.#slotOf(node, location)]!;
    if (found !== 0) this.#child[node] = ~found;
    return found;
  }

  /** Appends nodes for frames `last` down to `from` below `parent`. */
  #addPath(parent: number, frame: Int32Array, from: number, last: number): number {
    const first = this.nodes;
    const end = first + last - from + 1;
    if (end >= this.#parent.length) this.#grow(end + 1);
    const parents = this.#parent;
    const locations = this.#location;
    const children = this.#child;
    const stacks = this.#stack;
    for (let node = first, i = last; node < end; node++, i--) {
      parents[node] = node - 1;
      locations[node] = frame[i]!;
      children[node] = node + 1;
      stacks[node] = 0;
    }
    parents[first] = parent;
    parents[end] = -1;
    children[end - 1] = 0;
    this.nodes = end;
    const sibling = children[parent]!;
    if (sibling === 0) children[parent] = first;
    else {
      // From its second child on a node's children are in the table.
      if (sibling > 0) this.#enter(sibling);
      this.#enter(first);
      children[parent] = ~first;
    }
    return end - 1;
  }

  #grow(length: number): void {
    this.#parent = room(this.#parent, length);
    this.#location = room(this.#location, length);
    this.#child = room(this.#child, length);
    this.#stack = room(this.#stack, length);
  }

  #enter(node: number): void {
    if ((this.#entries + 1) * 2 > this.#slots.length) this.#rehash();
    this.#slots[this.#slotOf(this.#parent[node]!, this.#location[node]!)] = node;
    this.#entries++;
  }

  /** The slot of the child by location, or the free one where it belongs. */
  #slotOf(parent: number, location: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hash = Math.imul(parent ^ Math.imul(location, 0x85ebca6b), 0x9e3779b1);
    hash ^= hash >>> 15;
    let slot = hash & mask;
    for (let probes = 0; ; probes++) {
      const node = slots[slot]!;
      if (node === 0) return slot;
      if (this.#location[node] === location && this.#parent[node] === parent) return slot;
      if (probes > MAX_PROBES) refuseCollisions('stacktraces');
      slot = (slot + 1) & mask;
    }
  }

  #rehash(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 4);
    for (let i = 0; i < old.length; i++) {
      const node = old[i]!;
      if (node !== 0) this.#slots[this.#slotOf(this.#parent[node]!, this.#location[node]!)] = node;
    }
  }

  /** Hot: once per node. Marks the locations of all nodes in `used`, by their numbers. */
  markLocations(used: Int32Array, mark: number): void {
    const locations = this.#location;
    for (let node = 1; node < this.nodes; node++) used[locations[node]!] = mark;
  }

  /** A copy. @param parent @param location `nodes` long. @param node `stacks` long. @param locationRow the row of each location. */
  copy(
    parent: Uint32Array,
    location: Uint32Array,
    node: Uint32Array,
    locationRow: Int32Array,
  ): Pick<Symbols, 'tree' | 'stacks'> {
    const { nodes, stacks } = this;
    parent[0] = 0;
    parent.set(this.#parent.subarray(1, nodes), 1);
    const locations = this.#location;
    location[0] = 0;
    for (let row = 1; row < nodes; row++) location[row] = locationRow[locations[row]!]!;
    node.set(this.#stackNode.subarray(0, stacks));
    return { tree: { length: nodes, parent, location }, stacks: { length: stacks, node } };
  }
}
