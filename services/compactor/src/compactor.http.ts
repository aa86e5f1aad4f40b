import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Inject } from '@nestjs/common';
import { RawPost } from '@kiln/nest';
import type { Compactor } from './compactor.ts';

export const COMPACTOR = 'kiln.compactor';

/** For operators: not of a tenant, so it belongs behind the same proxy as `/metrics`. */
@Controller()
export class CompactorHttp {
  readonly #compactor: Compactor;

  constructor(@Inject(COMPACTOR) compactor: Compactor) {
    this.#compactor = compactor;
  }

  /** Runs a round over all tenants, due or not, and answers what it did. A body is not read. */
  @RawPost('/api/v1/operator/compact')
  async compact(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    const text = JSON.stringify(await this.#compactor.round({ now: true }));
    response
      .writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
      .end(text);
  }
}
