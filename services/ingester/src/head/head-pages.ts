import { PageBuilder, type Codecs, type Page } from '@kiln/block';
import type { ExactColumn } from '@kiln/model';

/** Raw bytes at which a page is sealed (design: engine.md §7). */
export const PAGE_BYTES: number = 256 * 1024;

/** The pages of one dataset of the head: full ones kept compressed, the last one open. */
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
    const raw = this.#builder.toBytes();
    const page = new SealedPage(this.#firstRow, this.#builder.rows, raw, this.#codecs);
    this.#sealed.push(page);
    this.#sealedBytes += page.byteLength;
    this.#firstRow += this.#builder.rows;
    this.#builder.clear();
    this.#open = undefined;
  }
}

/** A page that takes no more rows, kept as zstd-1: 352 bytes a CPU profile instead of 503 (design: engine.md §2). */
class SealedPage implements Page {
  readonly firstRow: number;
  readonly rows: number;
  readonly #stored: Uint8Array;
  readonly #rawLength: number;
  readonly #codecs: Codecs;

  constructor(firstRow: number, rows: number, raw: Uint8Array, codecs: Codecs) {
    this.firstRow = firstRow;
    this.rows = rows;
    this.#stored = codecs.zstdCompress(raw).slice(); // a copy of its own size, not a view of a pool
    this.#rawLength = raw.length;
    this.#codecs = codecs;
  }

  get byteLength(): number {
    return this.#stored.byteLength + 96;
  }

  get bytes(): Uint8Array {
    return this.#codecs.zstdDecompress(this.#stored, this.#rawLength);
  }
}
