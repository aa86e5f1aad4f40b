import type { RowColumns } from '@kiln/block';
import { IdSet, wordsOf } from './id-set.ts';
import type { SampleSelection } from './query.ts';

/** Spans or traces. */
export interface SpanConditions {
  readonly of: 'spans' | 'traces';
  readonly ids: IdSet;
}

/** Compiled conditions on samples. */
export interface SampleConditions {
  /** Ids of profiles as `idWord` reads them; undefined = all. */
  readonly profiles: IdSet | undefined;
  /** undefined = all, whether or not they have ids. */
  readonly byId: SpanConditions | undefined;
  /** Names in UTF-8, root first; empty = all. */
  readonly callSite: readonly Uint8Array[];
}

export function compileSamples({
  profileIds = [],
  spanIds = [],
  traceIds = [],
  callSite = [],
}: SampleSelection): SampleConditions {
  return {
    profiles: profileIds.length === 0 ? undefined : new IdSet(profileWords(profileIds), 2),
    byId:
      spanIds.length > 0
        ? { of: 'spans', ids: new IdSet(numberWords(spanIds), 2) }
        : traceIds.length > 0
          ? { of: 'traces', ids: new IdSet(numberWords(traceIds), 4) }
          : undefined,
    callSite: callSite.map((name) => encoder.encode(name)),
  };
}

/** Four bytes of a row's profile id, from `at` on, as a number, highest byte first. */
export function idWord(id: Uint8Array, at: number): number {
  return ((id[at]! << 24) | (id[at + 1]! << 16) | (id[at + 2]! << 8) | id[at + 3]!) >>> 0;
}

/** Leaves the rows of some profiles of those that are wanted: undefined = all, 'none' when there are none. Hot: once per row. */
export function keepProfiles(
  { length, id }: RowColumns,
  wanted: Uint8Array | undefined,
  profiles: IdSet,
): Uint8Array | 'none' {
  const kept = new Uint8Array(length);
  let count = 0;
  for (let row = 0; row < length; row++) {
    if (wanted !== undefined && wanted[row] === 0) continue;
    if (!profiles.has(idWord(id, row * 8), idWord(id, row * 8 + 4))) continue;
    kept[row] = 1;
    count++;
  }
  return count === 0 ? 'none' : kept;
}

function profileWords(ids: readonly string[]): Uint32Array {
  const bytes = Uint8Array.from(
    ids.flatMap((id) => [0, 2, 4, 6, 8, 10, 12, 14].map((at) => Number.parseInt(id.slice(at, at + 2), 16))),
  );
  return Uint32Array.from({ length: bytes.length / 4 }, (_, word) => idWord(bytes, word * 4));
}

/** Each 16 digits are a 64-bit integer; of 32 digits the first half comes first. */
function numberWords(ids: readonly string[]): Uint32Array {
  const halves = ids.flatMap((id) => (id.length === 16 ? [id] : [id.slice(0, 16), id.slice(16)]));
  return wordsOf(BigUint64Array.from(halves, (half) => BigInt(`0x${half}`)));
}

const encoder = new TextEncoder();
