import type { FunctionRow, LocationColumns, LocationRow, MappingRow } from '@kiln/model';
import { grown, hashPair, isCrowded, type HashKeys } from './hash.ts';

const ROW_BYTES = 16;
const LINE_BYTES = 12;

/**
 * Locations by mapping and lines; by mapping and address when they have no lines. The address of a location with lines is
 * not part of what it is: the first one seen is not kept either, so that a table does not depend on who came first.
 */
export class LocationTable {
  readonly #keys: HashKeys;
  #length = 0;
  #capacity = 0;
  #mapping!: Uint32Array;
  #addressLo!: Uint32Array;
  #addressHi!: Uint32Array;
  /** One entry more than there are rows. */
  #lineStart!: Uint32Array;
  #lineCapacity = 0;
  #lineFunction!: Uint32Array;
  #lineNumber!: Float64Array;
  /** Row + 1, 0 for a free slot. */
  #slots: Uint32Array = new Uint32Array(16);

  constructor(keys: HashKeys) {
    this.#keys = keys;
    this.#resize(8);
    this.#resizeLines(8);
  }

  get byteLength(): number {
    return this.#capacity * ROW_BYTES + 4 + this.#lineCapacity * LINE_BYTES + this.#slots.byteLength;
  }

  /**
   * The row of a location with lines `functions[i]`, `numbers[i]`, i < lines.
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
    const first = this.#lineStart[this.#length]!;
    if (first + lines > this.#lineCapacity) this.#resizeLines(grown(this.#lineCapacity, first + lines));
    for (let i = 0; i < lines; i++) {
      this.#lineFunction[first + i] = functions[i]!;
      this.#lineNumber[first + i] = numbers[i]!;
    }
    // Written behind the last row first: a candidate is compared, and kept by counting it, where it lies.
    const mask = this.#slots.length - 1;
    let slot = this.#hash(mapping, lo, hi, first, first + lines) & mask;
    for (;;) {
      const row = this.#slots[slot]! - 1;
      if (row < 0) break;
      if (this.#equals(row, mapping, lo, hi, first, lines)) return row;
      slot = (slot + 1) & mask;
    }
    const row = this.#length++;
    this.#slots[slot] = row + 1;
    if (row === this.#capacity) this.#resize(grown(this.#capacity, row + 1));
    this.#mapping[row] = mapping;
    this.#addressLo[row] = lo;
    this.#addressHi[row] = hi;
    this.#lineStart[row + 1] = first + lines;
    if (isCrowded(this.#length, this.#slots.length)) this.#rehash();
    return row;
  }

  columns(): LocationColumns {
    return {
      length: this.#length,
      mapping: this.#mapping,
      addressLo: this.#addressLo,
      addressHi: this.#addressHi,
      lineStart: this.#lineStart,
      lineFunction: this.#lineFunction,
      lineNumber: this.#lineNumber,
    };
  }

  #equals(row: LocationRow, mapping: MappingRow, lo: number, hi: number, first: number, lines: number): boolean {
    const start = this.#lineStart[row]!;
    if (
      this.#mapping[row] !== mapping ||
      this.#addressLo[row] !== lo ||
      this.#addressHi[row] !== hi ||
      this.#lineStart[row + 1]! - start !== lines
    )
      return false;
    for (let i = 0; i < lines; i++) {
      if (this.#lineFunction[start + i] !== this.#lineFunction[first + i]) return false;
      if (this.#lineNumber[start + i] !== this.#lineNumber[first + i]) return false;
    }
    return true;
  }

  #hash(mapping: MappingRow, lo: number, hi: number, first: number, end: number): FunctionRow {
    const keys = this.#keys;
    let h = hashPair(keys, mapping, end - first);
    if (first === end) return hashPair(keys, hashPair(keys, h, lo), hi);
    for (let i = first; i < end; i++)
      h = hashPair(keys, h, hashPair(keys, this.#lineFunction[i]!, this.#lineNumber[i]!));
    return h;
  }

  #resize(capacity: number): void {
    const buffer = new ArrayBuffer(capacity * ROW_BYTES + 4);
    const mapping = new Uint32Array(buffer, 0, capacity);
    const addressLo = new Uint32Array(buffer, capacity * 4, capacity);
    const addressHi = new Uint32Array(buffer, capacity * 8, capacity);
    const lineStart = new Uint32Array(buffer, capacity * 12, capacity + 1);
    if (this.#capacity > 0) {
      mapping.set(this.#mapping);
      addressLo.set(this.#addressLo);
      addressHi.set(this.#addressHi);
      lineStart.set(this.#lineStart);
    }
    this.#mapping = mapping;
    this.#addressLo = addressLo;
    this.#addressHi = addressHi;
    this.#lineStart = lineStart;
    this.#capacity = capacity;
  }

  #resizeLines(capacity: number): void {
    const buffer = new ArrayBuffer(capacity * LINE_BYTES);
    const lineNumber = new Float64Array(buffer, 0, capacity);
    const lineFunction = new Uint32Array(buffer, capacity * 8, capacity);
    if (this.#lineCapacity > 0) {
      lineNumber.set(this.#lineNumber);
      lineFunction.set(this.#lineFunction);
    }
    this.#lineNumber = lineNumber;
    this.#lineFunction = lineFunction;
    this.#lineCapacity = capacity;
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let row = 0; row < this.#length; row++) {
      let slot =
        this.#hash(
          this.#mapping[row]!,
          this.#addressLo[row]!,
          this.#addressHi[row]!,
          this.#lineStart[row]!,
          this.#lineStart[row + 1]!,
        ) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = row + 1;
    }
    this.#slots = slots;
  }
}
