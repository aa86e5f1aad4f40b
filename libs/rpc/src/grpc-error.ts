import type { ServerResponse } from 'node:http';
import type { Code, KilnError } from '@kiln/model';
import { frame, TRAILER_FRAME } from './envelope.ts';

/** `application/grpc…` or `application/grpc-web…`, whose errors are trailers and not statuses. */
export function isGrpc(contentType: string): boolean {
  return contentType.startsWith('application/grpc');
}

export function isGrpcWeb(contentType: string): boolean {
  return contentType.startsWith('application/grpc-web');
}

/**
 * Answers a gRPC or gRPC-Web call with an error: status 200 and no message (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md,
 * Trailers-Only; PROTOCOL-WEB.md). Nothing may have been sent before.
 */
export function sendGrpcError(response: ServerResponse, contentType: string, error: KilnError): void {
  const trailers = grpcTrailers(error);
  const retry =
    error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(Math.ceil(error.retryAfterSeconds)) };
  if (isGrpcWeb(contentType)) {
    const text = Object.entries(trailers).map(([name, value]) => `${name}: ${value}\r\n`);
    response
      .writeHead(200, { 'content-type': contentType, ...retry })
      .end(frame(TRAILER_FRAME, Buffer.from(text.join(''))));
  } else response.writeHead(200, { 'content-type': contentType, ...trailers, ...retry }).end();
}

/** `grpc-status` and `grpc-message` of an error; of success without one. */
export function grpcTrailers(error?: KilnError): Record<string, string> {
  if (error === undefined) return { 'grpc-status': '0' };
  return { 'grpc-status': String(numberOf[error.code]), 'grpc-message': percentEncoded(error.message) };
}

/** gRPC's numbers of the codes (https://grpc.io/docs/guides/status-codes/). */
const numberOf: Readonly<Record<Code, number>> = {
  canceled: 1,
  unknown: 2,
  invalid_argument: 3,
  deadline_exceeded: 4,
  not_found: 5,
  already_exists: 6,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  aborted: 10,
  out_of_range: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  data_loss: 15,
  unauthenticated: 16,
};

/** Bytes of UTF-8 outside of printable ASCII, and %, as %XX. */
function percentEncoded(text: string): string {
  return Array.from(Buffer.from(text, 'utf8'), (byte) =>
    byte < 0x20 || byte > 0x7e || byte === 0x25
      ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
      : String.fromCharCode(byte),
  ).join('');
}
