import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Inject } from '@nestjs/common';
import { KilnError, type TenantId } from '@kiln/model';
import { RawPost } from '@kiln/nest';
import { readBody } from './body.ts';
import { drain } from './drain.ts';
import { InFlight } from './in-flight.ts';
import { readIngestRequest } from './ingest-request.ts';
import { Intake } from './intake.ts';
import { readPushRequest, readPushRequestJson } from './push-request.ts';
import type { Written } from './distributor.ts';

/** How the edge learns whose a request is; decides by the header and the multitenancy setting. */
export type TenantOfWrite = (header: string | undefined) => TenantId;
export const TENANT_OF_WRITE = 'kiln.tenant-of-write';

const connectTypes = new Set(['application/proto', 'application/json']);

/** The two write paths over HTTP/1.1. Bodies are read by hand: no pipe and no generic decoder sees them. */
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

  /** push.v1.PusherService/Push by Connect, protobuf or JSON (contract/pyroscope.md §1.5, §3.6). */
  @RawPost('/push.v1.PusherService/Push')
  async push(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const type = mediaType(request);
    if (!connectTypes.has(type)) {
      response.setHeader('Accept-Post', [...connectTypes].join(', '));
      throw unsupported(
        `content type ${JSON.stringify(type)} is not supported: send ${[...connectTypes].join(' or ')}`,
      );
    }
    const held = this.#inFlight.open();
    try {
      const tenant = this.#tenantOf(header(request, 'x-scope-orgid'));
      checkConnectHeaders(request);
      const body = await readBody(request, this.#intake.bodyLimitBytes(tenant), held);
      const series = type === 'application/json' ? readPushRequestJson(text(body)) : readPushRequest(body);
      const written = await this.#intake.push(tenant, series, held);
      answer(response, written, type, type === 'application/json' ? '{}' : '');
    } catch (thrown) {
      drain(request);
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
      const type = header(request, 'content-type') ?? '';
      const { source, read } = readIngestRequest(request.url ?? '', type, this.#intake.nowNanos());
      const body = await readBody(request, this.#intake.bodyLimitBytes(tenant), held);
      const written = await this.#intake.ingest(tenant, source, await read(body), held);
      answer(response, written, undefined, '');
    } catch (thrown) {
      drain(request);
      throw thrown;
    } finally {
      held.release();
    }
  }
}

function answer(response: ServerResponse, written: readonly Written[], type: string | undefined, body: string): void {
  const headers: Record<string, string> = { 'Content-Length': String(body.length) };
  if (type !== undefined) headers['Content-Type'] = type;
  if (written.length > 0)
    headers['X-Kiln-Write-Token'] = written.map(({ log, offset }) => `${log}@${offset}`).join(',');
  response.writeHead(200, headers).end(body);
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

function checkConnectHeaders(request: IncomingMessage): void {
  const version = header(request, 'connect-protocol-version');
  if (version !== undefined && version !== '1') {
    throw new KilnError('invalid_argument', `connect-protocol-version must be "1": found ${JSON.stringify(version)}`);
  }
  const timeout = header(request, 'connect-timeout-ms');
  if (timeout !== undefined && !/^\d{1,10}$/.test(timeout)) {
    throw new KilnError(
      'invalid_argument',
      `connect-timeout-ms must be 1 to 10 digits: found ${JSON.stringify(timeout)}`,
    );
  }
}

function unsupported(message: string): KilnError {
  return new KilnError('invalid_argument', message, { httpStatus: 415 });
}

function mediaType(request: IncomingMessage): string {
  return (header(request, 'content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function text(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
}
