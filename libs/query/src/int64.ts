import { exactToBigInt, formatSelector, INT64_HI, KilnError, type Label } from '@kiln/model';
import type { QueryRange } from './query.ts';

/**
 * @param group labels of the one sum among several that it is; the sentence names it, so that who asks can leave it out.
 * @throws KilnError `out_of_range` when the sum of a query is above int64: it is never clamped or wrapped.
 */
export function refuseAboveInt64(
  lo: number,
  hi: number,
  { startMs, endMs }: QueryRange,
  group: readonly Label[] = [],
): void {
  if (hi < INT64_HI) return;
  const name = formatSelector(group.map(({ name: label, value }) => ({ name: label, op: '=', value })));
  const of = group.length === 0 ? '' : ` of ${name.slice(0, GROUP_LENGTH)}`;
  throw new KilnError(
    'out_of_range',
    `the sum of the selected values${of} is ${exactToBigInt(lo, hi)}, allowed is int64, up to 9223372036854775807; the query covers ${isoTime(startMs)} to ${isoTime(endMs)}: ask for a shorter time range`,
  );
}

/** A sentence may become a header. */
const GROUP_LENGTH = 1000;

function isoTime(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${ms} ms`;
}
