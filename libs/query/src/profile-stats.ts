import type { DatasetTables } from '@kiln/block';
import { ByteReader, ByteWriter } from '@kiln/bytes';
import type { ProfileStatsQuery } from './query.ts';

/** The times of the oldest and the newest row, Unix milliseconds; Infinity and -Infinity when there is none. */
export interface ProfileStats {
  readonly oldestMs: number;
  readonly newestMs: number;
}

const NO_ROWS: ProfileStats = { oldestMs: Infinity, newestMs: -Infinity };

/*
 * partial := version u8 | oldest, zigzag | newest - oldest        No rows are no bytes.
 */
const VERSION = 1;
const FORMAT = 'profile stats partial';

/** The oldest and the newest row of the range. Rows are read only of datasets that reach out of it. */
export function runProfileStats(query: ProfileStatsQuery, datasets: Iterable<DatasetTables>): Uint8Array {
  let stats = NO_ROWS;
  for (const tables of datasets) stats = join(stats, statsOf(query, tables));
  return encode(stats);
}

/** Whether rows have to be read to say which of them lie in the range. */
export function reachesOut(
  { startMs, endMs }: ProfileStatsQuery,
  { minMs, maxMs }: { minMs: number; maxMs: number },
): boolean {
  return minMs < startMs || maxMs > endMs;
}

/** The partial of rows of which only the times of the oldest and the newest are known, both in the range. */
export function partialOfTimes(minMs: number, maxMs: number): Uint8Array {
  return encode({ oldestMs: minMs, newestMs: maxMs });
}

export function mergeProfileStats(partials: readonly Uint8Array[]): Uint8Array {
  return encode(partials.map(finishProfileStats).reduce(join, NO_ROWS));
}

/** @throws CorruptDataError for a damaged partial. */
export function finishProfileStats(partial: Uint8Array): ProfileStats {
  if (partial.length === 0) return NO_ROWS;
  const reader = new ByteReader(partial, FORMAT);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version}, want ${VERSION}`);
  const oldestMs = reader.zigzag();
  const newestMs = oldestMs + reader.varint();
  if (reader.left > 0) reader.fail(`${reader.left} bytes behind the end`);
  return { oldestMs, newestMs };
}

function statsOf(query: ProfileStatsQuery, tables: DatasetTables): ProfileStats {
  if (!reachesOut(query, tables)) return { oldestMs: tables.minMs, newestMs: tables.maxMs };
  const { length, timeMs } = tables.rows;
  let oldestMs = Infinity;
  let newestMs = -Infinity;
  for (let row = 0; row < length; row++) {
    const time = timeMs[row]!;
    if (time < query.startMs || time > query.endMs) continue;
    oldestMs = Math.min(oldestMs, time);
    newestMs = Math.max(newestMs, time);
  }
  return { oldestMs, newestMs };
}

function join(a: ProfileStats, b: ProfileStats): ProfileStats {
  return { oldestMs: Math.min(a.oldestMs, b.oldestMs), newestMs: Math.max(a.newestMs, b.newestMs) };
}

function encode(stats: ProfileStats): Uint8Array {
  if (stats.oldestMs > stats.newestMs) return new Uint8Array(0);
  const writer = new ByteWriter(32);
  writer.u8(VERSION);
  writer.zigzag(stats.oldestMs);
  writer.varint(stats.newestMs - stats.oldestMs);
  return writer.toBytes();
}
