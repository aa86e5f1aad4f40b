import {
  listTenants,
  readChain,
  readTenantIndex,
  readTrim,
  type Catalog,
  type Chain,
  type TenantIndex,
} from '@kiln/catalog';
import type { LogId, TenantId } from '@kiln/model';

/** One tenant in a round. */
export interface TenantView {
  index: TenantIndex;
  /** Logs that its index names and that have left `log/trim`; they never come back. */
  readonly goneLogs: ReadonlySet<LogId>;
}

/** What is stored, as one round of a compactor sees it. */
export interface Overview {
  readonly chains: readonly Chain[];
  /** Every tenant that a chain names above T or that has something stored. */
  readonly tenants: ReadonlyMap<TenantId, TenantView>;
}

/**
 * @param known chains read before: only what is new is fetched.
 * @throws what the store or a corrupt object throws.
 */
export async function readOverview(catalog: Catalog, known: ReadonlyMap<LogId, Chain>): Promise<Overview> {
  const chains: Chain[] = [];
  for (const { log } of (await readTrim(catalog)).logs) {
    const chain = await readChain(catalog, log, known.get(log));
    if (chain !== undefined) chains.push(chain);
  }
  const names = new Set(await listTenants(catalog));
  for (const { manifests, T } of chains)
    for (const { end, tenants } of manifests) if (end > T) for (const { tenant } of tenants) names.add(tenant);
  const indexes = new Map<TenantId, TenantIndex>();
  for (const tenant of names) indexes.set(tenant, await readTenantIndex(catalog, tenant));
  // Read after the indexes: a log that one of them names and that is not here has been dropped, and is not one that is new.
  const registered = new Set((await readTrim(catalog)).logs.map(({ log }) => log));
  const tenants = new Map<TenantId, TenantView>();
  for (const [tenant, index] of indexes) {
    const gone = index.contained.map(({ log }) => log).filter((log) => !registered.has(log));
    tenants.set(tenant, { index, goneLogs: new Set(gone) });
  }
  return { chains, tenants };
}
