import type { ByteReader, ByteWriter } from '@kiln/bytes';
import { KilnError, SPILL } from '@kiln/model';

/**
 * An exact value of a partial: varint lo * 2 + (1 when hi follows), then varint hi. Sums of partials may pass int64, so this
 * carries up to 2^92; only the finished answer is held to int64.
 */
export function writeExact(writer: ByteWriter, lo: number, hi: number): void {
  if (hi === 0) {
    writer.varint(lo * 2);
    return;
  }
  if (hi > MAX_HI)
    throw new KilnError(
      'out_of_range',
      'a merged value is above 2^92, which no partial result can carry; ask for a shorter time range',
    );
  writer.varint(lo * 2 + 1);
  writer.varint(hi);
}

/** Reads what `writeExact` wrote into the two columns. */
export function readExact(reader: ByteReader, lo: Float64Array, hi: Float64Array, row: number): void {
  const word = reader.varint();
  const low = Math.floor(word / 2);
  if (low >= SPILL) reader.fail(`value part ${low} above 2^52`);
  lo[row] = low;
  if (word % 2 === 0) return;
  const high = reader.varint();
  if (high === 0 || high > MAX_HI) reader.fail(`high value part ${high}, want 1 to 2^40`);
  hi[row] = high;
}

const MAX_HI = 2 ** 40;
