import { parseLogId, type LogId } from '@kiln/model';
import type { CatalogReader } from './catalog.ts';
import type { Revised, RewrittenObject } from './compare-and-set.ts';
import { gapFields, readGap, type Gap } from './gap.ts';
import { decodeJsonObject, encodeJsonObject } from './json-object.ts';
import { trimKey } from './keys.ts';

/** A log as the register knows it. */
export interface RegisteredLog {
  readonly log: LogId;
  readonly partition: number;
  /** The first manifest that is kept. */
  readonly seq: number;
  /** Up to and including this offset the log is in every tenant's index, or past every retention; -1 at first. Always the end of a manifest. */
  readonly T: number;
  /** The offset at which it was closed; absent while it is open. */
  readonly closed?: number | undefined;
}

/** A gap that T has passed. */
export interface TrimmedGap extends Gap {
  readonly log: LogId;
  readonly partition: number;
}

/** The content of `log/trim`. */
export interface LogTrim extends LogTrimBody, Revised {}

interface LogTrimBody {
  /** Sorted by partition, then name. */
  readonly logs: readonly RegisteredLog[];
  readonly gaps: readonly TrimmedGap[];
}

/** From 2 on, what T has passed is in the indexes of tenants: a reader that knows of none would answer short, and is to refuse. */
const VERSION = 2;

/** `log/trim` as it is read and rewritten. */
export const logTrim: RewrittenObject<LogTrimBody> = { key: trimKey, decode, encode };

/** What `log/trim` says now; rev 0 and no logs when it was never written. */
export async function readTrim(catalog: CatalogReader): Promise<LogTrim> {
  const stored = await catalog.objects.get(trimKey);
  return stored === undefined ? { rev: 0, logs: [], gaps: [] } : decode(catalog, stored.bytes);
}

/** The entry of a log, undefined when it is not (or no longer) registered. */
export function registeredLog(trim: LogTrim, log: LogId): RegisteredLog | undefined {
  return trim.logs.find((entry) => entry.log === log);
}

/** `logs` with the entry of this log put in, in order. */
export function withLog(logs: readonly RegisteredLog[], entry: RegisteredLog): RegisteredLog[] {
  return [...logs.filter(({ log }) => log !== entry.log), entry].toSorted(
    (a, b) => a.partition - b.partition || (a.log < b.log ? -1 : 1),
  );
}

function encode(catalog: CatalogReader, { rev, logs, gaps }: LogTrim): Uint8Array {
  return encodeJsonObject(catalog.crc32, {
    version: VERSION,
    rev,
    logs: logs.map(({ log, partition, seq, T, closed }) => ({
      log,
      partition,
      seq,
      T,
      ...(closed === undefined ? {} : { closed }),
    })),
    gaps: gaps.map((gap) => ({ log: gap.log, partition: gap.partition, ...gapFields(gap) })),
  });
}

function decode(catalog: CatalogReader, bytes: Uint8Array): LogTrim {
  const fields = decodeJsonObject(catalog.crc32, trimKey, bytes, VERSION);
  const logs = fields.list('logs', (log): RegisteredLog => ({
    log: log.parsed('log', parseLogId),
    partition: log.whole('partition', 0),
    seq: log.whole('seq', 0),
    T: log.whole('T', -1),
    closed: log.has('closed') ? log.whole('closed', -1) : undefined,
  }));
  if (new Set(logs.map(({ log }) => log)).size < logs.length) fields.fail('logs', 'name a log twice');
  const gaps = fields.list('gaps', (gap): TrimmedGap => ({
    log: gap.parsed('log', parseLogId),
    partition: gap.whole('partition', 0),
    ...readGap(gap),
  }));
  return { rev: fields.whole('rev', 1), logs, gaps };
}
