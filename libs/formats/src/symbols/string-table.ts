import type { StringColumn } from '@kiln/model';
import { copyBytes, equalBytes, hashBytes } from '../byte-hash.ts';
import { MAX_PROBES, refuseCollisions, room, slotCount } from '../scratch.ts';

/** Distinct strings as UTF-8, back to back; row 0 is "". Reused from profile to profile. */
export class StringTable {
  length = 1;
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #offsets = new Int32Array(64);
  #hashes = new Int32Array(64);
  /** Row + 1 by hash, 0 for free; `mask` + 1 of them are in use. */
  #slots = new Int32Array(64);
  #mask = 63;

  /** Forgets all strings. @param entries how many to expect. */
  clear(entries: number): void {
    this.length = 1;
    this.#resetSlots(slotCount(entries + 1));
    this.#insert(EMPTY_HASH, 0);
  }

  /**
   * Hot: once per string used. The row of bytes [from, to).
   * @param hash from `hashBytes`.
   */
  intern(view: DataView, from: number, to: number, hash: number): number {
    const length = to - from;
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = hash & mask;
    let probes = 0;
    for (let row = slots[slot]! - 1; row >= 0; row = slots[slot]! - 1) {
      if (this.#hashes[row] === hash && this.#equals(row, view, from, length)) return row;
      if (++probes > MAX_PROBES) refuseCollisions('strings');
      slot = (slot + 1) & mask;
    }
    return this.#add(slot, view, from, length, hash);
  }

  /** The row of a text. */
  internText(text: string): number {
    const bytes = encoder.encode(text);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.intern(view, 0, bytes.length, hashBytes(view, 0, bytes.length));
  }

  text(row: number): string {
    return decoder.decode(this.#bytes.subarray(this.#offsets[row], this.#offsets[row + 1]));
  }

  get byteLength(): number {
    return this.#offsets[this.length]!;
  }

  /** A copy. @param offsets `length` + 1 long. @param bytes `byteLength` long. */
  copy(offsets: Uint32Array, bytes: Uint8Array): StringColumn {
    const { length } = this;
    for (let row = 0; row <= length; row++) offsets[row] = this.#offsets[row]!;
    bytes.set(this.#bytes.subarray(0, this.byteLength));
    return { length, bytes, offsets };
  }

  #equals(row: number, view: DataView, from: number, length: number): boolean {
    const at = this.#offsets[row]!;
    return this.#offsets[row + 1]! - at === length && equalBytes(this.#view, at, view, from, length);
  }

  #add(slot: number, view: DataView, from: number, length: number, hash: number): number {
    const row = this.length++;
    const at = this.#offsets[row]!;
    if (at + length > this.#bytes.length) {
      this.#bytes = room(this.#bytes, at + length);
      this.#view = new DataView(this.#bytes.buffer);
    }
    if (row + 2 > this.#offsets.length) {
      this.#offsets = room(this.#offsets, row + 2);
      this.#hashes = room(this.#hashes, row + 1);
    }
    copyBytes(view, from, this.#view, at, length);
    this.#offsets[row + 1] = at + length;
    this.#hashes[row] = hash;
    this.#slots[slot] = row + 1;
    if (this.length * 2 > this.#mask + 1) this.#rehash();
    return row;
  }

  #insert(hash: number, row: number): void {
    this.#hashes[row] = hash;
    let slot = hash & this.#mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#slots[slot] = row + 1;
  }

  #resetSlots(size: number): void {
    if (this.#slots.length < size) this.#slots = new Int32Array(size);
    else this.#slots.fill(0, 0, size);
    this.#mask = size - 1;
  }

  /** Only texts that the file does not hold can make the table larger than expected. */
  #rehash(): void {
    this.#resetSlots(slotCount(this.length * 2));
    for (let row = 0; row < this.length; row++) this.#insert(this.#hashes[row]!, row);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

const EMPTY_HASH = hashBytes(new DataView(new ArrayBuffer(0)), 0, 0);
