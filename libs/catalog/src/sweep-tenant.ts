import type { TenantId } from '@kiln/model';
import { BRIEFLY, persist, type Patience } from './attempts.ts';
import type { Catalog } from './catalog.ts';
import { compareAndSet } from './compare-and-set.ts';
import { blockPrefix, damagedPartPrefix, keyRev } from './keys.ts';
import { markIndexed } from './mark-indexed.ts';
import { olderThanBlocks, readTenantIndex, tenantIndex } from './tenant-index.ts';
import { keysBelow } from './trim-log.ts';

/** How long a block outlives its name, so that a reader of an older index finds it. */
const TOMBSTONE_MS = 3_600_000;

/**
 * SWEEP of distributed.md §1.10, step 1: raises the floor, so that no job planned before can commit, and deletes every block below it that the index
 * of that very write does not name.
 * @returns how many objects were deleted.
 * @throws KilnError `data_loss` where the index is older than blocks: what it does not name may be what was lost with the newer one.
 */
export async function sweepBlocks(catalog: Catalog, tenant: TenantId, patience: Patience = BRIEFLY): Promise<number> {
  const before = await persist(catalog, patience, () => readTenantIndex(catalog, tenant));
  const older = await persist(catalog, patience, () => olderThanBlocks(catalog, tenant, before));
  if (older !== undefined) throw older;
  const index = await compareAndSet(catalog, tenantIndex(tenant), patience, (current) =>
    current === undefined ? undefined : { ...current, floor: current.rev + 1 },
  );
  if (index === undefined) return 0;
  await markIndexed(catalog, tenant, patience);
  const { blocks, quarantine, tombstones } = index;
  const named = new Set([...blocks, ...quarantine, ...tombstones].map(({ object }) => object));
  let deleted = 0;
  for (const prefix of [blockPrefix(tenant), damagedPartPrefix(tenant)]) {
    for await (const key of keysBelow(catalog, prefix, patience)) {
      const rev = keyRev(tenant, key);
      if (rev === undefined || rev >= index.floor || named.has(key)) continue;
      await persist(catalog, patience, () => catalog.objects.delete(key));
      deleted++;
    }
  }
  return deleted;
}

/**
 * SWEEP, step 2: deletes the objects of tombstones that are old enough, then takes them off the list.
 * @param ageMs an hour, unless there is no room to wait.
 * @returns how many objects were deleted.
 */
export async function deleteTombstones(
  catalog: Catalog,
  tenant: TenantId,
  ageMs: number = TOMBSTONE_MS,
  patience: Patience = BRIEFLY,
): Promise<number> {
  const beforeMs = catalog.clock.nowMs() - ageMs;
  const index = await persist(catalog, patience, () => readTenantIndex(catalog, tenant));
  const old = new Set(index.tombstones.filter(({ sinceMs }) => sinceMs <= beforeMs).map(({ object }) => object));
  if (old.size === 0) return 0;
  for (const object of old) await persist(catalog, patience, () => catalog.objects.delete(object));
  await compareAndSet(catalog, tenantIndex(tenant), patience, (current) => {
    const kept = current?.tombstones.filter(({ object }) => !old.has(object));
    if (current === undefined || kept?.length === current.tombstones.length) return undefined;
    return { ...current, tombstones: kept! };
  });
  return old.size;
}
