import {
  containedUpTo,
  listTenants,
  readChain,
  readTenantIndex,
  readTrim,
  type CatalogReader,
  type Chain,
  type CommittedPart,
  type TenantIndex,
} from '@kiln/catalog';
import type { TenantId } from '@kiln/model';

/** What is committed in a data directory: the chains of its logs, and the index of every tenant. */
export interface Stored {
  readonly chains: readonly Chain[];
  readonly indexes: ReadonlyMap<TenantId, TenantIndex>;
}

/** @throws CorruptDataError, KilnError naming the first object that is damaged or missing. */
export async function readStored(reader: CatalogReader): Promise<Stored> {
  // In this order, as a query does: what T has passed is in every index that is read after it.
  const chains: Chain[] = [];
  for (const { log } of (await readTrim(reader)).logs) {
    const chain = await readChain(reader, log);
    if (chain !== undefined) chains.push(chain);
  }
  const named = chains.flatMap(({ manifests }) =>
    manifests.flatMap(({ tenants }) => tenants.map(({ tenant }) => tenant)),
  );
  const indexes = new Map<TenantId, TenantIndex>();
  for (const tenant of new Set([...named, ...(await listTenants(reader))].toSorted((a, b) => (a < b ? -1 : 1))))
    indexes.set(tenant, await readTenantIndex(reader, tenant));
  return { chains, indexes };
}

/** The parts that a query over all time would read of a tenant: its blocks, and the segments above what those contain. */
export function liveParts({ chains, indexes }: Stored, tenant: TenantId): CommittedPart[] {
  const index = indexes.get(tenant);
  const blocks = (index?.blocks ?? []).map((block) => ({ ...block, tenant }));
  const segments = chains.flatMap(({ log, T, manifests }) => {
    const from = Math.max(T, index === undefined ? -1 : containedUpTo(index, log));
    return manifests
      .filter(({ end, object }) => end > from && object !== undefined)
      .flatMap(({ object, tenants }) =>
        tenants.filter((part) => part.tenant === tenant).map((part) => ({ ...part, object: object! })),
      );
  });
  return [...blocks, ...segments];
}

/** Every object that a manifest or an index names, also those that wait to be deleted. */
export function namedObjects({
  chains,
  indexes,
}: {
  readonly chains: readonly Pick<Chain, 'manifests'>[];
  readonly indexes: Stored['indexes'];
}): Set<string> {
  const named = new Set<string>();
  for (const { manifests } of chains) for (const { object } of manifests) if (object !== undefined) named.add(object);
  for (const { blocks, tombstones } of indexes.values())
    for (const { object } of [...blocks, ...tombstones]) named.add(object);
  return named;
}
