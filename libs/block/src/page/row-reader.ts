import { CorruptDataError } from '@kiln/bytes';
import type { DatasetTables } from '../tables.ts';
import { MARK_WORDS, PageRows, type OpenPage } from './page-rows.ts';

/**
 * The rows of a dataset in any order. A first pass, `next` until there are no more, decodes them one behind the other with every check and notes where
 * each begins; `skipAll` only notes that. Then `read` comes back to one. Holds the dataset's pages decompressed and 20 bytes a row, nothing per sample.
 */
export class RowReader {
  readonly #tables: Pick<DatasetTables, 'types' | 'pages'>;
  readonly #stacks: number;
  readonly #open: OpenPage[] = [];
  readonly #pageOf: Uint32Array;
  readonly #marks: Uint32Array;
  #samples: PageRows | undefined;
  #row = 0;
  #end = 0;

  /**
   * @param stacks rows of the stack table.
   * @param samples scratch to decode into, shared with other readers of as many value types; each decodes a row at a time.
   */
  constructor(tables: Pick<DatasetTables, 'types' | 'pages'>, rows: number, stacks: number, samples?: PageRows) {
    this.#tables = tables;
    this.#stacks = stacks;
    this.#samples = samples;
    this.#pageOf = new Uint32Array(rows);
    this.#marks = new Uint32Array(rows * MARK_WORDS);
  }

  /** The row that was decoded last; valid until another one is, by any reader with the same scratch. */
  get samples(): PageRows {
    return this.#samples!;
  }

  /** First pass: decodes the next row; false behind the last one. @throws CorruptDataError. */
  next(): boolean {
    return this.#advance() && this.samples.next();
  }

  /** First pass without decoding. @throws CorruptDataError. */
  skipAll(): void {
    while (this.#advance()) this.samples.skip();
  }

  /** Opens the page of the next row and notes where that begins. */
  #advance(): boolean {
    while (this.#row === this.#end) {
      if (this.#open.length > 0) this.samples.next(); // behind its last row: all streams of a page end where they should
      if (this.#open.length === this.#tables.pages.length) {
        if (this.#end !== this.#pageOf.length) this.#fail();
        return false;
      }
      this.#openPage();
    }
    this.#pageOf[this.#row] = this.#open.length - 1;
    this.samples.mark(this.#marks, this.#row * MARK_WORDS);
    this.#row++;
    return true;
  }

  /** Decodes one row of those that the first pass has seen. */
  read(row: number): PageRows {
    const number = this.#pageOf[row]!;
    const { firstRow } = this.#tables.pages[number]!;
    this.samples.seek(this.#open[number]!, row - firstRow, this.#marks, row * MARK_WORDS);
    this.samples.next();
    return this.samples;
  }

  #openPage(): void {
    const page = this.#tables.pages[this.#open.length]!;
    if (page.firstRow !== this.#end || page.firstRow + page.rows > this.#pageOf.length) this.#fail();
    this.#samples ??= new PageRows(page, this.#tables.types.length, this.#stacks);
    this.#open.push(this.#samples.open(page, this.#stacks));
    this.#end += page.rows;
  }

  #fail(): never {
    throw new CorruptDataError('page', 0, `pages that do not have the ${this.#pageOf.length} rows of their dataset`);
  }
}
