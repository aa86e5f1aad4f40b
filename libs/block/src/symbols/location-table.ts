import type { LocationColumns, LocationRow, MappingRow } from '@kiln/model';
import { doublePart, grown, hashPair, isCrowded, type HashKeys } from './hash.ts';

/** Mapping and first line of every row, one more of the latter than there are rows. */
const ROW_WORDS = 2;
/** Line number (a double, two words a line) and function. */
const LINE_WORDS = 3;

/**
 * Locations by mapping and lines; by mapping and address when they have no lines. The address of a location with lines is not part of what
 * it is: the first one seen is not kept either, so that a table does not depend on who came first. Columns lie in few arrays, because
 * every typed array costs 200 bytes of objects; those of addresses are made when a location has one.
 */
export class LocationTable {
  readonly #keys: HashKeys;
  #length = 0;
  #capacity = 8;
  #rows: Uint32Array = new Uint32Array(this.#capacity * ROW_WORDS + 1);
  /** Low words of all rows, then high words. */
  #addresses: Uint32Array | undefined;
  #lineCapacity = 8;
  #lines: Uint32Array = new Uint32Array(this.#lineCapacity * LINE_WORDS);
  /** Row + 1, 0 for a free slot. */
  #slots: Uint32Array = new Uint32Array(16);

  constructor(keys: HashKeys) {
    this.#keys = keys;
  }

  get byteLength(): number {
    const addresses = this.#addresses === undefined ? 0 : this.#addresses.byteLength;
    return this.#rows.byteLength + addresses + this.#lines.byteLength + this.#slots.byteLength;
  }

  /**
   * Hot: once per location of a profile's table. The row of a location with lines `functions[i]`, `numbers[i]`, i < lines.
   * @param addressLo low 32 bits; ignored, as addressHi, when there are lines.
   */
  intern(
    mapping: MappingRow,
    addressLo: number,
    addressHi: number,
    functions: Uint32Array,
    numbers: Float64Array,
    lines: number,
  ): LocationRow {
    const lo = lines === 0 ? addressLo : 0;
    const hi = lines === 0 ? addressHi : 0;
    const first = this.#rows[this.#capacity + this.#length]!;
    this.#writeLines(first, functions, numbers, lines);
    const mask = this.#slots.length - 1;
    let slot = this.#hash(mapping, lo, hi, first, lines) & mask;
    for (;;) {
      const row = this.#slots[slot]! - 1;
      if (row < 0) break;
      if (this.#equals(row, mapping, lo, hi, first, lines)) return row;
      slot = (slot + 1) & mask;
    }
    this.#slots[slot] = this.#length + 1;
    return this.#append(mapping, lo, hi, first + lines);
  }

  columns(): LocationColumns {
    const capacity = this.#capacity;
    const lineCapacity = this.#lineCapacity;
    const addresses = this.#addresses;
    const none = addresses === undefined ? zeros(capacity) : undefined;
    return {
      length: this.#length,
      mapping: this.#rows.subarray(0, capacity),
      addressLo: none ?? addresses!.subarray(0, capacity),
      addressHi: none ?? addresses!.subarray(capacity),
      lineStart: this.#rows.subarray(capacity),
      lineFunction: this.#lines.subarray(lineCapacity * 2),
      lineNumber: new Float64Array(this.#lines.buffer, 0, lineCapacity),
    };
  }

  /** Written behind the last row first: a candidate is compared, and kept by counting it, where it lies. */
  #writeLines(first: number, functions: Uint32Array, numbers: Float64Array, lines: number): void {
    if (first + lines > this.#lineCapacity) this.#resizeLines(grown(this.#lineCapacity, first + lines));
    const words = this.#lines;
    const functionsAt = this.#lineCapacity * 2 + first;
    for (let i = 0; i < lines; i++) {
      const number = numbers[i]!;
      words[functionsAt + i] = functions[i]!;
      words[(first + i) * 2] = doublePart(number, 0);
      words[(first + i) * 2 + 1] = doublePart(number, 1);
    }
  }

  #equals(row: LocationRow, mapping: MappingRow, lo: number, hi: number, first: number, lines: number): boolean {
    const rows = this.#rows;
    const start = rows[this.#capacity + row]!;
    if (rows[row] !== mapping || rows[this.#capacity + row + 1]! - start !== lines) return false;
    if (lines === 0) return this.#hasAddress(row, lo, hi);
    const words = this.#lines;
    const functionsAt = this.#lineCapacity * 2;
    for (let i = 0; i < lines; i++) {
      if (words[functionsAt + start + i] !== words[functionsAt + first + i]) return false;
      if (words[(start + i) * 2] !== words[(first + i) * 2]) return false;
      if (words[(start + i) * 2 + 1] !== words[(first + i) * 2 + 1]) return false;
    }
    return true;
  }

  #hasAddress(row: LocationRow, lo: number, hi: number): boolean {
    const addresses = this.#addresses;
    if (addresses === undefined) return lo === 0 && hi === 0;
    return addresses[row] === lo && addresses[this.#capacity + row] === hi;
  }

  #hash(mapping: MappingRow, lo: number, hi: number, first: number, lines: number): number {
    const keys = this.#keys;
    let h = hashPair(keys, mapping, lines);
    if (lines === 0) return hashPair(keys, hashPair(keys, h, lo), hi);
    const words = this.#lines;
    const functionsAt = this.#lineCapacity * 2;
    for (let line = first; line < first + lines; line++) {
      const number = hashPair(keys, words[line * 2]!, words[line * 2 + 1]!);
      h = hashPair(keys, h, hashPair(keys, words[functionsAt + line]!, number));
    }
    return h;
  }

  #append(mapping: MappingRow, lo: number, hi: number, end: number): LocationRow {
    const row = this.#length++;
    if (row === this.#capacity) this.#resize(grown(this.#capacity, row + 1));
    this.#rows[row] = mapping;
    this.#rows[this.#capacity + row + 1] = end;
    if (lo !== 0 || hi !== 0) {
      this.#addresses ??= new Uint32Array(this.#capacity * 2);
      this.#addresses[row] = lo;
      this.#addresses[this.#capacity + row] = hi;
    }
    if (isCrowded(this.#length, this.#slots.length)) this.#rehash();
    return row;
  }

  #resize(capacity: number): void {
    const old = this.#capacity;
    const rows = new Uint32Array(capacity * ROW_WORDS + 1);
    rows.set(this.#rows.subarray(0, old));
    rows.set(this.#rows.subarray(old), capacity);
    this.#rows = rows;
    if (this.#addresses !== undefined) {
      const addresses = new Uint32Array(capacity * 2);
      addresses.set(this.#addresses.subarray(0, old));
      addresses.set(this.#addresses.subarray(old), capacity);
      this.#addresses = addresses;
    }
    this.#capacity = capacity;
  }

  #resizeLines(capacity: number): void {
    const lines = new Uint32Array(capacity * LINE_WORDS);
    lines.set(this.#lines.subarray(0, this.#lineCapacity * 2));
    lines.set(this.#lines.subarray(this.#lineCapacity * 2), capacity * 2);
    this.#lines = lines;
    this.#lineCapacity = capacity;
  }

  #rehash(): void {
    const { mapping, addressLo, addressHi, lineStart } = this.columns();
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let row = 0; row < this.#length; row++) {
      const start = lineStart[row]!;
      let slot = this.#hash(mapping[row]!, addressLo[row]!, addressHi[row]!, start, lineStart[row + 1]! - start) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = row + 1;
    }
    this.#slots = slots;
  }
}

/** Addresses of tables that have none: zeros, shared by all, never written. */
let noAddresses = new Uint32Array(64);

function zeros(length: number): Uint32Array {
  if (length > noAddresses.length) noAddresses = new Uint32Array(length * 2);
  return noAddresses;
}
