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
 * The error form of a gRPC or gRPC-Web call, with status 200: no message, the trailers in the head or in the only frame
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, Trailers-Only; PROTOCOL-WEB.md).
 */
export function grpcErrorAnswer(
  contentType: string,
  error: KilnError,
): { headers: Record<string, string>; body: Uint8Array } {
  const trailers = grpcTrailers(error);
  if (!isGrpcWeb(contentType))
    return { headers: { 'Content-Type': contentType, ...trailers }, body: new Uint8Array(0) };
  const lines = Object.entries(trailers).map(([name, value]) => `${name}: ${value}\r\n`);
  return { headers: { 'Content-Type': contentType }, body: frame(TRAILER_FRAME, Buffer.from(lines.join(''))) };
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
