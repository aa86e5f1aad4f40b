import { Get, Post, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** A method of a controller that answers a request itself. What it throws is answered as JSON by the map of contract §1.4. */
export type RawMethod = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;

type RawDecorator = <M extends RawMethod>(
  target: object,
  name: string,
  method: TypedPropertyDescriptor<M>,
) => TypedPropertyDescriptor<M>;

/**
 * `@RawPost('/ingest') ingest(request, response)`: the method is given Node's own request with its body unread. No pipe, no guard's body, no parser
 * and no content type check of the framework runs before it.
 */
export function RawPost(path: string | string[]): RawDecorator {
  return rawRoute(Post(path));
}

/** As `RawPost`, for GET and HEAD. */
export function RawGet(path: string | string[]): RawDecorator {
  return rawRoute(Get(path));
}

/** Set in the configuration of a route that `platform` hands its requests to unread. */
export const RAW = 'kilnRaw';

function rawRoute(route: MethodDecorator): RawDecorator {
  return (target, name, method) => {
    const answer = method.value!;
    const unwrapped = function (this: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> | void {
      return answer.call(this, request.raw, reply.raw);
    };
    const wrapped = { ...method, value: unwrapped as unknown as typeof answer };
    Req()(target, name, 0);
    Res()(target, name, 1);
    // The calls below keep their data on the function, so they must see the one that stays.
    route(target, name, wrapped);
    RouteConfig({ [RAW]: true })(target, name, wrapped);
    return wrapped;
  };
}
