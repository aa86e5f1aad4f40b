import { ByteReader, ByteWriter } from '@kiln/bytes';
import { atMost, refuseSeries, type QueryLimits } from './limits.ts';
import { sortUtf8 } from './utf8-order.ts';

/*
 * partial of a set of texts := version u8 | n | n * (length | UTF-8)        An empty set is no bytes.
 */
const VERSION = 1;

/** Distinct texts of a discovery answer, no more than the limit. */
export class TextSet {
  readonly #texts = new Set<string>();
  readonly #what: string;
  readonly #max: number;

  /** @param what the texts are, in words, for a refusal and for errors of damaged partials. */
  constructor(what: string, { maxResultSeries }: QueryLimits = {}) {
    this.#what = what;
    this.#max = atMost(maxResultSeries);
  }

  has(text: string): boolean {
    return this.#texts.has(text);
  }

  /** @throws KilnError `resource_exhausted` when there are more than the limit. */
  add(text: string): void {
    this.#texts.add(text);
    if (this.#texts.size > this.#max) refuseSeries(this.#max, this.#what);
  }

  encode(): Uint8Array {
    if (this.#texts.size === 0) return new Uint8Array(0);
    const writer = new ByteWriter();
    writer.u8(VERSION);
    writer.varint(this.#texts.size);
    for (const text of this.sorted()) writer.text(text);
    return writer.toBytes();
  }

  /** Adds the texts of a partial. @throws CorruptDataError */
  decode(partial: Uint8Array): void {
    if (partial.length === 0) return;
    const reader = new ByteReader(partial, `${this.#what} partial`);
    const version = reader.u8();
    if (version !== VERSION) reader.fail(`version ${version}, want ${VERSION}`);
    const count = reader.count();
    for (let i = 0; i < count; i++) this.add(reader.text());
    if (reader.left > 0) reader.fail(`${reader.left} bytes behind the end`);
  }

  /** By UTF-8 bytes. */
  sorted(): string[] {
    return sortUtf8(this.#texts);
  }
}

/** Partials of the same kind of text as one. */
export function mergeTexts(what: string, partials: readonly Uint8Array[], limits: QueryLimits): Uint8Array {
  const texts = new TextSet(what, limits);
  for (const partial of partials) texts.decode(partial);
  return texts.encode();
}

/** The texts of a partial, sorted by UTF-8 bytes. */
export function finishTexts(what: string, partial: Uint8Array): string[] {
  const texts = new TextSet(what);
  texts.decode(partial);
  return texts.sorted();
}
