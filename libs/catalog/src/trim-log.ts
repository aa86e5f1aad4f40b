import type { LogId } from '@kiln/model';
import { BRIEFLY, persist, type Patience } from './attempts.ts';
import type { Catalog, KillPoint } from './catalog.ts';
import { readChain, type Chain } from './chain.ts';
import { compareAndSet } from './compare-and-set.ts';
import { manifestKey, manifestPrefix, segmentPrefix, segmentStart } from './keys.ts';
import { logTrim, registeredLog, withLog } from './log-trim.ts';
import type { Manifest } from './manifest.ts';

/**
 * TRIM of distributed.md §1.10, steps 1 and 2: T goes up over the longest run of manifests above it that may go, before anything is deleted. A
 * closed log that T has reached leaves the register.
 * @param mayGo whether every tenant of a manifest has its rows in blocks, or past its retention, and its ids are no longer needed.
 * @returns the chain as it was read, with how far T is now; undefined when the log is gone.
 */
export async function raiseTrim(
  catalog: Catalog,
  log: LogId,
  mayGo: (manifest: Manifest, chain: Chain) => boolean,
  patience: Patience = BRIEFLY,
): Promise<{ readonly chain: Chain; readonly T: number } | undefined> {
  const chain = await persist(catalog, patience, () => readChain(catalog, log));
  if (chain === undefined) return undefined;
  const above = chain.manifests.filter(({ end }) => end > chain.T);
  const stop = above.findIndex((manifest) => !mayGo(manifest, chain));
  const passed = stop < 0 ? above : above.slice(0, stop);
  const last = passed.at(-1);
  const T = last?.end ?? chain.T;
  const trim = await compareAndSet(catalog, logTrim, patience, (current) => {
    const entry = current === undefined ? undefined : registeredLog(current, log);
    if (current === undefined || entry === undefined) return undefined;
    const ends = entry.closed !== undefined && Math.max(T, entry.T) >= entry.closed;
    const seq = last === undefined ? entry.seq : Math.min(last.seq + 1, chain.tip!.seq);
    const rises = last !== undefined && (T > entry.T || seq > entry.seq);
    if (!rises && !ends) return undefined;
    const gaps = passed.filter(({ end }) => end > entry.T).flatMap((manifest) => manifest.gaps);
    const others = current.logs.filter((one) => one.log !== log);
    return {
      logs: ends ? others : withLog(others, { ...entry, T: Math.max(T, entry.T), seq: Math.max(seq, entry.seq) }),
      gaps: [...current.gaps, ...gaps.map((gap) => ({ log, partition: entry.partition, ...gap }))],
    };
  });
  const entry = trim === undefined ? undefined : registeredLog(trim, log);
  return { chain, T: entry?.T ?? T };
}

/**
 * TRIM, step 3: deletes the manifests below `seq` and the segments that no kept manifest with rows above T names. Repeating it is safe, and so is a
 * stop at any place.
 * @returns how many objects were deleted.
 */
export async function deleteTrimmed(
  catalog: Catalog,
  log: LogId,
  patience: Patience = BRIEFLY,
  killPoint?: KillPoint,
): Promise<number> {
  const chain = await persist(catalog, patience, () => readChain(catalog, log));
  // A log that is gone is wholly in the indexes: all of it goes.
  const seq = chain?.manifests[0]?.seq ?? (chain === undefined ? Infinity : 0);
  const named = new Set(chain?.manifests.filter(({ end }) => end > chain.T).map(({ object }) => object));
  const E = chain?.E ?? Infinity;
  let deleted = 0;
  for await (const key of keysBelow(catalog, segmentPrefix(log), patience)) {
    const start = segmentStart(log, key);
    if (start === undefined || start >= E || named.has(key)) continue;
    await persist(catalog, patience, () => catalog.objects.delete(key));
    deleted++;
    await killPoint?.('after-segment-delete');
  }
  for await (const key of keysBelow(catalog, manifestPrefix(log), patience)) {
    if (seq !== Infinity && key >= manifestKey(log, seq)) break;
    await persist(catalog, patience, () => catalog.objects.delete(key));
    deleted++;
    await killPoint?.('after-manifest-delete');
  }
  return deleted;
}

/** Keys in order, page by page. */
export async function* keysBelow(catalog: Catalog, prefix: string, patience: Patience): AsyncIterable<string> {
  for (let startAfter = prefix; ;) {
    const page = await persist(catalog, patience, () => catalog.objects.list(prefix, { startAfter }));
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    startAfter = last;
  }
}
