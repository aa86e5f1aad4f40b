import type { LocationRow, NodeRow, TreeColumns } from '@kiln/model';
import { hashPair, type HashKeys } from './hash.ts';
import { SlottedColumns } from './slotted-columns.ts';

/** Parent and location. */
const WIDTHS = [1, 1];

/** The prefix tree: nodes by (parent, location), parents first. Node 0 is the root; it has no slot. */
export class TreeTable extends SlottedColumns {
  readonly #keys: HashKeys;

  constructor(keys: HashKeys) {
    super(WIDTHS, 0, 16, 32);
    this.#keys = keys;
    this.length = 1;
  }

  /** Nodes, the root among them. */
  get nodes(): number {
    return this.length;
  }

  /** Hot: once per tree node of a profile's table. */
  intern(parent: NodeRow, location: LocationRow): NodeRow {
    const words = this.words;
    const parents = this.slots;
    const locations = parents + this.capacity;
    // A node's first child is mostly the next row, because a stack's nodes are made one behind the other: no search, and memory in order.
    const next = parent + 1;
    if (next < this.length && words[parents + next] === parent && words[locations + next] === location) return next;
    const mask = this.slots - 1;
    let slot = hashPair(this.#keys, parent, location) & mask;
    for (;;) {
      const node = words[slot]!;
      if (node === 0) break;
      if (words[parents + node] === parent && words[locations + node] === location) return node;
      slot = (slot + 1) & mask;
    }
    words[slot] = this.length;
    return this.#append(parent, location);
  }

  columns(): TreeColumns {
    const at = this.slots;
    return {
      length: this.length,
      parent: this.words.subarray(at, at + this.capacity),
      location: this.words.subarray(at + this.capacity),
    };
  }

  #append(parent: NodeRow, location: LocationRow): NodeRow {
    this.reserveRow();
    const node = this.length++;
    this.words[this.slots + node] = parent;
    this.words[this.slots + this.capacity + node] = location;
    this.reserveSlot(0);
    return node;
  }

  protected slotOf(node: NodeRow): number {
    const at = this.slots + node;
    return hashPair(this.#keys, this.words[at]!, this.words[at + this.capacity]!);
  }
}
