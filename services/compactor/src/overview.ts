import {
  listTenants,
  olderThanBlocks,
  readChain,
  readTenantIndex,
  readTrim,
  type Catalog,
  type Chain,
  type TenantIndex,
} from '@kiln/catalog';
import { KilnError, type LogId, type TenantId } from '@kiln/model';
import { uncompacted } from './plan.ts';

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
  /** Logs and tenants that are left out, and why: nothing of theirs is compacted or deleted, and the others are not disturbed. */
  readonly troubles: readonly string[];
}

/**
 * @param known chains read before: only what is new is fetched.
 * @param revs of the indexes that were read before; is brought up to date. One that is new here, or older, is compared with its blocks: a tenant whose
 * index was put back from an older backup is left out, because each commit on it would hide that, and sweeps would delete what it does not name.
 * @throws what the store throws, or a `log/trim` that is corrupt.
 */
export async function readOverview(
  catalog: Catalog,
  known: ReadonlyMap<LogId, Chain>,
  revs: Map<TenantId, number>,
): Promise<Overview> {
  const troubles: string[] = [];
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      troubles.push(`${what}: ${KilnError.from(error).message}`);
      return undefined;
    }
  };
  const chains: Chain[] = [];
  for (const { log } of (await readTrim(catalog)).logs) {
    const chain = await attempt(`log ${log}`, () => readChain(catalog, log, known.get(log)));
    if (chain !== undefined) chains.push(chain);
  }
  const names = new Set(await listTenants(catalog));
  for (const { manifests, T } of chains)
    for (const { end, tenants } of manifests) if (end > T) for (const { tenant } of tenants) names.add(tenant);
  const indexes = new Map<TenantId, TenantIndex>();
  for (const tenant of names) {
    const index = await attempt(`tenant ${tenant}`, () => readIndex(catalog, tenant, revs));
    if (index !== undefined) indexes.set(tenant, index);
  }
  // Read after the indexes: a log that one of them names and that is not here has been dropped, and is not one that is new.
  const registered = new Set((await readTrim(catalog)).logs.map(({ log }) => log));
  const tenants = new Map<TenantId, TenantView>();
  for (const [tenant, index] of indexes) {
    const gone = index.contained.map(({ log }) => log).filter((log) => !registered.has(log));
    tenants.set(tenant, { index, goneLogs: new Set(gone) });
  }
  // An index forgets W of a log that is gone: with a chain of before, what its blocks hold would be compacted once more.
  return { chains: chains.filter(({ log }) => registered.has(log)), tenants, troubles };
}

/** @throws KilnError `data_loss` for one that is older than its blocks. */
async function readIndex(catalog: Catalog, tenant: TenantId, revs: Map<TenantId, number>): Promise<TenantIndex> {
  const index = await readTenantIndex(catalog, tenant);
  if (index.rev > 0 && index.rev < (revs.get(tenant) ?? Infinity)) {
    const older = await olderThanBlocks(catalog, tenant, index);
    if (older !== undefined) throw older;
  }
  revs.set(tenant, index.rev);
  return index;
}

/** Bytes of a tenant's blocks, and of its parts in segments that no block contains. */
export function storedBytes(chains: readonly Chain[], tenant: TenantId, index: TenantIndex): number {
  const blocks = index.blocks.reduce((sum, { size }) => sum + size, 0);
  return blocks + uncompacted(chains, tenant, index).bytes;
}
