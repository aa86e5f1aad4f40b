import { parseTenantSegment, type TenantId } from '@kiln/model';
import type { CatalogReader } from './catalog.ts';
import { BEHIND, tenantsPrefix } from './keys.ts';

/** The tenants that have an index, blocks or damaged parts, by the names of their keys. Lists are hints: one that is new may be missing. */
export async function listTenants(catalog: CatalogReader): Promise<TenantId[]> {
  const found = new Set<TenantId>();
  for (let startAfter = tenantsPrefix; ;) {
    const page = await catalog.objects.list(tenantsPrefix, { startAfter });
    const last = page.at(-1);
    if (last === undefined) return [...found];
    for (const key of page) {
      const tenant = parseTenantSegment(key.slice(tenantsPrefix.length).split('/', 1)[0]!);
      if (tenant !== undefined) found.add(tenant);
    }
    startAfter = tenantsPrefix + last.slice(tenantsPrefix.length).split('/', 1)[0]! + BEHIND;
  }
}
