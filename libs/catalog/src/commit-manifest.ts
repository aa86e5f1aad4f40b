import { persist, type Patience } from './attempts.ts';
import { readChain, type Chain } from './chain.ts';
import type { Catalog, KillPoint } from './catalog.ts';
import { manifestKey } from './keys.ts';
import { encodeManifest, type ManifestBody } from './manifest.ts';

/** What became of a manifest that was put. */
export interface CommitOutcome {
  /** Whether the chain has exactly this manifest. False as well when it was trimmed since: then the chain tells all that counts. */
  readonly won: boolean;
  /** Read after the put; undefined when the log is gone. */
  readonly chain: Chain | undefined;
}

/**
 * Puts the manifest after the tip of `chain`, if absent, and asks CHAIN who won. Neither success nor "exists already" is believed alone: a
 * process that slept can create anew a key that was trimmed, and an earlier try of this one may be what exists.
 */
export async function commitManifest(
  catalog: Catalog,
  chain: Chain,
  body: Omit<ManifestBody, 'start' | 'prevDigest'>,
  patience: Patience,
  killPoint?: KillPoint,
): Promise<CommitOutcome> {
  const { log, tip } = chain;
  const seq = (tip?.seq ?? -1) + 1;
  const { bytes, manifest } = encodeManifest(catalog, log, seq, {
    ...body,
    start: chain.E,
    prevDigest: tip?.digest ?? '',
  });
  const key = manifestKey(log, seq);
  let unknown = false;
  await persist(catalog, patience, async () => {
    // After a try without an answer, what is there decides; if nothing is, the first try may still land, and the same bytes go again.
    if (unknown && (await catalog.objects.get(key)) !== undefined) return;
    unknown = true;
    await catalog.objects.putIfAbsent(key, bytes);
  });
  await killPoint?.('after-manifest');
  const now = await persist(catalog, patience, () => readChain(catalog, log, chain));
  const won = now?.manifests.some((other) => other.seq === seq && other.digest === manifest.digest) ?? false;
  return { won, chain: now };
}
