import type { StringColumn, StringRow } from '@kiln/model';
import { hashBytes, type HashKeys } from './hash.ts';
import { grown, SlottedColumns } from './slotted-columns.ts';

/** Offset in the arena. */
const WIDTHS = [1];

/** Strings by content: open addressing over their raw UTF-8 bytes. Row 0 is ""; it has no slot, because "" is never looked up. */
export class StringTable extends SlottedColumns {
  readonly #keys: HashKeys;
  /** The arena, as a view because words of four bytes are read wherever they lie. */
  #bytes: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(128));

  constructor(keys: HashKeys) {
    super(WIDTHS, 1, 16, 16); // offsets: one more than there are strings
    this.#keys = keys;
    this.length = 1;
  }

  override get byteLength(): number {
    return this.words.byteLength + this.#bytes.byteLength;
  }

  /**
   * Hot. The row of the bytes start .. end, which are valid UTF-8 and are copied when new.
   * @param guess a row that may have them: looked at first, which saves the hash. Any number will do.
   */
  intern(bytes: DataView, start: number, end: number, guess: StringRow = 0): StringRow {
    if (start === end) return 0;
    if (guess < this.length && this.#equals(guess, bytes, start, end)) return guess;
    const words = this.words;
    const mask = this.slots - 1;
    let slot = hashBytes(this.#keys, bytes, start, end) & mask;
    for (;;) {
      const row = words[slot]!;
      if (row === 0) break;
      if (this.#equals(row, bytes, start, end)) return row;
      slot = (slot + 1) & mask;
    }
    words[slot] = this.length;
    return this.#append(bytes, start, end);
  }

  /** The columns as they are now; they only grow at their ends. */
  columns(): StringColumn {
    return {
      length: this.length,
      bytes: new Uint8Array(this.#bytes.buffer),
      offsets: this.words.subarray(this.slots),
    };
  }

  #equals(row: StringRow, bytes: DataView, start: number, end: number): boolean {
    const offset = this.slots + row;
    const own = this.words[offset]!;
    const length = end - start;
    if (this.words[offset + 1]! - own !== length) return false;
    const view = this.#bytes;
    const last = length - 4;
    for (let i = 0; i < last; i += 4)
      if (view.getInt32(own + i, true) !== bytes.getInt32(start + i, true)) return false;
    // The last four bytes, some of them again; fewer where there are no four.
    if (last >= 0) return view.getInt32(own + last, true) === bytes.getInt32(start + last, true);
    for (let i = 0; i < length; i++) if (view.getUint8(own + i) !== bytes.getUint8(start + i)) return false;
    return true;
  }

  #append(bytes: DataView, start: number, end: number): StringRow {
    this.reserveRow();
    const row = this.length++;
    const at = this.words[this.slots + row]!;
    const need = at + end - start;
    if (need > this.#bytes.byteLength) {
      const larger = new ArrayBuffer(grown(this.#bytes.byteLength, need));
      new Uint8Array(larger).set(new Uint8Array(this.#bytes.buffer, 0, at));
      this.#bytes = new DataView(larger);
    }
    new Uint8Array(this.#bytes.buffer).set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start), at);
    this.words[this.slots + row + 1] = need;
    this.reserveSlot(0);
    return row;
  }

  protected slotOf(row: StringRow): number {
    const offset = this.slots + row;
    return hashBytes(this.#keys, this.#bytes, this.words[offset]!, this.words[offset + 1]!);
  }
}
