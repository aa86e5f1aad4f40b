import type { TenantId } from '@kiln/model';
import { persist, type Patience } from './attempts.ts';
import type { Catalog } from './catalog.ts';
import { indexedKey } from './keys.ts';

/**
 * Notes outside of what is kept of a tenant that it has an index: a tenant whose index is lost looks like one that never had any, and its blocks like
 * what a process left behind. Called when the index is there; who dies before is made up for by the next sweep.
 */
export async function markIndexed(catalog: Catalog, tenant: TenantId, patience: Patience): Promise<void> {
  const mark = new TextEncoder().encode(`${tenant}\n`);
  await persist(catalog, patience, () => catalog.objects.putIfAbsent(indexedKey(tenant), mark));
}
