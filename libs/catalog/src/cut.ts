import { KilnError } from '@kiln/model';
import { persist } from './attempts.ts';
import { randomHex, type Catalog, type KillPoint } from './catalog.ts';
import type { Chain } from './chain.ts';
import { commitManifest, type CommitOutcome } from './commit-manifest.ts';
import { gapFields, type Gap } from './gap.ts';
import { segmentKey } from './keys.ts';
import type { TenantPart } from './manifest.ts';

/** A level-0 object ready to be stored, and where things lie in it. */
export interface Segment {
  readonly bytes: Uint8Array;
  /** By tenant, ascending. */
  readonly tenants: readonly TenantPart[];
  readonly idsOff: number;
  readonly idsLen: number;
}

/** What an owner wants to commit: the rows in (chain.E, end]. */
export interface Cut {
  /** The chain as the owner knows it. */
  readonly chain: Chain;
  /** X: the last offset consumed when the generation was frozen. */
  readonly end: number;
  /** Append time at `end`, the owner's running maximum. */
  readonly aMax: number;
  /** Undefined when nothing of the range is kept (only copies, or only gaps). */
  readonly segment: Segment | undefined;
  readonly gaps: readonly Gap[];
  /** This process, for people. */
  readonly writer: string;
  /** The only thing that ends the trying while the store is in trouble. What was put may have landed then: read the chain. */
  readonly signal?: AbortSignal | undefined;
  /** Steps: `before-segment`, `after-segment`, `after-manifest`, `after-chain`. */
  readonly killPoint?: KillPoint | undefined;
}

/**
 * CUT of distributed.md §1.10, steps 2 to 4: stores the segment under a name of its own, then its manifest if no other owner was first. The
 * caller follows the chain it gets back (LEARN) whether it won or not, and drops rows only by that chain's E.
 * @throws KilnError `failed_precondition` when the log is closed; CorruptDataError when the chain is damaged; the signal's reason.
 */
export async function commitCut(catalog: Catalog, cut: Cut): Promise<CommitOutcome> {
  const { chain, end, aMax, segment, gaps, writer, signal, killPoint } = cut;
  const { log, tip, E } = chain;
  if (tip?.final === true)
    throw new KilnError(
      'failed_precondition',
      `log ${log} was closed at offset ${E}: nothing can be committed after it`,
    );
  if (end <= E) throw new RangeError(`nothing to cut of log ${log}: (${E}, ${end}]`);
  const object = segment === undefined ? undefined : segmentKey(log, E, end, randomHex(catalog, 4));
  await killPoint?.('before-segment');
  if (segment !== undefined) await persist(catalog, { signal }, () => catalog.objects.put(object!, segment.bytes));
  await killPoint?.('after-segment');
  const outcome = await commitManifest(
    catalog,
    chain,
    {
      end,
      aMax: Math.max(aMax, tip?.aMax ?? 0),
      tenants: segment?.tenants ?? [],
      object,
      idsOff: segment?.idsOff ?? 0,
      idsLen: segment?.idsLen ?? 0,
      gaps: gaps.map(gapFields),
      final: false,
      writer,
    },
    { signal },
    killPoint,
  );
  await killPoint?.('after-chain');
  return outcome;
}
