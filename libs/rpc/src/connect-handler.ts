import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ConnectRouter, Interceptor } from '@connectrpc/connect';
import { compressionGzip, connectNodeAdapter } from '@connectrpc/connect-node';
import { toConnectError } from './connect-error.ts';
import { mediaType, unaryTypes } from './unary-call.ts';

/** Answers one HTTP request whose body is still unread. */
export type RawHandler = (request: IncomingMessage, response: ServerResponse) => void;

export interface ConnectHandlerOptions {
  readonly routes: (router: ConnectRouter) => void;
  /** Runs before the body is read; throws to refuse, for example a request without a tenant. */
  readonly gate: (header: (name: string) => string | undefined) => void;
  /** Largest message after decompression, bytes. */
  readonly readMaxBytes: number;
  /** Hears of every failed call whose fault is ours (`internal`, `unknown`, `data_loss`). */
  readonly onFault: (method: string, error: unknown) => void;
}

const faults = new Set(['internal', 'unknown', 'data_loss']);

/**
 * Serves Connect, gRPC and gRPC-Web services on one path each, by @connectrpc/connect-node; only gzip is offered.
 * Adds what the protocol asks and that package leaves out: `Accept-Post` beside 415 (contract/pyroscope.md §1.5).
 */
export function createConnectHandler(options: ConnectHandlerOptions): RawHandler {
  const mapErrors: Interceptor = (next) => async (request) => {
    try {
      return await next(request);
    } catch (thrown) {
      const error = toConnectError(thrown);
      const cause = error.cause;
      if (cause instanceof Error && 'code' in cause && faults.has(String(cause.code)))
        options.onFault(request.method.name, thrown);
      throw error;
    }
  };
  const adapter = connectNodeAdapter({
    routes: options.routes,
    acceptCompression: [compressionGzip],
    compressMinBytes: 0,
    readMaxBytes: options.readMaxBytes,
    interceptors: [mapErrors],
    requestGate: ({ requestHeader }) => {
      try {
        options.gate((name) => requestHeader.get(name) ?? undefined);
      } catch (thrown) {
        throw toConnectError(thrown);
      }
    },
  });
  return (request, response) => {
    if (request.method === 'POST' && !unaryTypes.includes(mediaType(request))) {
      response.writeHead(415, { 'Accept-Post': unaryTypes.join(', ') }).end();
      return;
    }
    adapter(request, response);
  };
}
