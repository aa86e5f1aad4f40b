import type { TenantId } from '@kiln/model';
import { BRIEFLY, type Patience } from './attempts.ts';
import type { Catalog } from './catalog.ts';
import type { Commit } from './commit-blocks.ts';
import { compareAndSet } from './compare-and-set.ts';
import { EMPTY_INDEX, inOrder, tenantIndex, type LiveBlock, type TenantIndex } from './tenant-index.ts';

/** Blocks made of blocks, stored already. */
export interface Merged {
  /** `rev` of the index that the job was planned on. */
  readonly rev: number;
  /** Keys of the blocks whose rows the new ones hold; none is empty. */
  readonly sources: readonly string[];
  readonly blocks: readonly LiveBlock[];
}

/**
 * MERGE of distributed.md §1.10: the new blocks take the place of the sources in one write, and only if every source is still live; what retention
 * removed in between does not come back.
 */
export async function mergeBlocks(
  catalog: Catalog,
  tenant: TenantId,
  { rev, sources, blocks }: Merged,
  patience: Patience = BRIEFLY,
): Promise<Commit> {
  if (blocks.length === 0 || sources.length === 0) throw new RangeError('a merge has sources and a result');
  let outcome: Commit['outcome'] = 'discarded';
  const index = await compareAndSet(catalog, tenantIndex(tenant), patience, (stored) => {
    const current = stored ?? { rev: 0, ...EMPTY_INDEX };
    const known = new Set([...current.blocks, ...current.tombstones].map(({ object }) => object));
    outcome = 'committed';
    if (known.has(blocks[0]!.object)) return undefined; // an earlier try landed
    const live = new Set(current.blocks.map(({ object }) => object));
    outcome = 'discarded';
    if (current.floor > rev || !sources.every((source) => live.has(source))) return undefined;
    outcome = 'committed';
    const replaced = new Set(sources);
    const sinceMs = catalog.clock.nowMs();
    return {
      ...current,
      blocks: inOrder([...current.blocks.filter(({ object }) => !replaced.has(object)), ...blocks]),
      tombstones: [...current.tombstones, ...sources.map((object) => ({ object, sinceMs }))],
    };
  });
  return { outcome, index };
}

/** Notes what is wrong with live blocks: they are merged no more, and answers that touch them are flagged; or that they are whole again.
 * @param damage by object; undefined = it was put back.
 */
export async function noteDamage(
  catalog: Catalog,
  tenant: TenantId,
  damage: ReadonlyMap<string, string | undefined>,
  patience: Patience = BRIEFLY,
): Promise<TenantIndex | undefined> {
  return compareAndSet(catalog, tenantIndex(tenant), patience, (current) => {
    // What a block was first found to have is what it has: only whether it has any changes.
    const differs = ({ object, damage: known }: LiveBlock): boolean =>
      damage.has(object) && (known === undefined) !== (damage.get(object) === undefined);
    if (current === undefined || !current.blocks.some(differs)) return undefined;
    const blocks = current.blocks.map((block) =>
      differs(block) ? { ...block, damage: damage.get(block.object) } : block,
    );
    return { ...current, blocks };
  });
}
