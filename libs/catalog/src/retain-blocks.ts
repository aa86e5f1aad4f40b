import type { TenantId } from '@kiln/model';
import { BRIEFLY, type Patience } from './attempts.ts';
import type { Catalog } from './catalog.ts';
import { compareAndSet } from './compare-and-set.ts';
import { tenantIndex, type LiveBlock, type TenantIndex } from './tenant-index.ts';

/** What is let go of. */
export interface LetGo {
  readonly goes: (block: LiveBlock) => boolean;
  readonly beforeMs: number;
  readonly gapsBeforeMs: number;
}

/**
 * RETAIN of distributed.md §1.10: blocks for which `goes` holds become tombstones; quarantine that ends before `beforeMs` and gaps that end before
 * `gapsBeforeMs` are forgotten.
 * @param beforeMs now - retention - 1 h, or -Infinity when data is kept for ever.
 * @param gapsBeforeMs earlier by as much as a profile may lie ahead of its append time.
 * @returns the index as it is now, and how many blocks went.
 */
export async function retainBlocks(
  catalog: Catalog,
  tenant: TenantId,
  { goes, beforeMs, gapsBeforeMs }: LetGo,
  patience: Patience = BRIEFLY,
): Promise<{ readonly index: TenantIndex | undefined; readonly gone: readonly LiveBlock[] }> {
  let gone: readonly LiveBlock[] = [];
  const index = await compareAndSet(catalog, tenantIndex(tenant), patience, (current) => {
    gone = [];
    if (current === undefined) return undefined;
    const going = current.blocks.filter(goes);
    const quarantine = current.quarantine.filter(({ maxMs }) => maxMs >= beforeMs);
    const gaps = current.gaps.filter(({ toMs }) => toMs === 0 || toMs >= gapsBeforeMs);
    const same = quarantine.length === current.quarantine.length && gaps.length === current.gaps.length;
    if (going.length === 0 && same) return undefined;
    gone = going;
    const names = new Set(going.map(({ object }) => object));
    const sinceMs = catalog.clock.nowMs();
    return {
      ...current,
      blocks: current.blocks.filter(({ object }) => !names.has(object)),
      quarantine,
      gaps,
      tombstones: [...current.tombstones, ...going.map(({ object }) => ({ object, sinceMs }))],
    };
  });
  return { index, gone };
}
