import type { LocationColumns, LocationRow, MappingRow } from '@kiln/model';
import { doublePart, hashPair, type HashKeys } from './hash.ts';
import { grown, SlottedColumns } from './slotted-columns.ts';

/** Mapping and first line; of the latter there is one more than there are rows. */
const WIDTHS = [1, 1];
/** Line number (a double, two words a line) and function. */
const LINE_WORDS = 3;

/**
 * Locations by mapping and lines; by mapping and address when they have no lines. The address of a location with lines is not part of what
 * it is: the first one seen is not kept either, so that a table does not depend on who came first. Columns of addresses are
 * made when a location has one.
 */
export class LocationTable extends SlottedColumns {
  readonly #keys: HashKeys;
  /** Found or added last: what a profile names next is probably the row behind it, as with functions. */
  #last: LocationRow = -1;
  /** Low words of all rows, then high words. */
  #addresses: Uint32Array | undefined;
  #lineCapacity = 8;
  #lines: Uint32Array = new Uint32Array(this.#lineCapacity * LINE_WORDS);

  constructor(keys: HashKeys) {
    super(WIDTHS, 1, 8, 16);
    this.#keys = keys;
  }

  override get byteLength(): number {
    const addresses = this.#addresses === undefined ? 0 : this.#addresses.byteLength;
    return this.words.byteLength + addresses + this.#lines.byteLength;
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
    const row = this.#find(mapping, addressLo, addressHi, functions, numbers, lines);
    this.#last = row;
    return row;
  }

  #find(
    mapping: MappingRow,
    addressLo: number,
    addressHi: number,
    functions: Uint32Array,
    numbers: Float64Array,
    lines: number,
  ): LocationRow {
    const words = this.words;
    const lo = lines === 0 ? addressLo : 0;
    const hi = lines === 0 ? addressHi : 0;
    const first = words[this.slots + this.capacity + this.length]!;
    this.#writeLines(first, functions, numbers, lines);
    const guess = this.#last + 1;
    if (guess < this.length && this.#equals(guess, mapping, lo, hi, first, lines)) return guess;
    const mask = this.slots - 1;
    let slot = this.#hash(mapping, lo, hi, first, lines) & mask;
    for (;;) {
      const row = words[slot]! - 1;
      if (row < 0) break;
      if (this.#equals(row, mapping, lo, hi, first, lines)) return row;
      slot = (slot + 1) & mask;
    }
    words[slot] = this.length + 1;
    return this.#append(mapping, lo, hi, first + lines);
  }

  columns(): LocationColumns {
    const { words, capacity, slots } = this;
    const addresses = this.#addresses;
    const none = addresses === undefined ? zeros(capacity) : undefined;
    return {
      length: this.length,
      mapping: words.subarray(slots, slots + capacity),
      addressLo: none ?? addresses!.subarray(0, addresses!.length >> 1),
      addressHi: none ?? addresses!.subarray(addresses!.length >> 1),
      lineStart: words.subarray(slots + capacity),
      lineFunction: this.#lines.subarray(this.#lineCapacity * 2),
      lineNumber: new Float64Array(this.#lines.buffer, 0, this.#lineCapacity),
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
    const mappings = this.slots;
    const starts = mappings + this.capacity;
    const start = this.words[starts + row]!;
    if (this.words[mappings + row] !== mapping || this.words[starts + row + 1]! - start !== lines) return false;
    if (lines === 0) return this.#addressPart(row, 0) === lo && this.#addressPart(row, 1) === hi;
    const words = this.#lines;
    const functionsAt = this.#lineCapacity * 2;
    for (let i = 0; i < lines; i++) {
      if (words[functionsAt + start + i] !== words[functionsAt + first + i]) return false;
      if (words[(start + i) * 2] !== words[(first + i) * 2]) return false;
      if (words[(start + i) * 2 + 1] !== words[(first + i) * 2 + 1]) return false;
    }
    return true;
  }

  #addressPart(row: LocationRow, part: 0 | 1): number {
    const addresses = this.#addresses;
    return addresses === undefined ? 0 : addresses[(addresses.length >> 1) * part + row]!;
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
    this.reserveRow();
    const row = this.length++;
    this.words[this.slots + row] = mapping;
    this.words[this.slots + this.capacity + row + 1] = end;
    const addresses = this.#addresses;
    if (lo !== 0 || hi !== 0 || (addresses !== undefined && this.capacity > addresses.length >> 1))
      this.#reserveAddresses();
    if (this.#addresses !== undefined) {
      this.#addresses[row] = lo;
      this.#addresses[(this.#addresses.length >> 1) + row] = hi;
    }
    this.reserveSlot(1);
    return row;
  }

  protected slotOf(row: LocationRow): number {
    const starts = this.slots + this.capacity;
    const start = this.words[starts + row]!;
    const lines = this.words[starts + row + 1]! - start;
    return this.#hash(
      this.words[this.slots + row]!,
      this.#addressPart(row, 0),
      this.#addressPart(row, 1),
      start,
      lines,
    );
  }

  /** As many as there is room for rows. */
  #reserveAddresses(): void {
    const old = this.#addresses;
    const capacity = this.capacity;
    if (old !== undefined && capacity === old.length >> 1) return;
    const addresses = new Uint32Array(capacity * 2);
    if (old !== undefined) {
      addresses.set(old.subarray(0, old.length >> 1));
      addresses.set(old.subarray(old.length >> 1), capacity);
    }
    this.#addresses = addresses;
  }

  #resizeLines(capacity: number): void {
    const lines = new Uint32Array(capacity * LINE_WORDS);
    lines.set(this.#lines.subarray(0, this.#lineCapacity * 2));
    lines.set(this.#lines.subarray(this.#lineCapacity * 2), capacity * 2);
    this.#lines = lines;
    this.#lineCapacity = capacity;
  }
}

/** Addresses of tables that have none: zeros, shared by all, never written. */
let noAddresses = new Uint32Array(64);

function zeros(length: number): Uint32Array {
  if (length > noAddresses.length) noAddresses = new Uint32Array(length * 2);
  return noAddresses;
}
