import type { Clock } from '@kiln/async';
import type { Codecs } from '@kiln/block';
import type { TenantId } from '@kiln/model';
import type { ObjectGap } from '@kiln/query';
import type { ObjectStore } from '@kiln/objstore';
import { Querier, type Owners } from '@kiln/querier';
import { QueryCalls, QueryFrontend, type QueryCall, type QueryReply } from '@kiln/query-frontend';
import type { Limits } from '@kiln/tenant';

/** What a call needs to know of each of its tenants. */
export type LimitsByTenant = Readonly<Record<TenantId, Limits>>;

export interface QueryServicePorts {
  readonly objects: ObjectStore;
  readonly owners: Owners;
  readonly codecs: Codecs;
  readonly clock: Clock;
  /** Hears of what queries could not read of objects. */
  readonly leftOut: (gaps: readonly ObjectGap[]) => void;
}

/** Query-frontend and querier in one thread: from the message of a call to that of its answer. */
export class QueryService {
  readonly #calls: QueryCalls;
  /** Of the tenants of the calls that run: a read may name any, also such as do not exist, so none is kept longer. */
  readonly #limits = new Map<TenantId, Limits>();
  #running = 0;

  constructor(ports: QueryServicePorts) {
    const limits = (tenant: TenantId): Limits => this.#limits.get(tenant)!;
    this.#calls = new QueryCalls(new QueryFrontend(new Querier({ ...ports, limits }), limits, ports.clock));
  }

  /** @param limits of every tenant of the call, as they are now. @throws KilnError by the method. */
  async answer(call: QueryCall, limits: LimitsByTenant, signal: AbortSignal): Promise<QueryReply> {
    for (const tenant of call.tenants) this.#limits.set(tenant, limits[tenant]!);
    this.#running++;
    try {
      return await this.#calls.answer(call, signal);
    } finally {
      if (--this.#running === 0) this.#limits.clear();
    }
  }
}
