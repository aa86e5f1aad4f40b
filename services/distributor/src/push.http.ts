import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Inject } from '@nestjs/common';
import type { Clock } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import { RawPost } from '@kiln/nest';
import { answeredFor, traceIdOf, UnaryCall, type Body, type Held, type InFlight } from '@kiln/rpc';
import { readBody } from './body.ts';
import { readIngestRequest } from './ingest-request.ts';
import type { Intake } from './intake.ts';
import type { PushLog, SentPush } from './push-log.ts';
import type { WriteCall } from './profile-reader.ts';
import type { PushTurns } from './push-turns.ts';
import type { Rejections } from './rejections.ts';

export interface PushHttpPorts {
  readonly intake: Intake;
  readonly inFlight: InFlight;
  readonly turns: PushTurns;
  /** `ingestion_artificial_delay` of a tenant, as it is now. */
  readonly delayMsOf: (tenant: TenantId) => number;
  /** The tenant of a write, from the value of X-Scope-OrgID. */
  readonly tenantOf: (header: string | undefined) => TenantId;
  /** @throws KilnError when the tenant may store nothing more. */
  readonly admit: (tenant: TenantId) => void;
  readonly rejections: Rejections;
  readonly clock: Clock;
  readonly log: PushLog;
}

export const PUSH_HTTP_PORTS = 'kiln.push-http-ports';

const LATE = {
  what: 'the push',
  hint: '; it may be stored nevertheless, and sent again it counts once where its profiles identify themselves',
};

/** The two write paths. Bodies are read by hand: no pipe and no generic decoder sees them. */
@Controller()
export class PushHttp {
  readonly #ports: PushHttpPorts;

  constructor(@Inject(PUSH_HTTP_PORTS) ports: PushHttpPorts) {
    this.#ports = ports;
  }

  /**
   * push.v1.PusherService/Push by Connect, gRPC or gRPC-Web, protobuf or JSON (contract/pyroscope.md §1.5, §3.6). Within the client's timeout; a
   * client that leaves meant its push all the same.
   */
  @RawPost('/push.v1.PusherService/Push')
  async push(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = new UnaryCall(request, response);
    try {
      const org = header(request, 'x-scope-orgid');
      const tenant = this.#ports.tenantOf(org);
      await this.#ports.log.tell(sentPush(tenant, request), () =>
        call.inTime(this.#ports.clock, LATE, (signal) =>
          this.#taken(
            tenant,
            () => '',
            () => this.#push(tenant, request, call, signal),
            signal,
          ),
        ),
      );
      call.answer(call.isJson ? '{}' : '', answeredFor([tenant], org));
    } catch (thrown) {
      throw asConnect(thrown);
    }
  }

  /**
   * The work, answered no sooner than the tenant's artificial delay after now, whatever comes of it. What it holds is given back before; a refusal is kept
   * for its tenant to see.
   * @param service tells whose profile it is, where that is known before it is read.
   */
  async #taken<T>(tenant: TenantId, service: () => string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { admit, rejections, clock, delayMsOf } = this.#ports;
    const untilMs = clock.nowMs() + delayMsOf(tenant);
    try {
      admit(tenant);
      return await work();
    } catch (thrown) {
      rejections.note(tenant, KilnError.from(thrown), service());
      throw thrown;
    } finally {
      const leftMs = untilMs - clock.nowMs();
      if (leftMs > 0) await clock.sleep(leftMs, signal);
    }
  }

  /** Holds its bytes until the work has ended, also when its client was answered before. */
  async #push(tenant: TenantId, request: IncomingMessage, call: UnaryCall, signal: AbortSignal): Promise<void> {
    const { intake, inFlight, turns } = this.#ports;
    using _turn = turns.enter(tenant);
    const held = inFlight.open();
    try {
      const form = {
        kind: 'push',
        isJson: call.isJson,
        isBackfill: header(request, 'x-kiln-backfill') === 'true',
      } as const;
      const body = call.message(await this.#body({ tenant, form }, request, held, signal));
      await intake.write({ tenant, body, form }, signal);
    } finally {
      held.release();
    }
  }

  #body(
    { tenant, form }: Pick<WriteCall, 'tenant' | 'form'>,
    request: IncomingMessage,
    held: Held,
    signal?: AbortSignal,
  ): Promise<Body> {
    const { intake } = this.#ports;
    const announced = Number(request.headers['content-length'] ?? 0);
    const admit = () => intake.expect(tenant, form, announced);
    return intake.counted(tenant, announced, () =>
      readBody(request, intake.bodyLimitBytes(tenant), held, admit, signal),
    );
  }

  /** The older path: one profile, its name and labels in the query (contract/pyroscope.md §3). */
  @RawPost(['/ingest', '/pyroscope/ingest'])
  async ingest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const org = header(request, 'x-scope-orgid');
    const tenant = this.#ports.tenantOf(org);
    await this.#ports.log.tell(sentPush(tenant, request), () =>
      this.#taken(
        tenant,
        () => serviceOf(request),
        () => this.#ingest(tenant, request),
      ),
    );
    response.writeHead(200, { 'Content-Length': '0', ...answeredFor([tenant], org) }).end();
  }

  async #ingest(tenant: TenantId, request: IncomingMessage): Promise<void> {
    const { intake, inFlight, turns } = this.#ports;
    using _turn = turns.enter(tenant);
    const held = inFlight.open();
    try {
      const form = {
        kind: 'ingest',
        url: request.url ?? '',
        contentType: header(request, 'content-type') ?? '',
      } as const;
      // What its head says wrong is refused before the body is read.
      readIngestRequest(form.url, form.contentType, intake.nowNanos());
      const body = await this.#body({ tenant, form }, request, held);
      await intake.write({ tenant, body, form });
    } finally {
      held.release();
    }
  }
}

function sentPush(tenant: TenantId, request: IncomingMessage): SentPush {
  return { tenant, path: request.url!.split('?', 1)[0]!, traceId: traceIdOf(request) };
}

/** Of `/ingest`, as it says it: `name=app{…}`. */
function serviceOf({ url = '' }: IncomingMessage): string {
  const name = new URLSearchParams(url.slice(url.indexOf('?') + 1)).get('name') ?? '';
  return name.split('{', 1)[0]!.trim();
}

/** Connect's status follows from the code alone. */
function asConnect(thrown: unknown): KilnError {
  const error = KilnError.from(thrown);
  if (error.httpStatus === undefined) return error;
  const { code, message, reason, retryAfterSeconds, cause } = error;
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
