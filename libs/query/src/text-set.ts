import { ByteReader, ByteWriter } from '@kiln/bytes';
import { refuseSeries, type QueryLimits } from './limits.ts';
import { sortUtf8 } from './utf8-order.ts';

/*
 * partial of a set of texts := version u8 | n | n * (length | UTF-8)        An empty set is no bytes.
 */
const VERSION = 1;

export function encodeTexts(texts: ReadonlySet<string>, { maxResultSeries }: QueryLimits): Uint8Array {
  if (maxResultSeries !== undefined && texts.size > maxResultSeries) refuseSeries(maxResultSeries);
  if (texts.size === 0) return new Uint8Array(0);
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.varint(texts.size);
  for (const text of sortUtf8(texts)) writer.text(text);
  return writer.toBytes();
}

/** Adds the texts of a partial to a set. @throws CorruptDataError */
export function decodeTexts(partial: Uint8Array, format: string, into: Set<string>): void {
  if (partial.length === 0) return;
  const reader = new ByteReader(partial, format);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version}, want ${VERSION}`);
  const count = reader.count();
  for (let i = 0; i < count; i++) into.add(reader.text());
  if (reader.left > 0) reader.fail(`${reader.left} bytes behind the end`);
}

export function mergeTexts(partials: readonly Uint8Array[], format: string, limits: QueryLimits): Uint8Array {
  const texts = new Set<string>();
  for (const partial of partials) decodeTexts(partial, format, texts);
  return encodeTexts(texts, limits);
}

/** Sorted by UTF-8 bytes. */
export function finishTexts(partial: Uint8Array, format: string): string[] {
  const texts = new Set<string>();
  decodeTexts(partial, format, texts);
  return sortUtf8(texts);
}
