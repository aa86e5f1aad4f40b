import type { Clock } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import { entryOf, parseIngestionLimit, type IngestionLimit, type UsageGroup } from '@kiln/tenant';

/** What a push may do under a quota that is reached. */
export interface Admission {
  /** It may store what a reached quota of a usage group would refuse. */
  readonly hasPass: boolean;
  /** Says whether it did. */
  settle(usedPass: boolean): void;
}

/** Passes of a tenant that were taken since a moment. */
interface Passes {
  sinceMs: number;
  taken: number;
}

const FREE: Admission = { hasPass: false, settle: () => undefined };
/** Tenants remembered before those whose period is over are forgotten. */
const SWEEP_AT = 10_000;

/**
 * Quotas that somebody outside counts (`ingestion_limit`): while one is reached a few pushes are let through in each period, so that it still shows who is
 * there, and all others are refused.
 */
export class Quota {
  readonly #clock: Clock;
  readonly #passes = new Map<TenantId, Passes>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Decides a push before anything of it is read.
   * @param text `ingestion_limit` of the tenant, as it is now.
   * @throws KilnError `resource_exhausted`, reason `ingest_limit_reached`, with the seconds until the quota starts anew.
   */
  admit(tenant: TenantId, text: string): Admission {
    if (text === '{}') return FREE;
    const limit = parseIngestionLimit(text);
    if (limit.limit_reached === true) {
      if (this.#take(tenant, limit)) return { hasPass: true, settle: () => undefined };
      throw quotaReached(limit, this.#clock.nowMs());
    }
    const isGroupClosed = Object.values(limit.usage_groups ?? {}).some(
      ({ limit_reached: reached }) => reached === true,
    );
    if (!isGroupClosed || !this.#take(tenant, limit)) return FREE;
    // Which groups a push belongs to is known when it is read: one that needs no pass gives it back.
    return { hasPass: true, settle: (used) => used || this.#giveBack(tenant) };
  }

  #take(tenant: TenantId, { sampling }: IngestionLimit): boolean {
    if (sampling === undefined) return false;
    const nowMs = this.#clock.nowMs();
    const { periodMs } = sampling;
    const known = this.#passes.get(tenant);
    const passes = known === undefined || nowMs - known.sinceMs >= periodMs ? { sinceMs: nowMs, taken: 0 } : known;
    if (passes.taken >= sampling.num_requests) return false;
    passes.taken++;
    this.#passes.set(tenant, passes);
    if (this.#passes.size > SWEEP_AT) this.#sweep(nowMs - periodMs);
    return true;
  }

  #giveBack(tenant: TenantId): void {
    const passes = this.#passes.get(tenant);
    if (passes !== undefined && passes.taken > 0) passes.taken--;
  }

  #sweep(untilMs: number): void {
    for (const [tenant, { sinceMs }] of this.#passes) if (sinceMs < untilMs) this.#passes.delete(tenant);
  }
}

const RETRY_SECONDS = 60;

/** @param group the usage group whose quota it is; the tenant's own unless given. */
export function quotaReached(limit: IngestionLimit, nowMs: number, group?: UsageGroup): KilnError {
  const mb = group === undefined ? limit.period_limit_mb : entryOf(limit.usage_groups, group)?.period_limit_mb;
  const size = mb === undefined ? 'ingest limit' : `ingest limit of ${mb} MB`;
  const period = limit.period_type === undefined ? '' : ` per ${limit.period_type}`;
  const resetMs = (limit.limit_reset_time ?? 0) * 1000;
  const reset = resetMs === 0 ? '' : `, next reset at ${new Date(resetMs).toISOString()}`;
  const owner = group === undefined ? '' : ` for usage group ${JSON.stringify(group.name)}`;
  return new KilnError(
    'resource_exhausted',
    `${size}${period} reached${owner}${reset} (ingestion_limit of the tenant)`,
    {
      reason: 'ingest_limit_reached',
      retryAfterSeconds: resetMs > nowMs ? Math.ceil((resetMs - nowMs) / 1000) : RETRY_SECONDS,
    },
  );
}
