import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Inject } from '@nestjs/common';
import type { Clock } from '@kiln/async';
import type { TenantId } from '@kiln/model';
import { RawGet, RawPost } from '@kiln/nest';
import {
  answeredFor,
  clientLeft,
  inflateSmall,
  readSmallBody,
  takesCoding,
  traceIdOf,
  UnaryCall,
  type InFlight,
} from '@kiln/rpc';
import { silentLogger, type Logger } from '@kiln/telemetry';
import type { QueryAnswerer } from './query-calls.ts';
import { QueryLog } from './query-log.ts';
import type { QueryQueue } from './query-queue.ts';
import { ROUTES } from './routes/index.ts';

export interface QueryHttpPorts {
  readonly answerer: QueryAnswerer;
  readonly queue: QueryQueue;
  readonly inFlight: InFlight;
  /** The tenants of a read, from the value of X-Scope-OrgID. */
  readonly tenantsOf: (header: string | undefined) => readonly TenantId[];
  readonly clock: Clock;
  /** Hears of every query; none = nobody does. */
  readonly log?: Logger | undefined;
}

export const QUERY_HTTP_PORTS = 'kiln.query-http-ports';

const SERVICE = '/querier.v1.QuerierService/';
/** Requests are small: selectors and ranges. */
const MAX_REQUEST_BYTES = 1024 * 1024;

/** The read API by Connect, gRPC and gRPC-Web, and by GET: reads what is asked, has it answered elsewhere, writes what came back. A client that leaves, or whose time is over, takes its query along. */
@Controller()
export class QueryHttp {
  readonly #ports: QueryHttpPorts;
  readonly #log: QueryLog;

  constructor(@Inject(QUERY_HTTP_PORTS) ports: QueryHttpPorts) {
    this.#ports = ports;
    this.#log = new QueryLog(ports.log ?? silentLogger, ports.clock);
  }

  @RawPost(`${SERVICE}*`)
  async query(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { answerer, queue, inFlight, tenantsOf, clock } = this.#ports;
    const left = clientLeft(response);
    const call = new UnaryCall(request, response);
    const { isJson, acceptsGzip } = call;
    const header = tenantHeader(request);
    const tenants = tenantsOf(header);
    const held = inFlight.open();
    try {
      const body = call.message(await readSmallBody(request, MAX_REQUEST_BYTES, held));
      const message = await inflateSmall(body, MAX_REQUEST_BYTES, held);
      const method = request.url!.split(SERVICE, 2)[1]!.split('?', 1)[0]!;
      const headers = { accept: request.headers.accept ?? '' };
      const asked = { method, isJson, acceptsGzip, message, tenants, headers };
      const reply = await this.#log.tell({ tenants, method, traceId: traceIdOf(request) }, () =>
        call.inTime(clock, { what: 'the query', left }, (signal) =>
          queue.run(tenants, signal, () => answerer.answer(asked, signal)),
        ),
      );
      call.answer(reply.message, { ...reply.headers, ...answeredFor(tenants, header) }, reply.isGzip);
    } finally {
      held.release();
    }
  }

  @RawGet(Object.keys(ROUTES))
  async route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { answerer, queue, tenantsOf } = this.#ports;
    const left = clientLeft(response);
    const header = tenantHeader(request);
    const tenants = tenantsOf(header);
    const [path = '', ...search] = request.url!.split('?');
    const acceptsGzip = takesCoding(request.headers['accept-encoding'] ?? '', 'gzip');
    const headers = { accept: request.headers.accept ?? '' };
    const asked = { path, search: search.join('?'), acceptsGzip, tenants, headers };
    const reply = await this.#log.tell({ tenants, method: path, traceId: traceIdOf(request) }, () =>
      queue.run(tenants, left, () => answerer.answer(asked, left)),
    );
    response
      .writeHead(200, {
        ...reply.headers,
        ...answeredFor(tenants, header),
        ...(reply.isGzip ? { 'content-encoding': 'gzip' } : {}),
        vary: 'accept-encoding',
        'content-length': String(reply.message.length),
      })
      .end(reply.message);
  }
}

function tenantHeader(request: IncomingMessage): string | undefined {
  const org = request.headers['x-scope-orgid'];
  return Array.isArray(org) ? org[0] : org;
}
