import type { StringColumn, StringRow } from '@kiln/model';
import { grown, hashBytes, isCrowded, type HashKeys } from './hash.ts';

/** Strings by content: open addressing over their raw UTF-8 bytes. Row 0 is "". */
export class StringTable {
  readonly #keys: HashKeys;
  #length = 1;
  #bytes: Uint8Array = new Uint8Array(128);
  #view: DataView = new DataView(this.#bytes.buffer);
  #offsets: Uint32Array = new Uint32Array(16);
  /** Row, 0 for a free slot: "" is never looked up. */
  #slots: Uint32Array = new Uint32Array(16);

  constructor(keys: HashKeys) {
    this.#keys = keys;
  }

  get byteLength(): number {
    return this.#bytes.byteLength + this.#offsets.byteLength + this.#slots.byteLength;
  }

  /** Hot. The row of the bytes start .. end, which are valid UTF-8 and are copied when new. */
  intern(bytes: DataView, start: number, end: number): StringRow {
    if (start === end) return 0;
    const mask = this.#slots.length - 1;
    let slot = hashBytes(this.#keys, bytes, start, end) & mask;
    for (;;) {
      const row = this.#slots[slot]!;
      if (row === 0) break;
      if (this.#equals(row, bytes, start, end)) return row;
      slot = (slot + 1) & mask;
    }
    this.#slots[slot] = this.#length;
    return this.#append(bytes, start, end);
  }

  /** The columns as they are now; they only grow at their ends. */
  columns(): StringColumn {
    return { length: this.#length, bytes: this.#bytes, offsets: this.#offsets };
  }

  #equals(row: StringRow, bytes: DataView, start: number, end: number): boolean {
    let own = this.#offsets[row]!;
    if (this.#offsets[row + 1]! - own !== end - start) return false;
    const view = this.#view;
    let at = start;
    for (const last = end - 4; at <= last; at += 4, own += 4)
      if (view.getInt32(own, true) !== bytes.getInt32(at, true)) return false;
    for (; at < end; at++, own++) if (view.getUint8(own) !== bytes.getUint8(at)) return false;
    return true;
  }

  #append(bytes: DataView, start: number, end: number): StringRow {
    const row = this.#length++;
    const at = this.#offsets[row]!;
    const need = at + end - start;
    if (need > this.#bytes.length) {
      const larger = new Uint8Array(grown(this.#bytes.length, need));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#bytes.set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start), at);
    if (row + 2 > this.#offsets.length) {
      const larger = new Uint32Array(grown(this.#offsets.length, row + 2));
      larger.set(this.#offsets);
      this.#offsets = larger;
    }
    this.#offsets[row + 1] = need;
    if (isCrowded(this.#length, this.#slots.length)) this.#rehash();
    return row;
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let row = 1; row < this.#length; row++) {
      let slot = hashBytes(this.#keys, this.#view, this.#offsets[row]!, this.#offsets[row + 1]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = row;
    }
    this.#slots = slots;
  }
}
