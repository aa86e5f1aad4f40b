import type { NodeRow, StackColumns, StackRow } from '@kiln/model';
import { grown, hashPair, isCrowded, type HashKeys } from './hash.ts';

/** Stacktraces by their leaf node, in the order they were first seen. */
export class StackTable {
  readonly #keys: HashKeys;
  #length = 0;
  #node: Uint32Array = new Uint32Array(16);
  /** Row + 1, 0 for a free slot. */
  #slots: Uint32Array = new Uint32Array(32);

  constructor(keys: HashKeys) {
    this.#keys = keys;
  }

  get byteLength(): number {
    return this.#node.byteLength + this.#slots.byteLength;
  }

  intern(node: NodeRow): StackRow {
    const mask = this.#slots.length - 1;
    let slot = hashPair(this.#keys, node, 0) & mask;
    for (;;) {
      const row = this.#slots[slot]! - 1;
      if (row < 0) break;
      if (this.#node[row] === node) return row;
      slot = (slot + 1) & mask;
    }
    const row = this.#length++;
    this.#slots[slot] = row + 1;
    if (row === this.#node.length) {
      const larger = new Uint32Array(grown(row, row + 1));
      larger.set(this.#node);
      this.#node = larger;
    }
    this.#node[row] = node;
    if (isCrowded(this.#length, this.#slots.length)) this.#rehash();
    return row;
  }

  columns(): StackColumns {
    return { length: this.#length, node: this.#node };
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let row = 0; row < this.#length; row++) {
      let slot = hashPair(this.#keys, this.#node[row]!, 0) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = row + 1;
    }
    this.#slots = slots;
  }
}
