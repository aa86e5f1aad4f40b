import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Inject } from '@nestjs/common';
import { RawAll } from '@kiln/nest';
import type { RawHandler } from '@kiln/rpc';

export const QUERY_HANDLER = 'kiln.query-handler';

/** Mounts the read API. The protocols, their bodies and their errors are @kiln/rpc's. */
@Controller()
export class QueryHttp {
  readonly #handler: RawHandler;

  constructor(@Inject(QUERY_HANDLER) handler: RawHandler) {
    this.#handler = handler;
  }

  @RawAll('/querier.v1.QuerierService/*')
  query(request: IncomingMessage, response: ServerResponse): void {
    this.#handler(request, response);
  }
}
