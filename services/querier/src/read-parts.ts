import { mapLimit, type Clock } from '@kiln/async';
import { openPart, type Codecs } from '@kiln/block';
import { CorruptDataError } from '@kiln/bytes';
import type { CommittedPart } from '@kiln/catalog';
import type { TenantId } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import { mergePartials, runQuery, type AnswerGap, type Query, type QueryLimits } from '@kiln/query';

/** What reading parts stands on. */
export interface PartPorts {
  readonly objects: ObjectStore;
  readonly codecs: Codecs;
  readonly clock: Clock;
}

/** What was read, for people and for `Server-Timing`. */
export interface ReadStats {
  objects: number;
  bytes: number;
  rows: number;
}

export interface ReadOptions {
  readonly limits: QueryLimits;
  /** Reads at a time. */
  readonly concurrency: number;
  /** Counted on. */
  readonly stats: ReadStats;
  /** That nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Read on when an object is gone. */
  readonly all: boolean;
}

/** The partials of the parts, merged as they come, and what could not be read. */
export interface PartsAnswer {
  readonly partials: readonly Uint8Array[];
  /** Objects that were gone. */
  readonly gone: readonly CommittedPart[];
  /** Parts that are damaged, read twice. */
  readonly damaged: readonly AnswerGap[];
}

/** Partials that wait for a merge; more of them are memory, fewer are work. */
const FOLD = 16;

/**
 * Runs the query on each part, `concurrency` reads at a time; other work gets a turn between two parts. Stops early when one is gone, unless `all`.
 * @throws the signal's reason between two parts; KilnError by the query or the store.
 */
export async function readParts(
  { objects, codecs, clock }: PartPorts,
  tenant: TenantId,
  query: Query,
  refs: readonly CommittedPart[],
  { limits, concurrency, stats, signal, all }: ReadOptions,
): Promise<PartsAnswer> {
  let partials: Uint8Array[] = [];
  const gone: CommittedPart[] = [];
  const damaged: AnswerGap[] = [];
  await mapLimit(refs, concurrency, async (ref) => {
    if (gone.length > 0 && !all) return;
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted();
      const bytes = await objects.getRange(ref.object, ref.off, ref.len);
      await clock.sleep(0);
      signal.throwIfAborted(); // the turn may have brought it
      if (bytes === undefined) {
        gone.push(ref);
        return;
      }
      try {
        const { datasets } = openPart(whole(ref, bytes), tenant, codecs);
        const tables = datasets.map((dataset) => dataset.tables());
        const partial = runQuery(query, tables, limits);
        stats.objects++;
        stats.bytes += bytes.length;
        stats.rows += ref.rows;
        if (partial.length > 0) partials.push(partial);
        if (partials.length >= FOLD) partials = [mergePartials(query, partials, limits)];
        return;
      } catch (error) {
        if (!(error instanceof CorruptDataError)) throw error;
        if (tries < 2) continue;
        damaged.push({ ...offsetsOf(ref), reason: `${ref.object}: ${error.message}` });
        return;
      }
    }
  });
  return { partials, gone, damaged };
}

function whole({ object, off, len }: CommittedPart, bytes: Uint8Array): Uint8Array {
  if (bytes.length === len) return bytes;
  throw new CorruptDataError(object, off + bytes.length, `the object ends, a part of ${len} bytes begins at ${off}`);
}

/** The offsets that an object's name says it holds. */
export function offsetsOf({ object }: CommittedPart): Omit<AnswerGap, 'reason'> {
  const found = /^log\/([^/]+)\/s\/(-?\d+)-(\d+)-/.exec(object);
  return { log: found?.[1] ?? object, after: Number(found?.[2] ?? -1), upTo: Number(found?.[3] ?? -1) };
}
