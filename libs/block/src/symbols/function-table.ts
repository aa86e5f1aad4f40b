import type { FunctionColumns, FunctionRow, StringRow } from '@kiln/model';
import { doublePart, hashPair, type HashKeys } from './hash.ts';
import { SlottedColumns } from './slotted-columns.ts';

/** Start line (a double, two words a row, first so that it is aligned), name, system name, file. */
const WIDTHS = [2, 1, 1, 1];

/** Functions by name, system name, file and start line. */
export class FunctionTable extends SlottedColumns {
  readonly #keys: HashKeys;

  constructor(keys: HashKeys) {
    super(WIDTHS, 0, 8, 16);
    this.#keys = keys;
  }

  /** Hot: once per function of a profile's table. */
  intern(name: StringRow, systemName: StringRow, fileName: StringRow, startLine: number): FunctionRow {
    const words = this.words;
    const capacity = this.capacity;
    const lines = this.slots;
    const names = lines + capacity * 2;
    const low = doublePart(startLine, 0);
    const high = doublePart(startLine, 1);
    const mask = this.slots - 1;
    let slot = hashFunction(this.#keys, name, systemName, fileName, low ^ high) & mask;
    for (;;) {
      const row = words[slot]! - 1;
      if (row < 0) break;
      if (
        words[names + row] === name &&
        words[names + capacity + row] === systemName &&
        words[names + capacity * 2 + row] === fileName &&
        words[lines + row * 2] === low &&
        words[lines + row * 2 + 1] === high
      )
        return row;
      slot = (slot + 1) & mask;
    }
    words[slot] = this.length + 1;
    return this.#append(name, systemName, fileName, low, high);
  }

  columns(): FunctionColumns {
    const { words, capacity, slots } = this;
    const names = slots + capacity * 2;
    return {
      length: this.length,
      name: words.subarray(names, names + capacity),
      systemName: words.subarray(names + capacity, names + capacity * 2),
      fileName: words.subarray(names + capacity * 2),
      startLine: new Float64Array(words.buffer, slots * 4, capacity),
    };
  }

  #append(name: StringRow, systemName: StringRow, fileName: StringRow, low: number, high: number): FunctionRow {
    this.reserveRow();
    const row = this.length++;
    const { words, capacity, slots } = this;
    const names = slots + capacity * 2;
    words[slots + row * 2] = low;
    words[slots + row * 2 + 1] = high;
    words[names + row] = name;
    words[names + capacity + row] = systemName;
    words[names + capacity * 2 + row] = fileName;
    this.reserveSlot(1);
    return row;
  }

  protected slotOf(row: FunctionRow): number {
    const { words, capacity, slots } = this;
    const names = slots + capacity * 2 + row;
    const line = words[slots + row * 2]! ^ words[slots + row * 2 + 1]!;
    return hashFunction(this.#keys, words[names]!, words[names + capacity]!, words[names + capacity * 2]!, line);
  }
}

function hashFunction(keys: HashKeys, name: number, systemName: number, fileName: number, line: number): number {
  return hashPair(keys, hashPair(keys, name, systemName), hashPair(keys, fileName, line));
}
