import type { LogId, TenantId } from '@kiln/model';
import { BRIEFLY, persist, type Patience } from './attempts.ts';
import type { Catalog } from './catalog.ts';
import { compareAndSet } from './compare-and-set.ts';
import type { TrimmedGap } from './log-trim.ts';
import { markIndexed } from './mark-indexed.ts';
import {
  containedUpTo,
  EMPTY_INDEX,
  inOrder,
  lostIndex,
  readTenantIndex,
  tenantIndex,
  type LiveBlock,
  type QuarantinedPart,
  type TenantIndex,
  type TenantIndexBody,
} from './tenant-index.ts';

/** What one log gave to a job: the tenant's rows in (from, end]. */
export interface Taken {
  readonly log: LogId;
  /** W when the job was planned. */
  readonly from: number;
  /** The end of a manifest. */
  readonly end: number;
}

/** The blocks that a job made of segments, stored already. */
export interface Compacted {
  /** `rev` of the index that the job was planned on. */
  readonly rev: number;
  readonly taken: readonly Taken[];
  readonly blocks: readonly LiveBlock[];
  readonly quarantine: readonly QuarantinedPart[];
  /** Those of the logs in (from, end], also where T has passed them. */
  readonly gaps: readonly TrimmedGap[];
  /** Logs that the index named and a later `log/trim` did not: they never come back, and their W is forgotten. */
  readonly goneLogs: ReadonlySet<LogId>;
}

/** What a commit came to: `committed`, now or by an earlier try, or `discarded` because somebody else was first; its blocks are then for SWEEP. */
export type Commit = { readonly outcome: 'committed' | 'discarded'; readonly index: TenantIndex | undefined };

/**
 * COMPACT of distributed.md §1.10, steps 4 and 5: the blocks and W become true in one write, and only if W is still where the job began, so that no
 * row is in two live blocks.
 * @throws KilnError `data_loss` when the index was lost.
 */
export async function commitBlocks(
  catalog: Catalog,
  tenant: TenantId,
  job: Compacted,
  patience: Patience = BRIEFLY,
): Promise<Commit> {
  // The first commit makes the index: not where there was one.
  if (job.rev === 0) await persist(catalog, patience, () => readTenantIndex(catalog, tenant));
  let outcome: Commit['outcome'] = 'discarded';
  const index = await compareAndSet(catalog, tenantIndex(tenant), patience, (stored) => {
    if (stored === undefined && job.rev > 0) throw lostIndex(tenant);
    const current = stored ?? { rev: 0, ...EMPTY_INDEX };
    outcome = 'committed';
    if (isDone(current, job)) return undefined;
    const stands = job.taken.every(({ log, from }) => containedUpTo(current, log) === from);
    if (current.floor <= job.rev && stands) return withJob(current, job);
    outcome = 'discarded';
    return undefined;
  });
  if (job.rev === 0) await markIndexed(catalog, tenant, patience);
  return { outcome, index };
}

/** Whether an earlier try landed. A job without blocks is done when W is where it wanted it. */
function isDone(current: TenantIndexBody, { blocks, taken }: Compacted): boolean {
  const first = blocks[0];
  if (first === undefined) return taken.every(({ log, end }) => containedUpTo(current, log) >= end);
  const { object } = first;
  return [...current.blocks, ...current.tombstones].some((known) => known.object === object);
}

function withJob(current: TenantIndexBody, { taken, blocks, quarantine, gaps, goneLogs }: Compacted): TenantIndexBody {
  const kept = current.contained.filter(({ log }) => !goneLogs.has(log) && !taken.some((one) => one.log === log));
  return {
    floor: current.floor,
    contained: [...kept, ...taken.map(({ log, end }) => ({ log, upTo: end }))].toSorted((a, b) =>
      a.log < b.log ? -1 : 1,
    ),
    blocks: inOrder([...current.blocks, ...blocks]),
    quarantine: [...current.quarantine, ...quarantine],
    tombstones: current.tombstones,
    gaps: [...current.gaps, ...gaps],
  };
}
