import { type ByteReader, type ColumnArena, CorruptDataError, ByteWriter } from '@kiln/bytes';
import type { ExactColumn, StringColumn } from '@kiln/model';

/*
 * Columns as both formats write them: values back to back, no count (the table's own count stands before its columns).
 * Unsigned values are LEB128, signed ones zigzag LEB128 of up to 64 bits.
 */

/** Unsigned, the first `length` entries. */
export function writeUints(w: ByteWriter, column: Uint32Array, length: number): void {
  w.varints(column, length);
}

/**
 * Hot: once per entry of every table.
 * @param limit rows of the table that is referred to: each value is below it.
 * @param what named in the error, for example `function`.
 * @param arena where the column is made, as in the other readers; in memory of its own unless told.
 */
export function readUints(
  r: ByteReader,
  length: number,
  limit: number,
  what: string,
  arena?: ColumnArena,
): Uint32Array {
  if (length > r.left) r.fail(`${length} ${what} numbers, ${r.left} bytes left`);
  const column = arena === undefined ? new Uint32Array(length) : arena.u32(length);
  readUintsInto(r, column, 0, length, limit, what);
  return column;
}

/** As `readUints`, into entries from .. from + length of a column that is there. The caller has bounded the length by the bytes left. */
export function readUintsInto(
  r: ByteReader,
  column: Uint32Array,
  from: number,
  length: number,
  limit: number,
  what: string,
): void {
  const { end, view } = r;
  const to = from + length;
  let at = r.position;
  let largest = 0;
  for (let i = from; i < to;) {
    if (i + 4 <= to && at + 4 <= end) {
      const four = view.getInt32(at, true);
      if ((four & 0x80808080) === 0) {
        // Four of one byte each: distances and lengths mostly are.
        const a = four & 0x7f;
        const b = (four >> 8) & 0x7f;
        const c = (four >> 16) & 0x7f;
        const d = four >> 24;
        column[i] = a;
        column[i + 1] = b;
        column[i + 2] = c;
        column[i + 3] = d;
        if (a > largest) largest = a;
        if (b > largest) largest = b;
        if (c > largest) largest = c;
        if (d > largest) largest = d;
        i += 4;
        at += 4;
        continue;
      }
      // Two of one byte or two each, which comes next being as good as random: no branch for it.
      const isTwo = (four >>> 7) & 1;
      const rest = four >>> (8 + 8 * isTwo);
      const isNextTwo = (rest >>> 7) & 1;
      if ((((four & (four >>> 8)) | (rest & (rest >>> 8))) & 0x80) === 0) {
        const a = (four & 0x7f) | ((four >>> 1) & 0x3f80 & -isTwo);
        const b = (rest & 0x7f) | ((rest >>> 1) & 0x3f80 & -isNextTwo);
        column[i] = a;
        column[i + 1] = b;
        if (a > largest) largest = a;
        if (b > largest) largest = b;
        i += 2;
        at += 2 + isTwo + isNextTwo;
        continue;
      }
    }
    r.position = at;
    const value = r.varint();
    at = r.position;
    column[i++] = value;
    if (value > largest) largest = value;
  }
  r.position = at;
  if (length > 0 && largest >= limit) r.fail(`${what} ${largest} of ${limit}`);
}

/** Whole numbers within +-2^53. */
export function writeInt(w: ByteWriter, value: number): void {
  writeStep(w, value, 0);
}

export function readInt(r: ByteReader): number {
  return readStep(r, 0);
}

/** The difference of two whole numbers within +-2^53: zigzag, exact also where a double would round it. */
export function writeStep(w: ByteWriter, value: number, last: number): void {
  const step = value - last;
  if (step > -SMALL && step < SMALL) {
    w.zigzag(step);
  } else {
    const wide = BigInt(value) - BigInt(last);
    const zigzag = wide < 0n ? -wide * 2n - 1n : wide * 2n;
    w.varintExact(Number(zigzag & 0xfffffffffffffn), Number(zigzag >> 52n));
  }
}

/** @returns last + difference; CorruptDataError when that is beyond +-2^53. */
export function readStep(r: ByteReader, last: number): number {
  const { bytes, position, end } = r;
  let at = position;
  while (at < end && bytes[at]! > 127) at++;
  let value: number;
  if (at - position < 7) {
    value = last + r.zigzag();
  } else {
    const zigzag = r.varintBig();
    value = Number(BigInt(last) + (zigzag % 2n === 0n ? zigzag / 2n : -(zigzag + 1n) / 2n));
  }
  if (value > LARGEST || value < -LARGEST) r.fail(`${value} is beyond 2^53`);
  return value;
}

export function writeInts(w: ByteWriter, column: Float64Array, length: number): void {
  for (let i = 0; i < length; i++) writeInt(w, column[i]!);
}

/** Hot: once per function and line. */
export function readInts(r: ByteReader, length: number, arena?: ColumnArena): Float64Array {
  if (length > r.left) r.fail(`${length} numbers, ${r.left} bytes left`);
  const column = arena === undefined ? new Float64Array(length) : arena.f64(length);
  const { bytes, end } = r;
  let at = r.position;
  for (let i = 0; i < length; i++) {
    // Up to three bytes; others, and the last two of all, one byte at a time.
    let zigzag = at + 2 < end ? bytes[at]! : LONG;
    let next = at + 1;
    if (zigzag > 127 && zigzag < LONG) zigzag += (bytes[next++]! - 1) * 128;
    if (zigzag > 0x3fff && zigzag < LONG) zigzag += (bytes[next++]! - 1) * 0x4000;
    if (zigzag >= LONG) {
      r.position = at;
      column[i] = readInt(r);
      at = r.position;
    } else {
      column[i] = (zigzag >>> 1) ^ -(zigzag & 1);
      at = next;
    }
  }
  r.position = at;
  return column;
}

/** Differences to the value before, the first to 0: times and offsets. */
export function writeDeltas(w: ByteWriter, column: Float64Array, from: number, to: number): void {
  let last = 0;
  for (let i = from; i < to; i++) {
    writeStep(w, column[i]!, last);
    last = column[i]!;
  }
}

export function readDeltas(r: ByteReader, column: Float64Array, from: number, to: number): void {
  if (to - from > r.left) r.fail(`${to - from} numbers, ${r.left} bytes left`);
  let last = 0;
  for (let i = from; i < to; i++) {
    last = readStep(r, last);
    column[i] = last;
  }
}

export function writeU64s(w: ByteWriter, column: BigUint64Array, length: number): void {
  for (let i = 0; i < length; i++) w.varintExact(Number(column[i]! & 0xfffffffffffffn), Number(column[i]! >> 52n));
}

export function readU64s(r: ByteReader, length: number): BigUint64Array {
  if (length > r.left) r.fail(`${length} numbers, ${r.left} bytes left`);
  const column = new BigUint64Array(length);
  for (let i = 0; i < length; i++) column[i] = r.varintBig();
  return column;
}

/** A byte that says whether there is a high part (value = hi * 2^52 + lo), then all low parts, then all high parts. */
export function writeExact(w: ByteWriter, { lo, hi }: ExactColumn, from: number, to: number): void {
  let wide = false;
  if (hi !== undefined) for (let i = from; i < to; i++) wide ||= hi[i] !== 0;
  w.u8(wide ? 1 : 0);
  for (let i = from; i < to; i++) w.varint(lo[i]!);
  if (wide) for (let i = from; i < to; i++) w.varint(hi![i]!);
}

/** Hot: once per row. Fills rows from .. to of `lo`; returns the high parts of those rows, undefined when all are 0. */
export function readExact(r: ByteReader, lo: Float64Array, from: number, to: number): Float64Array | undefined {
  const wide = r.u8();
  if (wide > 1) r.fail(`exact column of form ${wide}, known are 0 and 1`);
  if (to - from > r.left) r.fail(`${to - from} numbers, ${r.left} bytes left`);
  const { bytes, end } = r;
  let at = r.position;
  for (let i = from; i < to; i++) {
    // As in readInts.
    let value = at + 2 < end ? bytes[at]! : LONG;
    let next = at + 1;
    if (value > 127 && value < LONG) value += (bytes[next++]! - 1) * 128;
    if (value > 0x3fff && value < LONG) value += (bytes[next++]! - 1) * 0x4000;
    if (value >= LONG) {
      r.position = at;
      value = r.varint();
      next = r.position;
      if (value >= 2 ** 52) r.fail(`low part ${value}, limit 2^52`);
    }
    lo[i] = value;
    at = next;
  }
  r.position = at;
  if (wide === 0) return undefined;
  const hi = new Float64Array(to - from);
  for (let i = 0; i < hi.length; i++) hi[i] = r.varint();
  return hi;
}

/** `n | n * length | bytes`. Row 0 is "" where the format says so. @param more follow those of `strings`, in one table. */
export function writeStrings(w: ByteWriter, strings: StringColumn, more?: StringColumn): void {
  w.varint(strings.length + (more === undefined ? 0 : more.length));
  writeSteps(w, strings.offsets, strings.length);
  if (more !== undefined) writeSteps(w, more.offsets, more.length);
  w.bytes(strings.bytes.subarray(strings.offsets[0], strings.offsets[strings.length]));
  if (more !== undefined) w.bytes(more.bytes.subarray(more.offsets[0], more.offsets[more.length]));
}

/** Hot: once per string and location. The differences of `length` + 1 starts that never go down, unsigned. */
export function writeSteps(w: ByteWriter, starts: Uint32Array, length: number): void {
  const steps = stepsOf(length);
  for (let i = 0; i < length; i++) steps[i] = starts[i + 1]! - starts[i]!;
  w.varints(steps, length);
}

/** Scratch for a column that is computed to be written. */
export function stepsOf(length: number): Uint32Array {
  if (length > steps.length) steps = new Uint32Array(length * 2);
  return steps;
}

/** A view: the bytes stay where they are. */
export function readStrings(r: ByteReader, arena?: ColumnArena): StringColumn {
  const length = r.count();
  const offsets = arena === undefined ? new Uint32Array(length + 1) : arena.u32(length + 1);
  offsets[0] = 0;
  readUintsInto(r, offsets, 1, length, 2 ** 32, 'length');
  let end = 0;
  for (let i = 0; i < length; i++) {
    end += offsets[i + 1]!;
    if (end > r.left) r.fail(`strings of ${end} bytes, ${r.left} left`);
    offsets[i + 1] = end;
  }
  return { length, bytes: r.take(end), offsets };
}

/** Decodes strings of a column, each once. */
export class Texts {
  readonly #column: StringColumn;
  /** A map: the few rows that are asked for lie at the end of a long table. */
  readonly #known = new Map<number, string>();
  readonly #format: string;

  constructor(column: StringColumn, format: string) {
    this.#column = column;
    this.#format = format;
  }

  /** @throws CorruptDataError for a row that does not exist and for bytes that are not UTF-8. */
  at(row: number): string {
    const known = this.#known.get(row);
    if (known !== undefined) return known;
    const { length, bytes, offsets } = this.#column;
    if (row >= length) throw new CorruptDataError(this.#format, row, `string ${row} of ${length}`);
    let text: string;
    try {
      text = decoder.decode(bytes.subarray(offsets[row], offsets[row + 1]));
    } catch {
      throw new CorruptDataError(this.#format, offsets[row]!, `string ${row} is not UTF-8`);
    }
    this.#known.set(row, text);
    return text;
  }
}

/** Strings collected for a table, each once, in the order they came. */
export class TextRows {
  readonly #rows = new Map<string, number>();

  row(text: string): number {
    const known = this.#rows.get(text);
    if (known !== undefined) return known;
    const row = this.#rows.size;
    this.#rows.set(text, row);
    return row;
  }

  column(): StringColumn {
    return stringColumn([...this.#rows.keys()]);
  }
}

export function stringColumn(texts: readonly string[]): StringColumn {
  const w = new ByteWriter(texts.length * 16);
  const offsets = new Uint32Array(texts.length + 1);
  for (let i = 0; i < texts.length; i++) offsets[i + 1] = offsets[i]! + w.utf8(texts[i]!);
  return { length: texts.length, bytes: w.view(), offsets };
}

let steps = new Uint32Array(1024);

/** Three bytes hold less. */
const LONG = 0x200000;
const SMALL = 2 ** 51;
const LARGEST = 2 ** 53;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
