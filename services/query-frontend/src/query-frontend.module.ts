import type { DynamicModule } from '@nestjs/common';
import type { MemoryLedger } from '@kiln/async';
import type { TenantId } from '@kiln/model';
import { InFlight } from '@kiln/rpc';
import type { Metrics } from '@kiln/telemetry';
import type { QueryFrontendConfig } from './config.ts';
import { QUERY_HTTP_PORTS, QueryHttp, type QueryHttpPorts } from './query.http.ts';
import { TOOLS_HTTP_PORTS, ToolsHttp, type ToolsHttpPorts } from './tools.http.ts';
import { QueryQueue } from './query-queue.ts';

export interface QueryFrontendModulePorts extends Omit<QueryHttpPorts & ToolsHttpPorts, 'queue' | 'inFlight'> {
  /** `max_concurrent_queries` of a tenant, as it is now; 0 = none. */
  readonly limitOf: (tenant: TenantId) => number;
  /** Of the process: queries are counted in it. */
  readonly ledger?: MemoryLedger | undefined;
  readonly metrics: Metrics;
}

class QueryFrontendModule {}

/** Wires the query-frontend's edge, behind its queue. */
export function queryFrontendModule(
  { inFlightMaxBytes, ...config }: QueryFrontendConfig,
  { limitOf, ledger, metrics, ...ports }: QueryFrontendModulePorts,
): DynamicModule {
  const ended = metrics.counter({
    name: 'kiln_query_frontend_queries_total',
    help: 'Queries by outcome: answered, failed, refused (the queue was full), left (the client went), late (its time was over).',
    labels: ['outcome'],
  });
  const queue = new QueryQueue({ ...config, limitOf, ledger, observe: (outcome) => ended.add(1, { outcome }) });
  metrics.gaugeOf({ name: 'kiln_query_frontend_running_queries', help: 'Queries that run.' }, () => queue.running);
  metrics.gaugeOf({ name: 'kiln_query_frontend_waiting_queries', help: 'Queries that wait.' }, () => queue.waiting);
  const inFlight = new InFlight(inFlightMaxBytes, 'query-frontend.in-flight-max-bytes', { smallBytes: 0, ledger });
  metrics.gaugeOf(
    { name: 'kiln_query_frontend_in_flight_bytes', help: 'Bytes of the messages of queries not answered yet.' },
    () => inFlight.usedBytes,
  );
  const httpPorts: QueryHttpPorts & ToolsHttpPorts = { ...ports, queue, inFlight };
  return {
    module: QueryFrontendModule,
    controllers: [QueryHttp, ToolsHttp],
    providers: [
      { provide: QUERY_HTTP_PORTS, useValue: httpPorts },
      { provide: TOOLS_HTTP_PORTS, useValue: httpPorts },
    ],
  };
}
