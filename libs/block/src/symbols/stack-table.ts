import type { NodeRow, StackColumns, StackRow } from '@kiln/model';
import { hashPair, type HashKeys } from './hash.ts';
import { SlottedColumns } from './slotted-columns.ts';

/** Node. */
const WIDTHS = [1];

/** Stacktraces by their leaf node, in the order they were first seen. */
export class StackTable extends SlottedColumns {
  readonly #keys: HashKeys;

  constructor(keys: HashKeys) {
    super(WIDTHS, 0, 16, 16);
    this.#keys = keys;
  }

  intern(node: NodeRow): StackRow {
    const words = this.words;
    const nodes = this.slots;
    const mask = this.slots - 1;
    let slot = hashPair(this.#keys, node, 0) & mask;
    for (;;) {
      const row = words[slot]! - 1;
      if (row < 0) break;
      if (words[nodes + row] === node) return row;
      slot = (slot + 1) & mask;
    }
    words[slot] = this.length + 1;
    return this.#append(node);
  }

  columns(): StackColumns {
    return { length: this.length, node: this.words.subarray(this.slots) };
  }

  #append(node: NodeRow): StackRow {
    this.reserveRow();
    const row = this.length++;
    this.words[this.slots + row] = node;
    this.reserveSlot(1);
    return row;
  }

  protected slotOf(row: StackRow): number {
    return hashPair(this.#keys, this.words[this.slots + row]!, 0);
  }
}
