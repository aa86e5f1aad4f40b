import type { FunctionColumns, FunctionRow, StringRow } from '@kiln/model';
import { grown, hashPair, isCrowded, type HashKeys } from './hash.ts';

const ROW_BYTES = 20;

/** Functions by name, system name, file and start line. The columns share one buffer: a small table costs one allocation. */
export class FunctionTable {
  readonly #keys: HashKeys;
  #length = 0;
  #capacity = 0;
  #name!: Uint32Array;
  #systemName!: Uint32Array;
  #fileName!: Uint32Array;
  #startLine!: Float64Array;
  /** Row + 1, 0 for a free slot. */
  #slots: Uint32Array = new Uint32Array(16);

  constructor(keys: HashKeys) {
    this.#keys = keys;
    this.#resize(8);
  }

  get byteLength(): number {
    return this.#capacity * ROW_BYTES + this.#slots.byteLength;
  }

  intern(name: StringRow, systemName: StringRow, fileName: StringRow, startLine: number): FunctionRow {
    const mask = this.#slots.length - 1;
    let slot = this.#hash(name, systemName, fileName, startLine) & mask;
    for (;;) {
      const row = this.#slots[slot]! - 1;
      if (row < 0) break;
      if (
        this.#name[row] === name &&
        this.#systemName[row] === systemName &&
        this.#fileName[row] === fileName &&
        this.#startLine[row] === startLine
      )
        return row;
      slot = (slot + 1) & mask;
    }
    const row = this.#length++;
    this.#slots[slot] = row + 1;
    if (row === this.#capacity) this.#resize(grown(this.#capacity, row + 1));
    this.#name[row] = name;
    this.#systemName[row] = systemName;
    this.#fileName[row] = fileName;
    this.#startLine[row] = startLine;
    if (isCrowded(this.#length, this.#slots.length)) this.#rehash();
    return row;
  }

  columns(): FunctionColumns {
    return {
      length: this.#length,
      name: this.#name,
      systemName: this.#systemName,
      fileName: this.#fileName,
      startLine: this.#startLine,
    };
  }

  #hash(name: StringRow, systemName: StringRow, fileName: StringRow, startLine: number): number {
    const keys = this.#keys;
    return hashPair(keys, hashPair(keys, name, systemName), hashPair(keys, fileName, startLine));
  }

  #resize(capacity: number): void {
    const buffer = new ArrayBuffer(capacity * ROW_BYTES);
    const startLine = new Float64Array(buffer, 0, capacity);
    const name = new Uint32Array(buffer, capacity * 8, capacity);
    const systemName = new Uint32Array(buffer, capacity * 12, capacity);
    const fileName = new Uint32Array(buffer, capacity * 16, capacity);
    if (this.#capacity > 0) {
      startLine.set(this.#startLine);
      name.set(this.#name);
      systemName.set(this.#systemName);
      fileName.set(this.#fileName);
    }
    this.#startLine = startLine;
    this.#name = name;
    this.#systemName = systemName;
    this.#fileName = fileName;
    this.#capacity = capacity;
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let row = 0; row < this.#length; row++) {
      let slot =
        this.#hash(this.#name[row]!, this.#systemName[row]!, this.#fileName[row]!, this.#startLine[row]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = row + 1;
    }
    this.#slots = slots;
  }
}
