import type { ByteReader, ByteWriter } from '@kiln/bytes';
import { KilnError, SPILL } from '@kiln/model';

/*
 * exact := varint low * 4 + flags | middle varint when flags bit 0 | high varint when flags bit 1
 *          the value is high * 2^52 + middle * 2^29 + low; three parts, so that each fits the fast path of a varint
 *
 * Sums of partials may pass int64, so this carries up to 2^92; only the finished answer is held to int64.
 */

/** Hot: once per node and per point. */
export function writeExact(writer: ByteWriter, lo: number, hi: number): void {
  if (lo < LOW && hi === 0) {
    writer.varint(lo * 4);
    return;
  }
  if (hi > MAX_HI) refuseHigh();
  const middle = Math.floor(lo / LOW);
  writer.varint((lo - middle * LOW) * 4 + (middle > 0 ? 1 : 0) + (hi > 0 ? 2 : 0));
  if (middle > 0) writer.varint(middle);
  if (hi > 0) writer.varint(hi);
}

/** Hot. Reads what `writeExact` wrote into the two columns. */
export function readExact(reader: ByteReader, lo: Float64Array, hi: Float64Array, row: number): void {
  const word = reader.varint();
  if (word > 0x7fffffff) reader.fail(`low value part ${word}, want below 2^31`);
  const low = word >>> 2;
  if ((word & 3) === 0) {
    lo[row] = low;
    return;
  }
  const value = low + ((word & 1) === 0 ? 0 : reader.varint() * LOW);
  const high = (word & 2) === 0 ? 0 : reader.varint();
  if (value >= SPILL || high > MAX_HI) reader.fail('value parts above 2^52 and 2^40');
  lo[row] = value;
  hi[row] = high;
}

/** Reads a low part that was written as a double. */
export function readLow(reader: ByteReader): number {
  const lo = reader.f64();
  if (!(lo >= 0 && lo < SPILL && Math.floor(lo) === lo))
    reader.fail(`low value part ${lo}, want a whole number below 2^52`);
  return lo;
}

/** A high part alone. */
export function writeHigh(writer: ByteWriter, hi: number): void {
  if (hi > MAX_HI) refuseHigh();
  writer.varint(hi);
}

/** Reads what `writeHigh` wrote. */
export function readHigh(reader: ByteReader): number {
  const hi = reader.varint();
  if (hi > MAX_HI) reader.fail('high value part above 2^40');
  return hi;
}

function refuseHigh(): never {
  throw new KilnError(
    'out_of_range',
    'a merged value is above 2^92, which no partial result can carry; ask for a shorter time range',
  );
}

const LOW = 2 ** 29;
const MAX_HI = 2 ** 40;
