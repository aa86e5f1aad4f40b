import { ByteWriter } from '@kiln/bytes';
import { KilnError, type ExactColumn } from '@kiln/model';
import { ByteStreams } from './byte-streams.ts';
import { integerRatio, isMultiple, commonScale } from './exact-multiples.ts';
import { MODE_COLUMNS, MODE_SPLIT, MODE_WIDE } from './page-layout.ts';
import { putExact, putVarint } from './varints.ts';

/** Collects rows into a page (layout: page-layout.ts). Every sample is checked before a row gets a form that drops information. */
export class PageBuilder {
  readonly types: number;
  #rows = 0;
  readonly #streams: ByteStreams = new ByteStreams(4);

  /** @param types number of value types, the same for every row. */
  constructor(types: number) {
    this.types = types;
    if (types > ratios.length) ratios = new Float64Array(types);
  }

  get rows(): number {
    return this.#rows;
  }

  /** Length of what `toBytes` would return, a few bytes too much at most. */
  get byteLength(): number {
    return HEADER_BYTES + this.#streams.length;
  }

  /** Bytes of memory held, used or not. */
  get heldBytes(): number {
    return OBJECT_BYTES + this.#streams.capacity;
  }

  /**
   * Adds a row. Hot: once per profile, two or three passes over its samples.
   * @param stack strictly increasing stack rows.
   * @param values one column per value type.
   * @param length samples in use; the arrays may be longer.
   * @throws KilnError `out_of_range` for a value above 2^64 - 1, `internal` for stack rows that do not rise: a page of such could not be read.
   */
  add(stack: Uint32Array, values: readonly ExactColumn[], length: number): void {
    for (let i = 1; i < length; i++)
      if (stack[i]! <= stack[i - 1]!)
        throw new KilnError('internal', `stack rows must rise, found ${stack[i - 1]} before ${stack[i]}`);
    head.clear();
    if (isWide(values, length)) this.#addWide(stack, values, length);
    else if (!this.#addSplit(stack, values, length)) this.#addColumns(stack, values, length);
    this.#streams.append(H, head.view(), head.length);
    this.#rows++;
  }

  /** The page as bytes of its own, without codec. */
  toBytes(): Uint8Array {
    const out = new ByteWriter(this.byteLength);
    out.varint(this.#rows);
    out.varint(this.types);
    for (const stream of [H, A, B]) out.varint(this.#streams.lengthOf(stream));
    for (const stream of [H, A, B, C]) out.bytes(this.#streams.view(stream));
    return out.view();
  }

  /** Forgets all rows and keeps the buffers. */
  clear(): void {
    this.#rows = 0;
    this.#streams.clear();
  }

  /** Mode 0, when it fits: every type a whole multiple of type 0, which is nowhere 0. */
  #addSplit(stack: Uint32Array, values: readonly ExactColumn[], length: number): boolean {
    const base = values[0]!.lo;
    for (let i = 0; i < length; i++) if (base[i] === 0) return false;
    for (let t = 1; t < this.types; t++) {
      const column = values[t]!.lo;
      const ratio = integerRatio(base, column, length);
      if (ratio < 0 || !isMultiple(base, column, ratio, length)) return false;
      ratios[t] = ratio;
    }
    const scale = length === 0 ? 1 : commonScale(base, length);
    const units = this.#writeClasses(stack, base, scale, length);
    head.u8(MODE_SPLIT);
    head.varint(scale);
    for (let t = 1; t < this.types; t++) head.varint(ratios[t]!);
    head.varint(units);
    head.varint(length - units);
    return true;
  }

  /** Hot: once per sample. Returns how many samples are worth one scale unit. */
  #writeClasses(stack: Uint32Array, base: Float64Array, scale: number, length: number): number {
    reserve(length);
    const a = scratchA;
    const b = scratchB;
    const c = scratchC;
    let atA = 0;
    let atB = 0;
    let atC = 0;
    let lastA = -1;
    let lastB = -1;
    let units = 0;
    for (let i = 0; i < length; i++) {
      const id = stack[i]!;
      const value = base[i]!;
      if (value === scale) {
        const delta = id - lastA - 1;
        lastA = id;
        units++;
        if (delta < 128) a[atA++] = delta;
        else atA = putVarint(a, atA, delta);
      } else {
        const delta = id - lastB - 1;
        lastB = id;
        if (delta < 128) b[atB++] = delta;
        else atB = putVarint(b, atB, delta);
        const count = (scale === 1 ? value : value / scale) - 2;
        if (count < 128) c[atC++] = count;
        else atC = putVarint(c, atC, count);
      }
    }
    this.#streams.append(A, a, atA);
    this.#streams.append(B, b, atB);
    this.#streams.append(C, c, atC);
    return units;
  }

  #addColumns(stack: Uint32Array, values: readonly ExactColumn[], length: number): void {
    this.#writeIds(stack, length);
    head.u8(MODE_COLUMNS);
    head.varint(length);
    const base = values[0]!.lo;
    for (let t = 0; t < this.types; t++) {
      const column = values[t]!.lo;
      const ratio = t === 0 ? -1 : integerRatio(base, column, length);
      if (ratio >= 0 && isMultiple(base, column, ratio, length)) {
        head.varint(2 * ratio + 1);
      } else {
        const scale = commonScale(column, length);
        head.varint(2 * scale);
        if (scale !== 0) this.#writeColumn(column, scale, length);
      }
    }
  }

  /** Hot: once per sample and value type. */
  #writeColumn(column: Float64Array, scale: number, length: number): void {
    const c = scratchC;
    let at = 0;
    for (let i = 0; i < length; i++) {
      const count = scale === 1 ? column[i]! : column[i]! / scale;
      if (count < 128) c[at++] = count;
      else at = putVarint(c, at, count);
    }
    this.#streams.append(C, c, at);
  }

  #addWide(stack: Uint32Array, values: readonly ExactColumn[], length: number): void {
    for (const { hi } of values)
      if (hi !== undefined && hi.findIndex((high, i) => i < length && high >= 4096) >= 0)
        throw new KilnError('out_of_range', 'a sample value is above 2^64 - 1, the largest that a page holds');
    this.#writeIds(stack, length);
    head.u8(MODE_WIDE);
    head.varint(length);
    for (const { lo, hi } of values) {
      let at = 0;
      for (let i = 0; i < length; i++) at = putExact(scratchC, at, lo[i]!, hi === undefined ? 0 : hi[i]!);
      this.#streams.append(C, scratchC, at);
    }
  }

  #writeIds(stack: Uint32Array, length: number): void {
    reserve(length);
    const b = scratchB;
    let at = 0;
    let last = -1;
    for (let i = 0; i < length; i++) {
      const id = stack[i]!;
      const delta = id - last - 1;
      last = id;
      if (delta < 128) b[at++] = delta;
      else at = putVarint(b, at, delta);
    }
    this.#streams.append(B, b, at);
  }
}

/** The streams of a page, as page-layout.ts names them. */
const H = 0;
const A = 1;
const B = 2;
const C = 3;

const HEADER_BYTES = 20;
/** The builder and its buffers as objects: what an empty one adds to the heap of V8, measured. */
const OBJECT_BYTES = 700;

/** One row is encoded here before its bytes are copied, so that every builder holds no more than its content. */
const head = new ByteWriter(256);
let ratios = new Float64Array(8);
let scratchA = new Uint8Array(4096);
let scratchB = new Uint8Array(4096);
let scratchC = new Uint8Array(8192);

function reserve(samples: number): void {
  if (samples * 5 <= scratchA.length) return;
  scratchA = new Uint8Array(samples * 8);
  scratchB = new Uint8Array(samples * 8);
  scratchC = new Uint8Array(samples * 16);
}

function isWide(values: readonly ExactColumn[], length: number): boolean {
  for (const { hi } of values) if (hi !== undefined) for (let i = 0; i < length; i++) if (hi[i] !== 0) return true;
  return false;
}
