import type { LocationRow, NodeRow, TreeColumns } from '@kiln/model';
import { grown, hashPair, isCrowded, type HashKeys } from './hash.ts';

/** The prefix tree: nodes by (parent, location), parents first. Node 0 is the root. Both columns lie in one array. */
export class TreeTable {
  readonly #keys: HashKeys;
  #length = 1;
  #capacity = 16;
  /** Parents of all nodes, then their locations. */
  #words: Uint32Array = new Uint32Array(this.#capacity * 2);
  /** Node, 0 for a free slot: the root is never looked up. */
  #slots: Uint32Array = new Uint32Array(32);

  constructor(keys: HashKeys) {
    this.#keys = keys;
  }

  get byteLength(): number {
    return this.#words.byteLength + this.#slots.byteLength;
  }

  /** Hot: once per tree node of a profile's table. */
  intern(parent: NodeRow, location: LocationRow): NodeRow {
    const slots = this.#slots;
    const words = this.#words;
    const locations = this.#capacity;
    const mask = slots.length - 1;
    let slot = hashPair(this.#keys, parent, location) & mask;
    for (;;) {
      const node = slots[slot]!;
      if (node === 0) break;
      if (words[node] === parent && words[locations + node] === location) return node;
      slot = (slot + 1) & mask;
    }
    slots[slot] = this.#length;
    return this.#append(parent, location);
  }

  columns(): TreeColumns {
    return {
      length: this.#length,
      parent: this.#words.subarray(0, this.#capacity),
      location: this.#words.subarray(this.#capacity),
    };
  }

  #append(parent: NodeRow, location: LocationRow): NodeRow {
    const node = this.#length++;
    if (node === this.#capacity) this.#resize(grown(this.#capacity, node + 1));
    this.#words[node] = parent;
    this.#words[this.#capacity + node] = location;
    if (isCrowded(this.#length, this.#slots.length)) this.#rehash();
    return node;
  }

  #resize(capacity: number): void {
    const words = new Uint32Array(capacity * 2);
    words.set(this.#words.subarray(0, this.#capacity));
    words.set(this.#words.subarray(this.#capacity), capacity);
    this.#words = words;
    this.#capacity = capacity;
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let node = 1; node < this.#length; node++) {
      let slot = hashPair(this.#keys, this.#words[node]!, this.#words[this.#capacity + node]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = node;
    }
    this.#slots = slots;
  }
}
