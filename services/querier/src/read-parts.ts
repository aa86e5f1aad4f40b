import { mapLimit, type Clock } from '@kiln/async';
import {
  missingContents,
  missingPages,
  missingSections,
  openPart,
  PartBytes,
  type PartDataset,
  type Codecs,
  type Place,
  type StoredTables,
} from '@kiln/block';
import { CorruptDataError } from '@kiln/bytes';
import type { CommittedPart } from '@kiln/catalog';
import { plainName, type TenantId } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import {
  partialOfTimes,
  reachesOut,
  readsOf,
  type AnswerStats,
  type ObjectGap,
  type Query,
  type QueryMerge,
} from '@kiln/query';

/** What reading parts stands on. */
export interface PartPorts {
  readonly objects: Pick<ObjectStore, 'getRange'>;
  readonly codecs: Codecs;
  readonly clock: Clock;
}

/** What was read so far. */
export type ReadStats = { -readonly [K in Exclude<keyof AnswerStats, 'plans' | 'totalMs'>]: AnswerStats[K] };

export const newStats = (): ReadStats => ({
  objects: 0,
  requests: 0,
  bytes: 0,
  rows: 0,
  pages: 0,
  buckets: 0,
  resolutionMs: 0,
});

export interface ReadOptions {
  /** Where what is read is added. */
  readonly merge: QueryMerge;
  /** Parts at a time. */
  readonly concurrency: number;
  /** Counted on. */
  readonly stats: ReadStats;
  /** That nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Read on when an object is gone. */
  readonly all: boolean;
}

/** What could not be read. */
export interface PartsAnswer {
  /** Objects that were gone. */
  readonly gone: readonly CommittedPart[];
  /** Datasets, and parts whose list of datasets cannot be read, that are damaged, read twice. */
  readonly damaged: readonly ObjectGap[];
}

/** Parts up to this length are fetched whole: a second request costs more than the bytes. */
const WHOLE_BYTES = 256 * 1024;
/** Ranges of one part that are read at the same time: other parts are read meanwhile. */
const RANGES = 4;
/** Datasets that are decoded at a time: small ones take some kilobytes each, and a part may have ten thousand. */
const DECODED = 256;

/**
 * Adds each part to the merge, `concurrency` parts at a time; other work gets a turn after each read. Stops early when one is gone, unless `all`.
 * A part that is damaged is read again, from where it was found so on dataset by dataset: those that are whole are added.
 * @throws the signal's reason between two reads; KilnError by the query or the store.
 */
export async function readParts(
  { objects, codecs, clock }: PartPorts,
  tenant: TenantId,
  query: Query,
  refs: readonly CommittedPart[],
  { merge, concurrency, stats, signal, all }: ReadOptions,
): Promise<PartsAnswer> {
  const gone: CommittedPart[] = [];
  const damaged: ObjectGap[] = [];
  await mapLimit(refs, concurrency, async (ref) => {
    if (gone.length > 0 && !all) return;
    if (query.kind === 'profileStats' && !reachesOut(query, ref)) {
      merge.addPartial(partialOfTimes(ref.minMs, ref.maxMs)); // the catalog alone answers
      return;
    }
    let added = 0; // datasets; both readings list the same ones, or their table of contents is damaged
    let lost = 0; // rows
    for (const isAgain of [false, true]) {
      const fetch = async (place: Place): Promise<Uint8Array> => {
        signal.throwIfAborted();
        const bytes = await objects.getRange(ref.object, ref.off + place.off, place.len);
        await clock.sleep(0);
        signal.throwIfAborted(); // the turn may have brought it
        if (bytes === undefined) throw new ObjectGone();
        stats.requests++;
        stats.bytes += bytes.length;
        return whole(ref, place, bytes);
      };
      try {
        const { wanted, read } = await openStored(fetch, ref.len, tenant, query, codecs);
        const atOnce = isAgain ? 1 : DECODED;
        while (added < wanted.length) {
          const some = wanted.slice(added, added + atOnce);
          try {
            merge.addDatasets(await read(some), ref);
          } catch (error) {
            if (!isAgain || !(error instanceof CorruptDataError)) throw error;
            const { service, name, counts } = some[0]!;
            lost += counts.rows;
            const reason = `${plainName(name)} of ${service} cannot be read: ${error.message}`;
            damaged.push({ object: ref.object, reason });
          }
          added += some.length;
        }
        stats.objects++;
        stats.rows += ref.rows - lost;
        return;
      } catch (error) {
        if (error instanceof ObjectGone) {
          gone.push(ref);
          return;
        }
        if (!(error instanceof CorruptDataError)) throw error;
        if (!isAgain) continue;
        const rest = added === 0 ? '' : ` after the first ${added} datasets`;
        damaged.push({ object: ref.object, reason: `its part of the tenant cannot be read${rest}: ${error.message}` });
      }
    }
  });
  return { gone, damaged };
}

/** Ends the reading of a part: the object is not in the store any more. */
class ObjectGone extends Error {}

/** The datasets that a query wants of a part, their sections fetched, and what fetches the rest of what it reads of some of them. */
interface Stored {
  readonly wanted: readonly PartDataset[];
  readonly read: (datasets: readonly PartDataset[]) => Promise<StoredTables[]>;
}

async function openStored(
  fetch: (place: Place) => Promise<Uint8Array>,
  length: number,
  tenant: TenantId,
  query: Query,
  codecs: Codecs,
): Promise<Stored> {
  const bytes = new PartBytes(length);
  const isLarge = length > WHOLE_BYTES;
  const add = async (places: readonly Place[]): Promise<void> => {
    await mapLimit(places, RANGES, async (place) => bytes.add(place.off, await fetch(place)));
  };
  if (!isLarge) await add([{ off: 0, len: length }]);
  for (let place = missingContents(bytes); place !== undefined; place = missingContents(bytes)) await add([place]);
  const reads = readsOf(query);
  const wanted = openPart(bytes, tenant, codecs).datasets.filter((dataset) => reads.wants(dataset));
  await add(missingSections(bytes, wanted, ...reads.sections));
  const read = async (asked: readonly PartDataset[]): Promise<StoredTables[]> => {
    const opened = asked.map((dataset) => ({ dataset, tables: dataset.tables() }));
    if (isLarge) {
      const finer = opened.filter(({ tables }) => reads.needsFineRollups(tables)).map(({ dataset }) => dataset);
      await add(missingSections(bytes, finer, 'fine'));
      const byRow = opened.filter(({ tables }) => reads.needsRows(tables));
      const datasets = byRow.map(({ dataset }) => dataset);
      await add(missingSections(bytes, datasets, 'rows'));
      const pages = byRow.flatMap(({ tables }) => reads.pages(tables));
      await add(missingPages(bytes, pages));
    }
    return opened.map(({ tables }) => tables);
  };
  return { wanted, read };
}

function whole({ object }: CommittedPart, { off, len }: Place, bytes: Uint8Array): Uint8Array {
  if (bytes.length === len) return bytes;
  throw new CorruptDataError(
    object,
    off + bytes.length,
    `the object ends in its part, ${len} bytes at ${off} are asked for`,
  );
}
