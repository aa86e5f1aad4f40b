import { parseTenantSegment, type TenantId } from '@kiln/model';
import type { CatalogReader } from './catalog.ts';
import { BEHIND, indexedPrefix, tenantsPrefix } from './keys.ts';

/**
 * The tenants that have an index, blocks or damaged parts, or had an index, by the names of their keys. Lists are hints: one that is new may be missing.
 */
export async function listTenants(catalog: CatalogReader): Promise<TenantId[]> {
  const found = new Set<TenantId>();
  for (const prefix of [tenantsPrefix, indexedPrefix]) {
    for (let startAfter = prefix; ;) {
      const page = await catalog.objects.list(prefix, { startAfter });
      const last = page.at(-1);
      if (last === undefined) break;
      const names = page.map((key) => key.slice(prefix.length).split('/', 1)[0]!);
      for (const tenant of names.map(parseTenantSegment)) if (tenant !== undefined) found.add(tenant);
      startAfter = prefix === tenantsPrefix ? prefix + names.at(-1)! + BEHIND : last;
    }
  }
  return [...found];
}
