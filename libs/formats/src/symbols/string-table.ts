import type { StringColumn } from '@kiln/model';
import { copyBytes } from '../byte-hash.ts';
import { room } from '../scratch.ts';

/**
 * The strings of a file that are used, in the order of their first use, and texts made of them; row 0 is "". A file names a string by its number, so
 * equal ones come twice only where a file holds them twice: nothing is looked up by content here, that is for the table of many profiles that these
 * go to. Reused from profile to profile.
 */
export class StringTable {
  length = 1;
  byteLength = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** Where the bytes of each string begin: in the file, or the complement of a place in `#made`. */
  #from = new Int32Array(64);
  /** End of each string in the copy; of row 0 it is 0. */
  #end = new Int32Array(64);
  #made = new Uint8Array(1024);
  #madeLength = 0;

  /** Forgets all strings. @param view over the file. @param entries how many to expect. */
  clear(view: DataView, entries: number): void {
    this.length = 1;
    this.byteLength = 0;
    this.#view = view;
    this.#madeLength = 0;
    this.#reserve(entries + 1);
  }

  /** Hot: once per string used. The row of bytes [from, to) of the file. */
  add(from: number, to: number): number {
    return from === to ? 0 : this.#append(from, to - from);
  }

  /** The row of a text that the file does not hold. */
  addText(text: string): number {
    if (text === '') return 0;
    const bytes = encoder.encode(text);
    const at = this.#madeLength;
    this.#made = room(this.#made, at + bytes.length);
    this.#made.set(bytes, at);
    this.#madeLength = at + bytes.length;
    return this.#append(~at, bytes.length);
  }

  /** Hot: once per eight bytes of all strings. A copy. @param offsets `length` + 1 long. @param bytes `byteLength` long. */
  copy(offsets: Uint32Array, bytes: Uint8Array): StringColumn {
    const { length } = this;
    const file = this.#view;
    const made = new DataView(this.#made.buffer);
    const out = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const lastFrom = file.byteLength - 8;
    const lastAt = bytes.length - 8;
    const froms = this.#from;
    const ends = this.#end;
    offsets[0] = offsets[1] = 0;
    for (let row = 1, at = 0; row < length; row++) {
      const from = froms[row]!;
      const end = ends[row]!;
      if (from >= 0 && from + end - at <= lastFrom && end <= lastAt) {
        // Up to seven bytes too many: the next string overwrites them.
        for (let source = from; at < end; at += 8, source += 8) {
          out.setInt32(at, file.getInt32(source, true), true);
          out.setInt32(at + 4, file.getInt32(source + 4, true), true);
        }
      } else copyBytes(from < 0 ? made : file, from < 0 ? ~from : from, out, at, end - at);
      at = end;
      offsets[row + 1] = end;
    }
    return { length, bytes, offsets };
  }

  #append(from: number, size: number): number {
    const row = this.length++;
    if (row === this.#from.length) this.#reserve(row + 1);
    this.byteLength += size;
    this.#from[row] = from;
    this.#end[row] = this.byteLength;
    return row;
  }

  #reserve(entries: number): void {
    this.#from = room(this.#from, entries);
    this.#end = room(this.#end, entries);
  }
}

const encoder = new TextEncoder();
