import type { FunctionColumns, FunctionRow, StringRow } from '@kiln/model';
import { doublePart, grown, hashPair, isCrowded, type HashKeys } from './hash.ts';

/** Four columns as words: start line (a double, two words a row), name, system name, file. */
const ROW_WORDS = 5;

/** Functions by name, system name, file and start line. All columns lie in one array: every typed array costs 200 bytes of objects. */
export class FunctionTable {
  readonly #keys: HashKeys;
  #length = 0;
  #capacity = 8;
  #words: Uint32Array = new Uint32Array(this.#capacity * ROW_WORDS);
  /** Row + 1, 0 for a free slot. */
  #slots: Uint32Array = new Uint32Array(16);

  constructor(keys: HashKeys) {
    this.#keys = keys;
  }

  get byteLength(): number {
    return this.#words.byteLength + this.#slots.byteLength;
  }

  /** Hot: once per function of a profile's table. */
  intern(name: StringRow, systemName: StringRow, fileName: StringRow, startLine: number): FunctionRow {
    const words = this.#words;
    const names = this.#capacity * 2;
    const systemNames = this.#capacity * 3;
    const files = this.#capacity * 4;
    const low = doublePart(startLine, 0);
    const high = doublePart(startLine, 1);
    const mask = this.#slots.length - 1;
    let slot = this.#hash(name, systemName, fileName, startLine) & mask;
    for (;;) {
      const row = this.#slots[slot]! - 1;
      if (row < 0) break;
      if (
        words[names + row] === name &&
        words[systemNames + row] === systemName &&
        words[files + row] === fileName &&
        words[row * 2] === low &&
        words[row * 2 + 1] === high
      )
        return row;
      slot = (slot + 1) & mask;
    }
    this.#slots[slot] = this.#length + 1;
    return this.#append(name, systemName, fileName, low, high);
  }

  columns(): FunctionColumns {
    const { buffer } = this.#words;
    const capacity = this.#capacity;
    return {
      length: this.#length,
      name: new Uint32Array(buffer, capacity * 8, capacity),
      systemName: new Uint32Array(buffer, capacity * 12, capacity),
      fileName: new Uint32Array(buffer, capacity * 16, capacity),
      startLine: new Float64Array(buffer, 0, capacity),
    };
  }

  #append(name: StringRow, systemName: StringRow, fileName: StringRow, low: number, high: number): FunctionRow {
    const row = this.#length++;
    if (row === this.#capacity) this.#resize(grown(this.#capacity, row + 1));
    const words = this.#words;
    words[row * 2] = low;
    words[row * 2 + 1] = high;
    words[this.#capacity * 2 + row] = name;
    words[this.#capacity * 3 + row] = systemName;
    words[this.#capacity * 4 + row] = fileName;
    if (isCrowded(this.#length, this.#slots.length)) this.#rehash();
    return row;
  }

  #hash(name: StringRow, systemName: StringRow, fileName: StringRow, startLine: number): number {
    const keys = this.#keys;
    return hashPair(keys, hashPair(keys, name, systemName), hashPair(keys, fileName, startLine));
  }

  #resize(capacity: number): void {
    const words = new Uint32Array(capacity * ROW_WORDS);
    const old = this.#capacity;
    words.set(this.#words.subarray(0, old * 2));
    for (let column = 2; column < ROW_WORDS; column++)
      words.set(this.#words.subarray(old * column, old * (column + 1)), capacity * column);
    this.#words = words;
    this.#capacity = capacity;
  }

  #rehash(): void {
    const { name, systemName, fileName, startLine } = this.columns();
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let row = 0; row < this.#length; row++) {
      let slot = this.#hash(name[row]!, systemName[row]!, fileName[row]!, startLine[row]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = row + 1;
    }
    this.#slots = slots;
  }
}
