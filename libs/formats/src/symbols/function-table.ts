import type { FunctionColumns } from '@kiln/model';
import { MAX_PROBES, refuseCollisions, room, slotCount } from '../scratch.ts';

/** Distinct functions. Reused from profile to profile. */
export class FunctionTable {
  length = 0;
  #name = new Int32Array(64);
  #systemName = new Int32Array(64);
  #fileName = new Int32Array(64);
  #startLine = new Float64Array(64);
  #slots = new Int32Array(64);
  #mask = 63;

  /** Forgets all. @param entries how many may come, at most. */
  clear(entries: number): void {
    this.length = 0;
    const size = slotCount(entries);
    if (this.#slots.length < size) this.#slots = new Int32Array(size);
    else this.#slots.fill(0, 0, size);
    this.#mask = size - 1;
    this.#name = room(this.#name, entries);
    this.#systemName = room(this.#systemName, entries);
    this.#fileName = room(this.#fileName, entries);
    this.#startLine = room(this.#startLine, entries);
  }

  /** Hot: once per function used. The row of a function by its string rows. */
  intern(name: number, systemName: number, fileName: number, startLine: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    let hash = Math.imul(name ^ Math.imul(systemName, 0x85ebca6b), 0x9e3779b1) ^ Math.imul(fileName, 0xc2b2ae35);
    hash = Math.imul(hash ^ (hash >>> 15) ^ (startLine | 0), 0x27d4eb2f);
    let slot = (hash ^ (hash >>> 13)) & mask;
    let probes = 0;
    for (let row = slots[slot]! - 1; row >= 0; row = slots[slot]! - 1) {
      if (
        this.#name[row] === name &&
        this.#systemName[row] === systemName &&
        this.#fileName[row] === fileName &&
        this.#startLine[row] === startLine
      ) {
        return row;
      }
      if (++probes > MAX_PROBES) refuseCollisions('functions');
      slot = (slot + 1) & mask;
    }
    const row = this.length++;
    this.#name[row] = name;
    this.#systemName[row] = systemName;
    this.#fileName[row] = fileName;
    this.#startLine[row] = startLine;
    slots[slot] = row + 1;
    return row;
  }

  /** A copy into arrays `length` long. */
  copy(name: Uint32Array, systemName: Uint32Array, fileName: Uint32Array, startLine: Float64Array): FunctionColumns {
    const { length } = this;
    for (let row = 0; row < length; row++) {
      name[row] = this.#name[row]!;
      systemName[row] = this.#systemName[row]!;
      fileName[row] = this.#fileName[row]!;
      startLine[row] = this.#startLine[row]!;
    }
    return { length, name, systemName, fileName, startLine };
  }
}
