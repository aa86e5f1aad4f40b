import { exactToBigInt, INT64_HI, KilnError } from '@kiln/model';
import type { QueryRange } from './query.ts';

/** @throws KilnError `out_of_range` when the sum of a query is above int64: it is never clamped or wrapped. */
export function refuseAboveInt64(lo: number, hi: number, { startMs, endMs }: QueryRange): void {
  if (hi < INT64_HI) return;
  throw new KilnError(
    'out_of_range',
    `the sum of the selected values is ${exactToBigInt(lo, hi)}, allowed is int64, up to 9223372036854775807; the query covers ${isoTime(startMs)} to ${isoTime(endMs)}: ask for a shorter time range`,
  );
}

function isoTime(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${ms} ms`;
}
