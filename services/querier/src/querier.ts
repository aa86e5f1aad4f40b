import type { Clock } from '@kiln/async';
import type { Codecs } from '@kiln/block';
import type { CatalogReader } from '@kiln/catalog';
import { KilnError, type TenantId } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import {
  checkQuery,
  mergePartials,
  newQueryMerge,
  type Answer,
  type ObjectGap,
  type Query,
  type QueryLimits,
} from '@kiln/query';
import type { Acceptance } from './acceptance.ts';
import type { Owners } from './owners.ts';
import { makePlan } from './plan.ts';
import { newStats, readParts, type ReadOptions } from './read-parts.ts';
import { withinRetention } from './retention.ts';
import { StalePlan } from './stale-plan.ts';

/** What a tenant may ask for. */
export interface QuerierLimits extends QueryLimits, Acceptance {
  /** 0 = for ever. */
  readonly retentionPeriodMs: number;
}

/** What a querier stands on. */
export interface QuerierPorts {
  readonly objects: ObjectStore;
  readonly owners: Owners;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly limits: (tenant: TenantId) => QuerierLimits;
  /** Hears of what could not be read of objects that a query read; never of nothing. */
  readonly leftOut?: ((gaps: readonly ObjectGap[]) => void) | undefined;
  /** Objects of one query that are read at the same time. */
  readonly concurrency?: number;
}

const PLANS = 3;

/** Blocks and parts outlive their names by an hour, so what was read within this time was all there. */
const PLAN_MAX_AGE_MS = 30 * 60_000;
const DEFAULT_CONCURRENCY = 4;

/** Answers queries over heads and objects: READ of distributed.md §1.10. Every row counts once, because what it adds is disjoint by offset. */
export class Querier {
  readonly #ports: QuerierPorts;

  constructor(ports: QuerierPorts) {
    this.#ports = ports;
  }

  /**
   * @param signal stops it between two reads.
   * @throws the signal's reason; KilnError `invalid_argument` for a query that is none, `resource_exhausted` above a limit, `unavailable` when an owner or the store
   * does not answer.
   */
  async query(tenant: TenantId, asked: Query, signal: AbortSignal): Promise<Answer> {
    const { clock } = this.#ports;
    const startedMs = clock.nowMs();
    const limits = this.#ports.limits(tenant);
    checkQuery(asked);
    const stats = newStats();
    const query = withinRetention(asked, limits.retentionPeriodMs, startedMs);
    if (query === undefined)
      return { partial: mergePartials(asked, []), gaps: [], stats: { ...stats, plans: 0, totalMs: 0 } };
    for (let plans = 1; ; plans++) {
      const answer = await this.#once(tenant, query, { limits, stats, signal, all: plans === PLANS });
      if (answer !== undefined) return { ...answer, stats: { ...stats, plans, totalMs: clock.nowMs() - startedMs } };
    }
  }

  /** One plan, whole or not at all: undefined when it was out of date. The last plan flags what is gone. */
  async #once(
    tenant: TenantId,
    query: Query,
    { limits, stats, signal, all: last }: Omit<ReadOptions, 'concurrency' | 'merge'> & { limits: QuerierLimits },
  ): Promise<Omit<Answer, 'stats'> | undefined> {
    const { objects, owners, codecs, clock, concurrency = DEFAULT_CONCURRENCY } = this.#ports;
    const plannedMs = clock.nowMs();
    try {
      const catalog: CatalogReader = { objects, crc32: (bytes, seed) => codecs.crc32(bytes, seed) };
      const plan = await makePlan({ catalog, owners }, tenant, query, limits);
      signal.throwIfAborted();
      const merge = newQueryMerge(query, limits, stats);
      for (const partial of plan.partials) merge.addPartial(partial);
      const options = { merge, concurrency, stats, signal, all: last };
      const parts = await readParts(this.#ports, tenant, query, plan.refs, options);
      const old = clock.nowMs() - plannedMs > PLAN_MAX_AGE_MS;
      if ((parts.gone.length > 0 || old) && !last) return undefined;
      const gone = parts.gone.map(({ object }) => ({ object, reason: 'the object is gone' }));
      const leftOut = [...parts.damaged, ...gone];
      if (leftOut.length > 0) this.#ports.leftOut?.(leftOut);
      return { partial: merge, gaps: [...plan.missing, ...leftOut] };
    } catch (error) {
      if (!(error instanceof StalePlan)) throw error;
      if (last)
        throw new KilnError('unavailable', `${error.message}, ${PLANS} times in a row; try again`, {
          cause: error,
          retryAfterSeconds: 1,
        });
      return undefined;
    }
  }
}
