import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Random } from '@kiln/async';
import { KilnError, type Code } from '@kiln/model';
import { grpcErrorAnswer, isGrpc, mediaType } from '@kiln/rpc';
import { MAX_HEAD_BYTES } from './port.ts';

/** Connect's table of codes and statuses (contract/pyroscope.md §1.4). */
const statusOfCode: Readonly<Record<Code, number>> = {
  canceled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  unauthenticated: 401,
};

/** Where a plain route chose the status first, the code's name follows from it (contract/pyroscope.md §1.4, form 3). */
const codeOfStatus: Readonly<Record<number, Code>> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'unimplemented',
  412: 'failed_precondition',
  413: 'invalid_argument',
  429: 'resource_exhausted',
  431: 'resource_exhausted',
  499: 'canceled',
  502: 'unavailable',
  503: 'unavailable',
  504: 'deadline_exceeded',
};

/** The status and the code that a plain HTTP route answers for `error`. */
export function httpStatusOf(error: KilnError): { status: number; code: Code } {
  if (error.httpStatus === undefined) return { status: statusOfCode[error.code], code: error.code };
  return { status: error.httpStatus, code: codeOfStatus[error.httpStatus] ?? 'unknown' };
}

/**
 * Answers a request with an error: gRPC and gRPC-Web in their own form, everybody else as JSON `{"code","message"}`, with a spread
 * `Retry-After` where the error says so, and with every 503. A wrong method or content type is no call of any protocol, and has its HTTP status for all. After the head is sent nothing can be
 * said any more: the connection is cut, so that the client does not take a part for the whole.
 */
export function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  thrown: unknown,
  random: Random,
): KilnError {
  const error = KilnError.from(thrown);
  if (response.headersSent) {
    if (!response.writableEnded) response.destroy(error);
    return error;
  }
  const type = mediaType(request);
  const { status, code } = httpStatusOf(error);
  const inTrailers = isGrpc(type) && status !== 405 && status !== 415;
  const { headers, body } = inTrailers
    ? grpcErrorAnswer(type, error)
    : jsonAnswer(`${JSON.stringify({ code, message: error.message })}\n`);
  const waitSeconds = error.retryAfterSeconds ?? (status === 503 ? UNAVAILABLE_SECONDS : undefined);
  if (waitSeconds !== undefined) headers['Retry-After'] = retryAfter(waitSeconds, random);
  response.writeHead(inTrailers ? 200 : status, { ...headers, 'Content-Length': String(body.length) });
  endWhenSent(request, response, body);
  return error;
}

/** Answers what HTTP/1.1 cannot read, so that there is no request and no response, in the form of every other refusal, and ends the connection. */
export function sendUnreadable(found: NodeJS.ErrnoException, socket: Duplex): void {
  if (socket.writable && found.code !== 'ECONNRESET') {
    const error = unreadable(found);
    const { status, code } = httpStatusOf(error);
    const { headers, body } = jsonAnswer(`${JSON.stringify({ code, message: error.message })}\n`);
    const fields = { ...headers, 'Content-Length': String(body.length), Connection: 'close' };
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n`);
    socket.write(body);
  }
  socket.destroy(found);
}

function unreadable(found: NodeJS.ErrnoException): KilnError {
  if (found.code === 'HPE_HEADER_OVERFLOW')
    return new KilnError(
      'resource_exhausted',
      `the head of the request has more than ${MAX_HEAD_BYTES} bytes: send a shorter address, or fewer and shorter headers`,
      { httpStatus: 431 },
    );
  if (found.code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new KilnError(
      'deadline_exceeded',
      'the request was not in whole when its time was over (server.http-headers-timeout, server.http-read-timeout)',
      { httpStatus: 408 },
    );
  return new KilnError('invalid_argument', `the request is not HTTP/1.1: ${found.message}`);
}

/** Of an `unavailable` that says nothing of its end, as a full disk or a log that cannot be written. */
const UNAVAILABLE_SECONDS = 5;
/** Seconds that are added at most. */
const SPREAD_SECONDS = 2;

/** HTTP has whole seconds (RFC 9110 §10.2.3): those that are needed, and none, one or two more, so that clients refused together come back apart. */
function retryAfter(seconds: number, random: Random): string {
  return String(Math.ceil(seconds) + Math.floor(random() * (SPREAD_SECONDS + 1)));
}

function jsonAnswer(text: string): { headers: Record<string, string>; body: Uint8Array } {
  return {
    headers: { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' },
    body: Buffer.from(text),
  };
}

/** What is read and dropped of a refused request at most. */
const MAX_DRAINED_BYTES = 64 * 1024 * 1024;

/**
 * Gives a client that is still sending its answer whole, and ends it when all is sent: a connection that closes meanwhile is reset, and the client would
 * learn nothing. What still comes is dropped; past 64 MB the connection is cut, and the server's request timeout bounds the time.
 */
function endWhenSent(request: IncomingMessage, response: ServerResponse, body: Uint8Array): void {
  if (request.complete || request.destroyed || request.httpVersionMajor > 1) {
    response.end(body);
  } else {
    response.flushHeaders();
    if (body.length > 0) response.write(body);
    request.once('end', () => response.end()).once('error', () => response.destroy());
  }
  drain(request);
}

function drain(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  let dropped = 0;
  request.on('data', (chunk: Buffer) => {
    dropped += chunk.length;
    if (dropped > MAX_DRAINED_BYTES) request.destroy();
  });
  request.on('error', () => undefined);
  request.resume();
}

/** Whether the fault is ours: worth a line in the log. */
export function isFault(error: KilnError): boolean {
  return httpStatusOf(error).status >= 500 && error.code !== 'unimplemented' && error.code !== 'unavailable';
}

/** The path of a request without its query. */
export function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0]!;
}
