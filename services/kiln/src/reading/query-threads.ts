import type { Clock } from '@kiln/async';
import type { LogFrom, OwnerAnswer } from '@kiln/catalog';
import type { TenantId } from '@kiln/model';
import type { Owners } from '@kiln/querier';
import type { QueryAnswerer, QueryCall, QueryReply } from '@kiln/query-frontend';
import type { ObjectGap, Query, QueryLimits } from '@kiln/query';
import type { Logger } from '@kiln/telemetry';
import type { LimitsOf } from '@kiln/tenant';
import { Moved, movable, Threads } from '@kiln/threads';
import { QueryService, type LimitsByTenant, type QueryServicePorts } from './query-service.ts';

/** What a query thread is started with. */
export interface QuerySetup {
  /** The folder of the objects. */
  readonly objects: string;
}

interface QueryThreadsOptions {
  readonly count: number;
  readonly setup: QuerySetup;
  readonly owners: Owners;
  /** Hears of what queries could not read of objects. */
  readonly leftOut: (gaps: readonly ObjectGap[]) => void;
  readonly limits: LimitsOf;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Queries in threads of their own, so that a large merge or answer holds up nobody else. */
class QueryThreads implements OpenAnswerer {
  readonly #threads: Threads;
  readonly #limits: LimitsOf;

  constructor({ count, setup, owners, leftOut, limits, clock, log }: QueryThreadsOptions) {
    this.#limits = limits;
    const handlers = {
      'owners.answer': async (tenant: TenantId, query: Query, from: readonly LogFrom[], bounds: QueryLimits) =>
        moved(await owners.answer(tenant, query, from, bounds)),
      leftOut,
    };
    this.#threads = new Threads(count, { name: 'query', entry: entry(), data: setup, handlers, clock, log });
  }

  async answer(call: QueryCall, signal: AbortSignal): Promise<QueryReply> {
    return (await this.#threads.call({ signal }, 'answer', call, limitsIn(call, this.#limits))) as QueryReply;
  }

  stop(): Promise<void> {
    return this.#threads.stop();
  }
}

/** An answerer of queries, in `count` threads or, with 0, in this one. */
export function openAnswerer(
  options: QueryThreadsOptions & Pick<QueryServicePorts, 'objects' | 'codecs'>,
): OpenAnswerer {
  const { count, owners, objects, codecs, clock, leftOut, limits } = options;
  if (count > 0) return new QueryThreads(options);
  const service = new QueryService({ objects, owners, codecs, clock, leftOut });
  return {
    answer: (call, signal) => service.answer(call, limitsIn(call, limits), signal),
    stop: () => Promise.resolve(),
  };
}

export interface OpenAnswerer extends QueryAnswerer {
  stop(): Promise<void>;
}

/** The limits of a call's tenants, as they are now. */
function limitsIn({ tenants }: QueryCall, limits: LimitsOf): LimitsByTenant {
  return Object.fromEntries(tenants.map((tenant) => [tenant, limits(tenant)]));
}

function moved(answers: readonly OwnerAnswer[]): Moved<readonly OwnerAnswer[]> {
  const partials = answers.map(({ partial }) => movable(partial));
  const value = answers.map((answer, i) => ({ ...answer, partial: partials[i]!.value }));
  return new Moved(
    value,
    partials.flatMap(({ transfer }) => transfer),
  );
}

/** The worker beside this file: TypeScript when this runs from source, else what the compiler made of it. */
function entry(): URL {
  return new URL(`query.worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);
}
