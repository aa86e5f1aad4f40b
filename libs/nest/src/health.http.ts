import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Inject } from '@nestjs/common';
import { KilnError } from '@kiln/model';
import {
  HealthCheckResponse_ServingStatus as Status,
  HealthService,
  inflateSmall,
  readSmallBody,
  UnaryCall,
  unaryService,
} from '@kiln/rpc';
import { pathOf } from './http-error.ts';
import { OPERATIONS, type Operations } from './operations.http.ts';
import { RawPost } from './raw-route.ts';

/** A health check names a service, nothing else. */
const MAX_REQUEST_BYTES = 4 * 1024;
/** The server as a whole, and the parts of Pyroscope that probes name (contract/pyroscope.md §1.7): here they are one process. */
const NAMES: readonly string[] = ['', 'pyroscope.metastore', 'pyroscope.segment-writer'];

/** grpc.health.v1.Health by gRPC, gRPC-Web and Connect, of no tenant: what `/ready` says. `Watch` is `unimplemented`, as in Pyroscope. */
@Controller()
export class HealthHttp {
  readonly #service;

  constructor(@Inject(OPERATIONS) { checks }: Operations) {
    this.#service = unaryService(HealthService, {
      async check({ service }) {
        if (!NAMES.includes(service))
          throw new KilnError(
            'not_found',
            `there is no service ${JSON.stringify(service.slice(0, 100))}: an empty name asks for the server as a whole`,
          );
        const { ready } = await checks.look();
        return { status: ready ? Status.SERVING : Status.NOT_SERVING };
      },
    });
  }

  @RawPost('/grpc.health.v1.Health/*')
  async health(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = new UnaryCall(request, response);
    const message = await inflateSmall(
      call.message(await readSmallBody(request, MAX_REQUEST_BYTES)),
      MAX_REQUEST_BYTES,
    );
    const method = pathOf(request).split('/').at(-1)!;
    const context = { header: (name: string) => String(request.headers[name] ?? ''), setHeader: () => undefined };
    call.answer(await this.#service(method, call.isJson, message, context), {});
  }
}
