import { pack, unpack } from '../codec.ts';
import type { Codecs, Page } from '../tables.ts';
import { countSamples } from './count-samples.ts';

/** Raw bytes at which a page is sealed (design: engine.md §3.2). */
export const PAGE_BYTES: number = 256 * 1024;

/** A page that takes no more rows, kept as an object stores it, so that writing it compresses nothing twice. */
export class SealedPage implements Page {
  readonly firstRow: number;
  readonly rows: number;
  readonly samples: number;
  readonly codec: number;
  readonly stored: Uint8Array;
  readonly rawLength: number;
  readonly #codecs: Codecs;

  /** @param page its bytes are not kept when they can be compressed. */
  constructor(page: Page, codecs: Codecs) {
    const raw = page.bytes;
    const { codec, stored } = pack(codecs, raw);
    this.firstRow = page.firstRow;
    this.rows = page.rows;
    this.samples = countSamples(raw);
    this.codec = codec;
    this.stored = stored.slice(); // a copy of its own size, not a view of a pool or of a builder's buffer
    this.rawLength = raw.length;
    this.#codecs = codecs;
  }

  /** Decompressed each time they are asked for. */
  get bytes(): Uint8Array {
    return unpack(this.#codecs, this.codec, this.stored, this.rawLength, 'page');
  }
}

/** The page as it is stored, made now unless it was sealed before. */
export function sealPage(page: Page, codecs: Codecs): SealedPage {
  return page instanceof SealedPage ? page : new SealedPage(page, codecs);
}
