import { mapLimit } from '@kiln/async';
import { readIds, type Codecs, type KeptIds } from '@kiln/block';
import { CorruptDataError } from '@kiln/bytes';
import { readChain, readTrim, registeredLog, type Catalog, type Chain, type Manifest } from '@kiln/catalog';
import type { LogId } from '@kiln/model';
import { IDS_KEPT_MS } from './ids.ts';

const PARALLEL = 8;
/** A read that is damaged may be right the next time. */
const READS = 3;

/** Ids that a manifest kept and nobody can read any more: copies of its profiles cannot be told until their windows have passed. */
export interface LostIds {
  readonly object: string;
  /** From this append time on every window of theirs has passed. */
  readonly untilMs: number;
  /** What was found, for people. */
  readonly why: string;
}

/** What manifests kept, in log order, and what of it is lost. */
export interface LoadedIds {
  readonly kept: readonly KeptIds[];
  readonly lost: readonly LostIds[];
}

/** The ids that manifests kept; those with nothing younger than two hours before `appendMs` are passed over. */
export async function loadIds(
  catalog: Catalog,
  codecs: Codecs,
  manifests: readonly Manifest[],
  appendMs: number,
): Promise<LoadedIds> {
  const wanted = manifests.filter(({ aMax, idsLen }) => idsLen > 0 && appendMs - aMax < IDS_KEPT_MS);
  const found = await mapLimit(wanted, PARALLEL, (manifest) => loadOne(catalog, codecs, manifest));
  return {
    kept: found.flatMap(({ kept }) => kept ?? []),
    lost: found.flatMap(({ lost }) => lost ?? []),
  };
}

/** What a log starts with: the ids of its partition's closed logs that are still listed, and the append time they end at. */
export async function loadClosedIds(
  catalog: Catalog,
  codecs: Codecs,
  log: LogId,
  partition: number,
): Promise<LoadedIds & { readonly appendMs: number }> {
  const { logs } = await readTrim(catalog);
  const chains: Chain[] = [];
  for (const other of logs) {
    if (other.partition !== partition || other.log === log || other.closed === undefined) continue;
    const chain = await readChain(catalog, other.log);
    if (chain?.tip !== undefined) chains.push(chain);
  }
  chains.sort((a, b) => a.tip!.aMax - b.tip!.aMax);
  const appendMs = chains.at(-1)?.tip?.aMax ?? 0;
  const kept: KeptIds[] = [];
  const lost: LostIds[] = [];
  for (const chain of chains) {
    const loaded = await loadIds(catalog, codecs, chain.manifests, appendMs);
    kept.push(...loaded.kept);
    lost.push(...loaded.lost);
  }
  return { kept, lost, appendMs };
}

/** The ids of one manifest, or how they are lost, or neither when `log/trim` says by now that it was trimmed with its object. */
async function loadOne(
  catalog: Catalog,
  codecs: Codecs,
  { log, object = '(none)', idsOff, idsLen, end, aMax }: Manifest,
): Promise<{ readonly kept?: KeptIds; readonly lost?: LostIds }> {
  const lost = (why: string): { lost: LostIds } => ({ lost: { object, untilMs: aMax + IDS_KEPT_MS, why } });
  for (let reads = 1; ; reads++) {
    const bytes = await catalog.objects.getRange(object, idsOff, idsLen);
    if (bytes === undefined) {
      const entry = registeredLog(await readTrim(catalog), log);
      return entry === undefined || entry.T >= end ? {} : lost('the object is gone');
    }
    try {
      return { kept: readIds(bytes, codecs) };
    } catch (error) {
      if (!(error instanceof CorruptDataError)) throw error;
      if (reads === READS) return lost(error.message);
    }
  }
}
