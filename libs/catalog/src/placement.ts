import { hash64, type TenantId } from '@kiln/model';

/** How wide writes are spread. */
export interface Shards {
  /** m: the partitions that a tenant writes to; at least 3 are used, 0 = all. */
  readonly tenant: number;
  /** n: how many of those a service writes to; 0 = all of the tenant's. */
  readonly service: number;
}

/** Every tenant on all partitions, every service on one. */
export const DEFAULT_SHARDS: Shards = { tenant: 0, service: 1 };

/** What decides where a profile goes. */
export interface Placed {
  /** P. */
  readonly partitions: number;
  readonly tenant: TenantId;
  readonly service: string;
  /** Of the labels as pushed (`fingerprint` of @kiln/model). */
  readonly fingerprint: bigint;
  readonly shards?: Shards;
}

const LEAST_TENANT_SHARDS = 3;

/**
 * The partition of a profile (distributed.md §1.6, Placement): tenant → m partitions by rendezvous, service → n of them, fingerprint → one.
 * Depends on nothing but its arguments, so a retry meets its first try.
 */
export function placePartition({ partitions, tenant, service, fingerprint, shards = DEFAULT_SHARDS }: Placed): number {
  const mine = tenantPartitions(partitions, tenant, shards.tenant);
  const first = Number(hash64(`service ${service}`) % BigInt(mine.length));
  const width = shards.service === 0 ? mine.length : Math.min(shards.service, mine.length);
  const step = width === 1 ? 0 : Number(fingerprint % BigInt(width));
  return mine[(first + step) % mine.length]!;
}

/** The partitions that a tenant writes to, by falling rendezvous score: a larger m only adds to the list. */
export function tenantPartitions(partitions: number, tenant: TenantId, m: number): number[] {
  if (!Number.isSafeInteger(partitions) || partitions < 1) throw new RangeError(`${partitions} partitions`);
  const scores = Array.from({ length: partitions }, (_, partition) => ({
    partition,
    score: hash64(`${partition} ${tenant}`),
  }));
  scores.sort((a, b) => (a.score > b.score ? -1 : a.score < b.score ? 1 : a.partition - b.partition));
  const count = m === 0 ? partitions : Math.min(partitions, Math.max(LEAST_TENANT_SHARDS, m));
  return scores.slice(0, count).map(({ partition }) => partition);
}
