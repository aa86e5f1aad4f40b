import type { FunctionColumns, FunctionRow, StringRow } from '@kiln/model';
import { doublePart, hashPair, type HashKeys } from './hash.ts';
import { SlottedColumns } from './slotted-columns.ts';

/** Start line (a double, two words a row, first so that it is aligned), name, system name, file. */
const WIDTHS = [2, 1, 1, 1];

/** Functions by name, system name, file and start line. */
export class FunctionTable extends SlottedColumns {
  readonly #keys: HashKeys;
  /** Found or added last. */
  #last: FunctionRow = -1;

  constructor(keys: HashKeys) {
    super(WIDTHS, 0, 8, 16);
    this.#keys = keys;
  }

  /**
   * The row behind the one found last, which is probably wanted next: a program's profiles name its functions in much the same order. There may be no
   * such row yet.
   */
  get guess(): FunctionRow {
    return this.#last + 1;
  }

  /** Hot. The strings of a row; any numbers where there is no such row. */
  nameOf(row: FunctionRow): StringRow {
    return this.words[this.slots + this.capacity * 2 + row]!;
  }

  systemNameOf(row: FunctionRow): StringRow {
    return this.words[this.slots + this.capacity * 3 + row]!;
  }

  fileNameOf(row: FunctionRow): StringRow {
    return this.words[this.slots + this.capacity * 4 + row]!;
  }

  /** Hot: once per function of a profile's table. */
  intern(name: StringRow, systemName: StringRow, fileName: StringRow, startLine: number): FunctionRow {
    const row = this.#find(name, systemName, fileName, startLine);
    this.#last = row;
    return row;
  }

  #find(name: StringRow, systemName: StringRow, fileName: StringRow, startLine: number): FunctionRow {
    const words = this.words;
    const low = doublePart(startLine, 0);
    const high = doublePart(startLine, 1);
    const guess = this.#last + 1;
    if (guess < this.length && this.#equals(guess, name, systemName, fileName, low, high)) return guess;
    const mask = this.slots - 1;
    let slot = hashFunction(this.#keys, name, systemName, fileName, low ^ high) & mask;
    for (;;) {
      const row = words[slot]! - 1;
      if (row < 0) break;
      if (this.#equals(row, name, systemName, fileName, low, high)) return row;
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

  #equals(row: FunctionRow, name: StringRow, system: StringRow, file: StringRow, low: number, high: number): boolean {
    const { words, capacity, slots } = this;
    const names = slots + capacity * 2 + row;
    return (
      words[names] === name &&
      words[names + capacity] === system &&
      words[names + capacity * 2] === file &&
      words[slots + row * 2] === low &&
      words[slots + row * 2 + 1] === high
    );
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
