import type { DynamicModule } from '@nestjs/common';
import { QUERY_HTTP_PORTS, QueryHttp, type QueryHttpPorts } from './query.http.ts';

class QueryFrontendModule {}

/** Wires the query-frontend's edge. */
export function queryFrontendModule(ports: QueryHttpPorts): DynamicModule {
  return {
    module: QueryFrontendModule,
    controllers: [QueryHttp],
    providers: [{ provide: QUERY_HTTP_PORTS, useValue: ports }],
  };
}
