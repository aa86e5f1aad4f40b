import { PAGE_BYTES, PageBuilder, SealedPage, type Codecs, type Page } from '@kiln/block';
import type { ExactColumn } from '@kiln/model';

/** What a sealed page takes as an object, beside its bytes. */
const SEALED_OBJECT_BYTES = 96;

/** The pages of one dataset of the head: full ones kept as a segment stores them (352 bytes a CPU profile instead of 503, design: engine.md §2), the last one open. */
export class HeadPages {
  readonly #codecs: Codecs;
  readonly #builder: PageBuilder;
  readonly #sealed: SealedPage[] = [];
  #sealedBytes = 0;
  #firstRow = 0;
  #open: Page | undefined;

  /** @param types how many value types the dataset has. */
  constructor(types: number, codecs: Codecs) {
    this.#codecs = codecs;
    this.#builder = new PageBuilder(types);
  }

  get byteLength(): number {
    return this.#builder.heldBytes + this.#sealedBytes;
  }

  /** What the pages will take in a segment, about: an open page shrinks to 0.7 under zstd-1 (design: engine.md §2). */
  get segmentBytes(): number {
    return this.#sealedBytes + this.#builder.byteLength * 0.7;
  }

  /** Adds the samples of the next row: stack rows strictly increasing. */
  add(stack: Uint32Array, values: readonly ExactColumn[], length: number): void {
    this.#builder.add(stack, values, length);
    this.#open = undefined;
    if (this.#builder.byteLength >= PAGE_BYTES) this.#seal();
  }

  /** All pages as they are now; sealed ones are decompressed each time their bytes are asked for. */
  snapshot(): readonly Page[] {
    if (this.#builder.rows === 0) return this.#sealed.slice();
    this.#open ??= { firstRow: this.#firstRow, rows: this.#builder.rows, bytes: this.#builder.toBytes() };
    return [...this.#sealed, this.#open];
  }

  #seal(): void {
    const bytes = this.#builder.toBytes();
    const page = new SealedPage({ firstRow: this.#firstRow, rows: this.#builder.rows, bytes }, this.#codecs);
    this.#sealed.push(page);
    this.#sealedBytes += page.stored.length + SEALED_OBJECT_BYTES;
    this.#firstRow += this.#builder.rows;
    this.#builder.clear();
    this.#open = undefined;
  }
}
