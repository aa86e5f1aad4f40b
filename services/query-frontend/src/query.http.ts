import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Inject } from '@nestjs/common';
import { TimeoutError, withTimeout, type Clock } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import { RawPost } from '@kiln/nest';
import { inflateSmall, readSmallBody, UnaryCall } from '@kiln/rpc';
import type { QueryAnswerer, QueryReply } from './query-calls.ts';

export interface QueryHttpPorts {
  readonly answerer: QueryAnswerer;
  /** The tenants of a read, from the value of X-Scope-OrgID. */
  readonly tenantsOf: (header: string | undefined) => readonly TenantId[];
  readonly clock: Clock;
}

export const QUERY_HTTP_PORTS = 'kiln.query-http-ports';

/** Requests are small: selectors and ranges. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;

/** The read API by Connect, gRPC and gRPC-Web: reads the message, has it answered elsewhere, writes what came back. */
@Controller()
export class QueryHttp {
  readonly #ports: QueryHttpPorts;

  constructor(@Inject(QUERY_HTTP_PORTS) ports: QueryHttpPorts) {
    this.#ports = ports;
  }

  @RawPost('/querier.v1.QuerierService/*')
  async query(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { answerer, tenantsOf } = this.#ports;
    const call = new UnaryCall(request, response);
    const { isJson, acceptsGzip } = call;
    const org = request.headers['x-scope-orgid'];
    const tenants = tenantsOf(Array.isArray(org) ? org[0] : org);
    const body = call.message(await readSmallBody(request, MAX_REQUEST_BYTES));
    const message = await inflateSmall(body, MAX_REQUEST_BYTES);
    const method = request.url!.slice(request.url!.lastIndexOf('/') + 1).split('?', 1)[0]!;
    const headers = { accept: request.headers.accept ?? '' };
    const reply = await this.#inTime(call.timeoutMs, () =>
      answerer.answer({ method, isJson, acceptsGzip, message, tenants, headers }),
    );
    call.answer(reply.message, reply.headers, reply.isGzip);
  }

  async #inTime(timeoutMs: number | undefined, work: () => Promise<QueryReply>): Promise<QueryReply> {
    if (timeoutMs === undefined) return work();
    try {
      return await withTimeout(this.#ports.clock, timeoutMs, 'the query', work);
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      throw new KilnError(
        'deadline_exceeded',
        `the query did not end within the ${timeoutMs} ms that the client allowed`,
      );
    }
  }
}
