import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Inject } from '@nestjs/common';
import { KilnError, type TenantId } from '@kiln/model';
import { RawPost } from '@kiln/nest';
import { UnaryCall } from '@kiln/rpc';
import { readBody } from './body.ts';
import { InFlight } from './in-flight.ts';
import { readIngestRequest } from './ingest-request.ts';
import { Intake } from './intake.ts';
import type { Written } from './distributor.ts';

/** How the edge learns whose a request is; decides by the header and the multitenancy setting. */
export type TenantOfWrite = (header: string | undefined) => TenantId;
export const TENANT_OF_WRITE = 'kiln.tenant-of-write';

/** The two write paths. Bodies are read by hand: no pipe and no generic decoder sees them. */
@Controller()
export class PushHttp {
  readonly #intake: Intake;
  readonly #tenantOf: TenantOfWrite;
  readonly #inFlight: InFlight;

  constructor(
    @Inject(Intake) intake: Intake,
    @Inject(TENANT_OF_WRITE) tenantOf: TenantOfWrite,
    @Inject(InFlight) inFlight: InFlight,
  ) {
    this.#inFlight = inFlight;
    this.#intake = intake;
    this.#tenantOf = tenantOf;
  }

  /** push.v1.PusherService/Push by Connect, gRPC or gRPC-Web, protobuf or JSON (contract/pyroscope.md §1.5, §3.6). */
  @RawPost('/push.v1.PusherService/Push')
  async push(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = new UnaryCall(request, response);
    const held = this.#inFlight.open();
    try {
      const tenant = this.#tenantOf(header(request, 'x-scope-orgid'));
      const limit = this.#intake.bodyLimitBytes(tenant);
      const body = call.message(await readBody(request, limit, held));
      const written = await this.#intake.write({ tenant, body, form: { kind: 'push', isJson: call.isJson } });
      call.answer(call.isJson ? '{}' : '', writeToken(written));
    } catch (thrown) {
      throw asConnect(thrown);
    } finally {
      held.release();
    }
  }

  /** The older path: one profile, its name and labels in the query (contract/pyroscope.md §3). */
  @RawPost(['/ingest', '/pyroscope/ingest'])
  async ingest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const held = this.#inFlight.open();
    try {
      const tenant = this.#tenantOf(header(request, 'x-scope-orgid'));
      const form = {
        kind: 'ingest',
        url: request.url ?? '',
        contentType: header(request, 'content-type') ?? '',
      } as const;
      // What its head says wrong is refused before the body is read.
      readIngestRequest(form.url, form.contentType, this.#intake.nowNanos());
      const body = await readBody(request, this.#intake.bodyLimitBytes(tenant), held);
      const written = await this.#intake.write({ tenant, body, form });
      response.writeHead(200, { 'Content-Length': '0', ...writeToken(written) }).end();
    } finally {
      held.release();
    }
  }
}

/** Where the records went: a read that carries it waits until they are readable. */
function writeToken(written: readonly Written[]): Record<string, string> {
  if (written.length === 0) return {};
  return { 'X-Kiln-Write-Token': written.map(({ log, offset }) => `${log}@${offset}`).join(',') };
}

/** Connect's status follows from the code alone. */
function asConnect(thrown: unknown): KilnError {
  const { code, message, reason, retryAfterSeconds, cause } = KilnError.from(thrown);
  return new KilnError(code, message, {
    cause,
    ...(reason === undefined ? {} : { reason }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
