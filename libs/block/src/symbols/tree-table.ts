import type { LocationRow, NodeRow, TreeColumns } from '@kiln/model';
import { grown, hashPair, isCrowded, type HashKeys } from './hash.ts';

const ROW_BYTES = 8;

/** The prefix tree: nodes by (parent, location), parents first. Node 0 is the root. */
export class TreeTable {
  readonly #keys: HashKeys;
  #length = 1;
  #capacity = 0;
  #parent!: Uint32Array;
  #location!: Uint32Array;
  /** Node, 0 for a free slot: the root is never looked up. */
  #slots: Uint32Array = new Uint32Array(32);

  constructor(keys: HashKeys) {
    this.#keys = keys;
    this.#resize(16);
  }

  get byteLength(): number {
    return this.#capacity * ROW_BYTES + this.#slots.byteLength;
  }

  /** Hot: once per tree node of a profile's table. */
  intern(parent: NodeRow, location: LocationRow): NodeRow {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hashPair(this.#keys, parent, location) & mask;
    for (;;) {
      const node = slots[slot]!;
      if (node === 0) break;
      if (this.#parent[node] === parent && this.#location[node] === location) return node;
      slot = (slot + 1) & mask;
    }
    const node = this.#length++;
    slots[slot] = node;
    if (node === this.#capacity) this.#resize(grown(this.#capacity, node + 1));
    this.#parent[node] = parent;
    this.#location[node] = location;
    if (isCrowded(this.#length, slots.length)) this.#rehash();
    return node;
  }

  columns(): TreeColumns {
    return { length: this.#length, parent: this.#parent, location: this.#location };
  }

  #resize(capacity: number): void {
    const buffer = new ArrayBuffer(capacity * ROW_BYTES);
    const parent = new Uint32Array(buffer, 0, capacity);
    const location = new Uint32Array(buffer, capacity * 4, capacity);
    if (this.#capacity > 0) {
      parent.set(this.#parent);
      location.set(this.#location);
    }
    this.#parent = parent;
    this.#location = location;
    this.#capacity = capacity;
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let node = 1; node < this.#length; node++) {
      let slot = hashPair(this.#keys, this.#parent[node]!, this.#location[node]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = node;
    }
    this.#slots = slots;
  }
}
