import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Inject } from '@nestjs/common';
import type { TenantId } from '@kiln/model';
import { RawGet } from '@kiln/nest';
import { answeredFor } from '@kiln/rpc';
import { KEPT_REJECTIONS, type Rejections } from './rejections.ts';

export interface RejectionsHttpPorts {
  readonly rejections: Rejections;
  /** The tenants of a read, from the value of X-Scope-OrgID. */
  readonly tenantsOf: (header: string | undefined) => readonly TenantId[];
}

export const REJECTIONS_HTTP_PORTS = 'kiln.rejections-http-ports';

/** The last refused pushes of the tenants that ask (docs/api.md). */
@Controller()
export class RejectionsHttp {
  readonly #ports: RejectionsHttpPorts;

  constructor(@Inject(REJECTIONS_HTTP_PORTS) ports: RejectionsHttpPorts) {
    this.#ports = ports;
  }

  @RawGet('/api/v1/rejections')
  list(request: IncomingMessage, response: ServerResponse): void {
    const { rejections, tenantsOf } = this.#ports;
    const header = request.headers['x-scope-orgid'];
    const org = Array.isArray(header) ? header[0] : header;
    const tenants = tenantsOf(org);
    const listed = tenants
      .flatMap((tenant) => rejections.of(tenant))
      .toSorted((a, b) => b.lastMs - a.lastMs)
      .slice(0, KEPT_REJECTIONS)
      .map(({ firstMs: first, lastMs: last, ...rest }) => ({ first, last, ...rest }));
    const body = Buffer.from(JSON.stringify({ since: rejections.sinceMs, rejections: listed }));
    response
      .writeHead(200, {
        'Content-Type': 'application/json',
        'Content-Length': body.length,
        'Cache-Control': 'no-store',
        'X-Content-Type-Options': 'nosniff',
        ...answeredFor(tenants, org),
      })
      .end(body);
  }
}
