import type { ByteReader, ByteWriter } from '@kiln/bytes';
import type { StringColumn } from '@kiln/model';
import { KEY } from './hash-keys.ts';

/** Hot: once per function of a dataset. @param key an odd number, the same for all names of a table. */
export function hashName(key: number, source: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let i = start; i < end; i++) {
    hash = Math.imul(hash ^ source[i]!, key);
    hash ^= hash >>> 15;
  }
  return hash;
}

/** A number per distinct byte string, from 0 in order of first sight. Strings are never decoded here. */
export class NameTable {
  #bytes: Uint8Array = new Uint8Array(1024);
  #offsets: Uint32Array = new Uint32Array(64);
  #hashes: Int32Array = new Int32Array(64);
  /** Open addressing, number + 1, 0 is free; at most half full. */
  #slots: Uint32Array = new Uint32Array(128);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Hot: once per function of a dataset. The number of source[start .. end). */
  intern(source: Uint8Array, start: number, end: number): number {
    const hash = hashName(KEY, source, start, end);
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const entry = this.#slots[slot]!;
      if (entry === 0) break;
      if (this.#hashes[entry - 1] === hash && this.#equals(entry - 1, source, start, end)) return entry - 1;
      slot = (slot + 1) & mask;
    }
    return this.#append(slot, hash, source, start, end);
  }

  internText(text: string): number {
    const encoded = encoder.encode(text);
    return this.intern(encoded, 0, encoded.length);
  }

  /** The bytes of a name, as a view. */
  bytesOf(name: number): Uint8Array {
    return this.#bytes.subarray(this.#offsets[name], this.#offsets[name + 1]);
  }

  /** The name as text; bytes that are not UTF-8 become U+FFFD. */
  textOf(name: number): string {
    return decoder.decode(this.bytesOf(name));
  }

  write(writer: ByteWriter): void {
    writeByteStrings(writer, { length: this.#length, bytes: this.#bytes, offsets: this.#offsets });
  }

  #equals(name: number, source: Uint8Array, start: number, end: number): boolean {
    const from = this.#offsets[name]!;
    const length = end - start;
    if (this.#offsets[name + 1]! - from !== length) return false;
    const bytes = this.#bytes;
    for (let i = 0; i < length; i++) if (bytes[from + i] !== source[start + i]) return false;
    return true;
  }

  #append(slot: number, hash: number, source: Uint8Array, start: number, end: number): number {
    const name = this.#length++;
    const at = this.#offsets[name]!;
    const need = at + end - start;
    if (need > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(need, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    this.#bytes.set(source.subarray(start, end), at);
    if (name + 2 > this.#offsets.length) this.#grow();
    this.#offsets[name + 1] = need;
    this.#hashes[name] = hash;
    this.#slots[slot] = name + 1;
    if (this.#length * 2 > this.#slots.length) this.#rehash();
    return name;
  }

  #grow(): void {
    const offsets = new Uint32Array(this.#offsets.length * 2);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
    const hashes = new Int32Array(offsets.length);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let name = 0; name < this.#length; name++) {
      let slot = this.#hashes[name]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = name + 1;
    }
    this.#slots = slots;
  }
}

/** Reads what `NameTable.write` wrote and interns it; the number in `names` of each, in order. */
export function readNames(reader: ByteReader, names: NameTable): Uint32Array {
  const { bytes, ends } = readByteStrings(reader);
  const numbers = new Uint32Array(ends.length);
  for (let i = 0, at = 0; i < ends.length; at = ends[i++]!) numbers[i] = names.intern(bytes, at, ends[i]!);
  return numbers;
}

/** count | count * length | bytes. */
export function writeByteStrings(writer: ByteWriter, { length, bytes, offsets }: StringColumn): void {
  writer.varint(length);
  for (let row = 0; row < length; row++) writer.varint(offsets[row + 1]! - offsets[row]!);
  writer.bytes(bytes.subarray(0, offsets[length]));
}

/** Reads what `writeByteStrings` wrote: string i ends at ends[i], where the next begins. */
export function readByteStrings(reader: ByteReader): { bytes: Uint8Array; ends: Uint32Array } {
  const count = reader.count();
  const ends = new Uint32Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += reader.varint();
    if (sum > reader.left) reader.fail(`strings of ${sum} bytes, ${reader.left} bytes left`);
    ends[i] = sum;
  }
  return { bytes: reader.take(sum), ends };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
