import type { IncomingMessage, ServerResponse } from 'node:http';
import { TimeoutError, withTimeout, type Clock } from '@kiln/async';
import { KilnError } from '@kiln/model';
import { COMPRESSED_FRAME, frame, TRAILER_FRAME, unframe } from './envelope.ts';
import { grpcTrailers, isGrpc, isGrpcWeb } from './grpc-error.ts';
import { takesCoding } from './takes-coding.ts';

/** The content types of a unary call, by protocol; `; charset=utf-8` may follow those of JSON. */
const unaryTypes: readonly string[] = [
  'application/proto',
  'application/json',
  'application/grpc',
  'application/grpc+proto',
  'application/grpc+json',
  'application/grpc-web',
  'application/grpc-web+proto',
  'application/grpc-web+json',
];

/** The media type of a request, in lower case, without parameters. */
export function mediaType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

/**
 * The media type of a unary call whose headers its protocol allows.
 * @throws KilnError with status 415 for another type, `Accept-Post` then says which there are; `invalid_argument` or `unimplemented` for a header.
 */
export function unaryType(request: IncomingMessage, response: ServerResponse): string {
  const type = mediaType(request);
  if (!unaryTypes.includes(type)) {
    response.setHeader('Accept-Post', unaryTypes.join(', '));
    throw new KilnError(
      'invalid_argument',
      `content type ${JSON.stringify(type.slice(0, 100))} is not supported: send ${unaryTypes.join(' or ')}`,
      { httpStatus: 415 },
    );
  }
  checkHeaders(request, isGrpc(type));
  return type;
}

/** A body or message as it came; who reads it decompresses it, in the thread and within the limits that it likes. */
export interface Body {
  readonly bytes: Uint8Array;
  readonly isGzip: boolean;
}

/**
 * A unary call whose message its handler reads itself, by Connect, gRPC or gRPC-Web on the same path (contract/pyroscope.md §1.5). For messages too
 * large, or too frequent, for a generic decoder.
 */
export class UnaryCall {
  readonly isJson: boolean;
  /** Whether the client takes an answer that is compressed. */
  readonly acceptsGzip: boolean;
  /** How long the client waits; undefined = for ever. */
  readonly timeoutMs: number | undefined;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #type: string;

  /** @throws KilnError as `unaryType`. */
  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
    this.#type = unaryType(request, response);
    this.isJson = this.#type.endsWith('json');
    const grpc = isGrpc(this.#type);
    this.acceptsGzip = takesCoding(headerOf(request, grpc ? 'grpc-accept-encoding' : 'accept-encoding') ?? '', 'gzip');
    this.timeoutMs = timeoutOf(headerOf(request, grpc ? 'grpc-timeout' : 'connect-timeout-ms'));
  }

  /**
   * Does the work of the call, for as long as the client waits: its timeout (`Connect-Timeout-Ms`, `grpc-timeout`), and while it is there where
   * `left` says so. Then the signal given to `work` aborts, and the call fails at once, whatever `work` does.
   * @param what the work, in sentences: `the query`. @param hint ends the sentence when the time is over: what the client should know then.
   * @throws KilnError `deadline_exceeded`; the reason of `left`; what `work` throws.
   */
  async inTime<T>(
    clock: Clock,
    { what, hint = '', left }: { readonly what: string; readonly hint?: string; readonly left?: AbortSignal },
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (this.timeoutMs === undefined && left === undefined) return work(new AbortController().signal);
    const ms = this.timeoutMs ?? Infinity;
    try {
      return await withTimeout(clock, ms, what, work, left);
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      throw new KilnError(
        'deadline_exceeded',
        `${what} did not end within the ${ms} ms that the client allowed${hint}`,
        { cause: error },
      );
    }
  }

  /** The message in the body. @throws KilnError for a body that is not one message. */
  message(body: Body): Body {
    if (!isGrpc(this.#type)) return body;
    const { compressed, content } = unframe(body.bytes);
    if (!compressed) return { bytes: content, isGzip: false };
    const encoding = headerOf(this.#request, 'grpc-encoding') ?? 'identity';
    if (encoding !== 'gzip')
      throw new KilnError(
        'invalid_argument',
        `the message is compressed, grpc-encoding is ${JSON.stringify(encoding)}: send gzip`,
      );
    return { bytes: content, isGzip: true };
  }

  /** @param isGzip whether the message is compressed, which only a client that accepts it understands. */
  answer(message: Uint8Array | string, headers: Readonly<Record<string, string>>, isGzip = false): void {
    const content = typeof message === 'string' ? Buffer.from(message) : message;
    const response = this.#response;
    const own: Record<string, string> = { 'content-type': this.#type };
    if (!isGrpc(this.#type)) {
      own['content-length'] = String(content.length);
      own['accept-encoding'] = 'gzip';
      if (isGzip) own['content-encoding'] = 'gzip';
      response.writeHead(200, { ...headers, ...own }).end(content);
      return;
    }
    own['grpc-accept-encoding'] = 'gzip';
    if (isGzip) own['grpc-encoding'] = 'gzip';
    const framed = frame(isGzip ? COMPRESSED_FRAME : 0, content);
    if (isGrpcWeb(this.#type)) {
      const trailers = frame(TRAILER_FRAME, Buffer.from('grpc-status: 0\r\n'));
      response.writeHead(200, { ...headers, ...own }).end(Buffer.concat([framed, trailers]));
      return;
    }
    // Over HTTP/1.1 the trailers stand behind the last chunk, which is how profilecli reads them.
    if (this.#request.httpVersionMajor < 2) own['trailer'] = 'grpc-status, grpc-message';
    response.writeHead(200, { ...headers, ...own });
    response.write(framed);
    response.addTrailers(grpcTrailers());
    response.end();
  }
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6, '': 1 };

/** Milliseconds of a checked timeout: Connect's has no unit. */
function timeoutOf(text: string | undefined): number | undefined {
  const [, digits, unit] = /^(\d+)(\D?)$/.exec(text ?? '') ?? [];
  return digits === undefined ? undefined : Number(digits) * unitMs[unit!]!;
}

/** Connect's and gRPC's own headers (contract/pyroscope.md §1.5). */
function checkHeaders(request: IncomingMessage, grpc: boolean): void {
  if (grpc) {
    const encoding = headerOf(request, 'grpc-encoding') ?? 'identity';
    if (encoding !== 'gzip' && encoding !== 'identity')
      throw new KilnError(
        'unimplemented',
        `grpc-encoding ${JSON.stringify(encoding)} is not supported: send gzip or identity`,
      );
    const timeout = headerOf(request, 'grpc-timeout');
    if (timeout !== undefined && !/^\d{1,8}[HMSmun]$/.test(timeout))
      throw new KilnError(
        'invalid_argument',
        `grpc-timeout must be 1 to 8 digits and a unit of H, M, S, m, u, n: found ${JSON.stringify(timeout)}`,
      );
    return;
  }
  const version = headerOf(request, 'connect-protocol-version');
  if (version !== undefined && version !== '1')
    throw new KilnError('invalid_argument', `connect-protocol-version must be "1": found ${JSON.stringify(version)}`);
  const timeout = headerOf(request, 'connect-timeout-ms');
  if (timeout !== undefined && !/^\d{1,10}$/.test(timeout))
    throw new KilnError(
      'invalid_argument',
      `connect-timeout-ms must be 1 to 10 digits: found ${JSON.stringify(timeout)}`,
    );
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
