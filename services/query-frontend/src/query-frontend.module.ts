import type { DynamicModule } from '@nestjs/common';
import type { Clock } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import { createConnectHandler, QuerierService } from '@kiln/rpc';
import type { Logger } from '@kiln/telemetry';
import { QueryFrontend, type Queries, type ReadLimits } from './query-frontend.ts';
import { querierService } from './querier-service.ts';
import { QUERY_HANDLER, QueryHttp } from './query.http.ts';

export interface QueryFrontendPorts {
  readonly queries: Queries;
  readonly limits: (tenant: TenantId) => ReadLimits;
  /** The one tenant of a read, from the value of X-Scope-OrgID. */
  readonly tenantOf: (header: string | undefined) => TenantId;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Requests are small: selectors and ranges. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;

class QueryFrontendModule {}

/** Wires the query-frontend. */
export function queryFrontendModule({ queries, limits, tenantOf, clock, log }: QueryFrontendPorts): DynamicModule {
  const service = querierService(new QueryFrontend(queries, limits, clock), tenantOf);
  const handler = createConnectHandler({
    routes: (router) => router.service(QuerierService, service),
    gate: (header) => tenantOf(header('x-scope-orgid')),
    readMaxBytes: MAX_REQUEST_BYTES,
    onFault: (method, error) => log.error('query failed', { method, error: KilnError.from(error) }),
  });
  return {
    module: QueryFrontendModule,
    controllers: [QueryHttp],
    providers: [{ provide: QUERY_HANDLER, useValue: handler }],
  };
}
