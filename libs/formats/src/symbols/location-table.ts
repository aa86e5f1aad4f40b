import type { LocationColumns } from '@kiln/model';
import { MAX_PROBES, refuseCollisions, room, slotCount } from '../scratch.ts';

/** Distinct locations with their lines. A location is built line by line, then interned. Reused from profile to profile. */
export class LocationTable {
  length = 0;
  /** Lines of the locations kept; the lines of the one being built stand behind them. */
  lines = 0;
  #building = 0;
  #mapping = new Int32Array(64);
  #addressLo = new Int32Array(64);
  #addressHi = new Int32Array(64);
  #hashes = new Int32Array(64);
  #lineStart = new Int32Array(65);
  #lineFunction = new Int32Array(64);
  #lineNumber = new Float64Array(64);
  #slots = new Int32Array(64);
  #mask = 63;

  /** Forgets all. @param entries how many may come, at most. */
  clear(entries: number): void {
    this.length = 0;
    this.lines = 0;
    this.#building = 0;
    const size = slotCount(entries);
    if (this.#slots.length < size) this.#slots = new Int32Array(size);
    else this.#slots.fill(0, 0, size);
    this.#mask = size - 1;
    this.#mapping = room(this.#mapping, entries);
    this.#addressLo = room(this.#addressLo, entries);
    this.#addressHi = room(this.#addressHi, entries);
    this.#hashes = room(this.#hashes, entries);
    this.#lineStart = room(this.#lineStart, entries + 1);
  }

  /** Starts a location without lines. */
  begin(): void {
    this.#building = 0;
  }

  /** Hot: once per line, innermost function first. */
  addLine(functionRow: number, number: number): void {
    const at = this.lines + this.#building++;
    if (at === this.#lineFunction.length) {
      this.#lineFunction = room(this.#lineFunction, at + 1);
      this.#lineNumber = room(this.#lineNumber, at + 1);
    }
    this.#lineFunction[at] = functionRow;
    this.#lineNumber[at] = number;
  }

  /** Hot: once per location used. The row of the location whose lines were added since `begin`. */
  intern(mapping: number, addressLo: number, addressHi: number): number {
    const count = this.#building;
    const from = this.lines;
    let hash = Math.imul(addressLo ^ Math.imul(addressHi ^ count, 0x85ebca6b), 0x9e3779b1) ^ mapping;
    for (let i = from; i < from + count; i++) {
      hash = Math.imul(hash ^ this.#lineFunction[i]!, 0xc2b2ae35) ^ (this.#lineNumber[i]! | 0);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x27d4eb2f);
    hash ^= hash >>> 13;
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = hash & mask;
    let probes = 0;
    for (let row = slots[slot]! - 1; row >= 0; row = slots[slot]! - 1) {
      if (
        this.#hashes[row] === hash &&
        this.#mapping[row] === mapping &&
        this.#addressLo[row] === addressLo &&
        this.#addressHi[row] === addressHi &&
        this.#hasLines(row, from, count)
      ) {
        return row;
      }
      if (++probes > MAX_PROBES) refuseCollisions('locations');
      slot = (slot + 1) & mask;
    }
    const row = this.length++;
    this.#hashes[row] = hash;
    this.#mapping[row] = mapping;
    this.#addressLo[row] = addressLo;
    this.#addressHi[row] = addressHi;
    this.lines = from + count;
    this.#lineStart[row + 1] = from + count;
    slots[slot] = row + 1;
    return row;
  }

  #hasLines(row: number, from: number, count: number): boolean {
    const own = this.#lineStart[row]!;
    if (this.#lineStart[row + 1]! - own !== count) return false;
    for (let i = 0; i < count; i++) {
      if (this.#lineFunction[own + i] !== this.#lineFunction[from + i]) return false;
      if (this.#lineNumber[own + i] !== this.#lineNumber[from + i]) return false;
    }
    return true;
  }

  /** A copy into arrays just long enough. */
  copy(into: Omit<LocationColumns, 'length'>): LocationColumns {
    const { length, lines } = this;
    into.lineStart[0] = 0;
    for (let row = 0; row < length; row++) {
      into.mapping[row] = this.#mapping[row]!;
      into.addressLo[row] = this.#addressLo[row]!;
      into.addressHi[row] = this.#addressHi[row]!;
      into.lineStart[row + 1] = this.#lineStart[row + 1]!;
    }
    for (let line = 0; line < lines; line++) {
      into.lineFunction[line] = this.#lineFunction[line]!;
      into.lineNumber[line] = this.#lineNumber[line]!;
    }
    return { length, ...into };
  }
}
