import { CorruptDataError } from '@kiln/bytes';
import { SPILL, type ExactColumn } from '@kiln/model';
import type { Page } from '../tables.ts';
import { MODE_COLUMNS, MODE_SPLIT, MODE_WIDE, readPageHeader, unknownMode, type PageHeader } from './page-layout.ts';
import { behind, exactHi, getExact, getVarint, skipVarints } from './varints.ts';

/** A page whose header was read: what `PageRows.seek` comes back to. */
export interface OpenPage {
  readonly bytes: Uint8Array;
  readonly header: PageHeader;
  readonly stacks: number;
}

/** Numbers of a mark: where a row begins in the streams H, A, B and C. */
export const MARK_WORDS = 4;

/**
 * Decodes the rows of a page one after the other, with every check: streams end where the header says, stack rows rise and stay below a limit,
 * values have the form of their mode. For merging values, see mergePage; for rows in any order, RowReader.
 */
export class PageRows {
  /** Stack rows of the current row, strictly increasing; scratch, valid until the next `next`. Longer than `length`. */
  stack: Uint32Array = new Uint32Array(0);
  /** One column per value type; scratch as `stack`. */
  readonly values: ExactColumn[] = [];
  length = 0;
  readonly #types: number;
  #bytes!: Uint8Array;
  /** Of the bytes, made when rows are skipped. */
  #view: DataView | undefined;
  #header!: PageHeader;
  #stacks!: number;
  readonly #lo: Float64Array[] = [];
  readonly #hi: Float64Array[] = [];
  readonly #column: Float64Array;
  #row = 0;
  /** The only row of the page is decoded, and is to be the next one again. */
  #isHeld = false;
  #h = 0;
  #a = 0;
  #b = 0;
  #c = 0;

  /**
   * @param types value types of the dataset.
   * @param stacks rows of the stack table that the page refers to; without it any number below 2^32 passes.
   * @throws CorruptDataError here and from `next`.
   */
  constructor(page: Page, types: number, stacks?: number) {
    this.#types = types;
    this.#column = new Float64Array(types);
    this.open(page, stacks);
  }

  /** Goes on with the first row of another page of as many value types; scratch is kept. Arguments and errors as of the constructor. */
  open(page: Page, stacks: number = 2 ** 32): OpenPage {
    const bytes = page.bytes;
    const header = readPageHeader(bytes);
    if (header.types !== this.#types || header.rows !== page.rows)
      throw new CorruptDataError(
        'page',
        0,
        `${header.rows} rows of ${header.types} value types where ${page.rows} of ${this.#types} are expected`,
      );
    this.#bytes = bytes;
    this.#view = undefined;
    this.#header = header;
    this.#stacks = stacks;
    this.#begin();
    return { bytes, header, stacks };
  }

  /** Makes the first row of the page the next one again. The row of a page that has only one is not decoded a second time. */
  rewind(): void {
    if (this.#header.rows === 1 && this.#row === 1) this.#isHeld = true;
    else this.#begin();
  }

  #begin(): void {
    const { h, a, b, c } = this.#header;
    this.#isHeld = false;
    this.#row = 0;
    this.#h = h;
    this.#a = a;
    this.#b = b;
    this.#c = c;
  }

  /** Writes where the next row begins: `MARK_WORDS` numbers from `at` on. */
  mark(marks: Uint32Array, at: number): void {
    if (this.#isHeld) this.#begin();
    marks[at] = this.#h;
    marks[at + 1] = this.#a;
    marks[at + 2] = this.#b;
    marks[at + 3] = this.#c;
  }

  /** Makes the row that was marked at `at` the next one. @param row its number in the page. */
  seek({ bytes, header, stacks }: OpenPage, row: number, marks: Uint32Array, at: number): void {
    this.#bytes = bytes;
    this.#view = undefined;
    this.#header = header;
    this.#stacks = stacks;
    this.#isHeld = false;
    this.#row = row;
    this.#h = marks[at]!;
    this.#a = marks[at + 1]!;
    this.#b = marks[at + 2]!;
    this.#c = marks[at + 3]!;
  }

  /** Decodes the next row; false behind the last one, where all streams must end. */
  next(): boolean {
    if (this.#isHeld) {
      this.#isHeld = false;
      return true;
    }
    if (this.#row === this.#header.rows) {
      this.#checkEnd();
      return false;
    }
    this.#row++;
    const mode = this.#h < this.#header.a ? this.#bytes[this.#h++]! : -1;
    if (mode === MODE_SPLIT) this.#readSplit();
    else if (mode === MODE_COLUMNS) this.#readColumns();
    else if (mode === MODE_WIDE) this.#readWide();
    else this.#fail(this.#h, mode < 0 ? 'no row where one was counted' : unknownMode(mode));
    return true;
  }

  /**
   * Goes behind the next row without decoding its samples, whose numbers are not checked; as `next` otherwise. A third of its time.
   */
  skip(): boolean {
    if (this.#isHeld) return this.next();
    if (this.#row === this.#header.rows) {
      this.#checkEnd();
      return false;
    }
    this.#row++;
    const { types, a, b, c } = this.#header;
    const bytes = (this.#view ??= new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength));
    const mode = this.#h < a ? this.#bytes[this.#h++]! : -1;
    let units = 0;
    let columns = 1;
    if (mode === MODE_SPLIT) {
      for (let t = 0; t < types; t++) this.#number();
      units = this.#number();
    } else if (mode !== MODE_COLUMNS && mode !== MODE_WIDE) {
      this.#fail(this.#h, mode < 0 ? 'no row where one was counted' : unknownMode(mode));
    }
    const others = this.#number();
    if (mode === MODE_WIDE) columns = types;
    if (mode === MODE_COLUMNS) {
      columns = 0;
      for (let t = 0; t < types; t++) {
        const form = this.#number();
        if (form > 0 && form % 2 === 0) columns++;
      }
    }
    this.#a = skipVarints(bytes, this.#a, b, units);
    this.#b = skipVarints(bytes, this.#b, c, others);
    this.#c = skipVarints(bytes, this.#c, this.#bytes.length, others * columns);
    return true;
  }

  #readSplit(): void {
    const types = this.#header.types;
    const column = this.#column;
    column[0] = this.#number();
    if (column[0] === 0) this.#fail(this.#h, 'scale 0');
    for (let t = 1; t < types; t++) column[t] = this.#number();
    const units = this.#number();
    const others = this.#number();
    this.#reserve(units, this.#header.b - this.#a, others, this.#header.c - this.#b);
    const scale = column[0];
    const base = this.#lo[0]!;
    const length = units + others;
    let leftA = units;
    let leftB = others;
    let nextA = leftA > 0 ? this.#idA(-1) : Infinity;
    let nextB = leftB > 0 ? this.#idB(-1) : Infinity;
    for (let i = 0; i < length; i++) {
      if (nextA < nextB) {
        this.stack[i] = nextA;
        base[i] = scale;
        nextA = --leftA > 0 ? this.#idA(nextA) : Infinity;
      } else {
        if (nextA === nextB) this.#fail(this.#b, `stack ${nextA} twice in one row`);
        this.stack[i] = nextB;
        base[i] = this.#value(scale) + 2 * scale;
        nextB = --leftB > 0 ? this.#idB(nextB) : Infinity;
      }
    }
    for (let t = 1; t < types; t++) this.#multiply(t, column[t]!, length);
    this.#checkValues(0, length);
    this.#finish(length, false);
  }

  #readColumns(): void {
    const types = this.#header.types;
    const length = this.#number();
    const column = this.#column;
    for (let t = 0; t < types; t++) column[t] = this.#number();
    if (column[0]! % 2 === 1) this.#fail(this.#h, 'value type 0 as a multiple of itself');
    this.#reserve(0, 0, length, this.#header.c - this.#b);
    this.#readIds(length);
    for (let t = 0; t < types; t++) {
      const form = column[t]!;
      if (form % 2 === 1) {
        this.#multiply(t, (form - 1) / 2, length);
      } else {
        const lo = this.#lo[t]!;
        const scale = form / 2;
        for (let i = 0; i < length; i++) lo[i] = scale === 0 ? 0 : this.#value(scale);
        this.#checkValues(t, length);
      }
    }
    this.#finish(length, false);
  }

  #readWide(): void {
    const length = this.#number();
    this.#reserve(0, 0, length, this.#header.c - this.#b);
    this.#readIds(length);
    for (let t = 0; t < this.#header.types; t++) {
      const lo = this.#lo[t]!;
      const hi = this.#highOf(t);
      for (let i = 0; i < length; i++) {
        lo[i] = getExact(this.#bytes, this.#c, this.#bytes.length);
        hi[i] = exactHi;
        this.#c = behind;
      }
    }
    this.#finish(length, true);
  }

  /** High parts are rare: room for them is made when a row has some. */
  #highOf(type: number): Float64Array {
    const capacity = this.stack.length;
    if (this.#hi[type]?.length !== capacity) this.#hi[type] = new Float64Array(capacity);
    return this.#hi[type];
  }

  #readIds(length: number): void {
    let id = -1;
    for (let i = 0; i < length; i++) {
      id = this.#idB(id);
      this.stack[i] = id;
    }
  }

  #number(): number {
    const value = getVarint(this.#bytes, this.#h, this.#header.a);
    this.#h = behind;
    return value;
  }

  #idA(previous: number): number {
    const id = previous + 1 + getVarint(this.#bytes, this.#a, this.#header.b);
    this.#a = behind;
    if (id >= this.#stacks) this.#fail(this.#a, `stack ${id} of ${this.#stacks}`);
    return id;
  }

  #idB(previous: number): number {
    const id = previous + 1 + getVarint(this.#bytes, this.#b, this.#header.c);
    this.#b = behind;
    if (id >= this.#stacks) this.#fail(this.#b, `stack ${id} of ${this.#stacks}`);
    return id;
  }

  #value(scale: number): number {
    const value = getVarint(this.#bytes, this.#c, this.#bytes.length) * scale;
    this.#c = behind;
    return value;
  }

  #multiply(type: number, ratio: number, length: number): void {
    const base = this.#lo[0]!;
    const lo = this.#lo[type]!;
    for (let i = 0; i < length; i++) lo[i] = base[i]! * ratio;
    this.#checkValues(type, length);
  }

  /** A product that reached 2^52 may have been rounded: only a wide row may hold such values. */
  #checkValues(type: number, length: number): void {
    const lo = this.#lo[type]!;
    for (let i = 0; i < length; i++)
      if (lo[i]! >= SPILL) this.#fail(this.#c, 'value of 2^52 or more in a row that is not wide');
  }

  #finish(length: number, wide: boolean): void {
    this.length = length;
    for (let t = 0; t < this.#header.types; t++)
      this.values[t] = { lo: this.#lo[t]!, hi: wide ? this.#hi[t]! : undefined };
  }

  /** Each sample takes at least one byte of its id stream: counts are refused before anything is allocated. */
  #reserve(units: number, bytesA: number, others: number, bytesB: number): void {
    if (units > bytesA) this.#fail(this.#a, `${units} samples in ${bytesA} bytes`);
    if (others > bytesB) this.#fail(this.#b, `${others} samples in ${bytesB} bytes`);
    const length = units + others;
    if (length <= this.stack.length && this.#lo.length > 0) return;
    const capacity = Math.max(64, length, this.stack.length * 2);
    this.stack = new Uint32Array(capacity);
    for (let t = 0; t < this.#header.types; t++) {
      this.#lo[t] = new Float64Array(capacity);
    }
  }

  #checkEnd(): void {
    const { a, b, c } = this.#header;
    if (this.#h !== a || this.#a !== b || this.#b !== c || this.#c !== this.#bytes.length)
      this.#fail(this.#h, 'bytes left in a stream behind the last row');
  }

  #fail(at: number, found: string): never {
    throw new CorruptDataError('page', at, found);
  }
}
