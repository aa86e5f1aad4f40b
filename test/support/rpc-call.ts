import { request as httpRequest } from 'node:http';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';

/** The three protocols that share a path, told apart by content type. */
export const protocols = ['connect', 'grpc', 'grpcweb'] as const;
export type Protocol = (typeof protocols)[number];

/** The two forms of HTTP that share the port. */
export const transports = ['http1', 'http2'] as const;
export type Transport = (typeof transports)[number];

export interface RpcRequest {
  readonly protocol: Protocol;
  readonly transport: Transport;
  /** `/package.Service/Method` */
  readonly path: string;
  readonly body: Uint8Array | string;
  readonly json?: boolean;
  /** Compress the message, and ask for a compressed answer. */
  readonly gzip?: boolean;
  /** A message that is compressed already, in the place of `body`. */
  readonly compressed?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM text of the certificate to trust, for https. */
  readonly ca?: string;
}

/** An HTTP answer as it came. */
export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; of repeated ones the first. */
  readonly headers: Readonly<Record<string, string>>;
  readonly trailers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** An answer as the protocol means it. */
export interface RpcAnswer extends RawAnswer {
  /** `ok`, or the name of the error. */
  readonly code: string;
  readonly sentence: string;
  /** The message, not compressed any more; empty for an error. */
  readonly message: Buffer;
}

const codeNames =
  'ok canceled unknown invalid_argument deadline_exceeded not_found already_exists permission_denied resource_exhausted failed_precondition aborted out_of_range unimplemented internal unavailable data_loss unauthenticated'.split(
    ' ',
  );

/**
 * A unary call by Connect, gRPC or gRPC-Web over HTTP/1.1 or h2c, framed by hand from the protocols' specifications: nothing here is shared with the server.
 * @throws Error when the answer has not the form of its protocol
 */
export async function rpcCall(url: string, request: RpcRequest): Promise<RpcAnswer> {
  const { protocol, transport, path, json = false, compressed } = request;
  const gzip = request.gzip === true || compressed !== undefined;
  const plain = Buffer.from(request.body);
  const content = compressed ?? (gzip ? gzipSync(plain, { level: 1 }) : plain);
  const subtype = json ? 'json' : 'proto';
  const headers: Record<string, string> =
    protocol === 'connect'
      ? {
          'content-type': `application/${subtype}`,
          ...(gzip ? { 'content-encoding': 'gzip', 'accept-encoding': 'gzip' } : {}),
        }
      : {
          'content-type': `application/${protocol === 'grpc' ? 'grpc' : 'grpc-web'}+${subtype}`,
          ...(protocol === 'grpc' ? { te: 'trailers' } : {}),
          ...(gzip ? { 'grpc-encoding': 'gzip', 'grpc-accept-encoding': 'gzip' } : {}),
        };
  const body = protocol === 'connect' ? content : Buffer.concat([envelope(gzip ? 1 : 0, content.length), content]);
  const raw = await rawCall(url, {
    transport,
    method: 'POST',
    path,
    headers: { ...headers, ...request.headers },
    body,
    ca: request.ca,
  });
  return readAnswer(protocol, raw);
}

export interface RawRequest {
  readonly transport: Transport;
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly ca?: string | undefined;
}

/** One HTTP request over HTTP/1.1 or h2c, on a connection of its own. */
export function rawCall(url: string, request: RawRequest): Promise<RawAnswer> {
  return request.transport === 'http1' ? http1Call(url, request) : http2Call(url, request);
}

function http1Call(url: string, { method, path, headers, body = '', ca }: RawRequest): Promise<RawAnswer> {
  const send = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const sent = send(url + path, { method, headers: { ...headers }, agent: false, ca }, (response) => {
      buffer(response).then(
        (content) =>
          resolve({
            status: response.statusCode!,
            headers: firstOf(response.headers),
            trailers: firstOf(response.trailers),
            body: content,
          }),
        reject,
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

async function http2Call(url: string, { method, path, headers, body = '', ca }: RawRequest): Promise<RawAnswer> {
  const session = connectHttp2(url, { maxSessionMemory: 200, ...(ca === undefined ? {} : { ca }) });
  const failed = new Promise<never>((_, reject) => session.on('error', reject));
  try {
    return await Promise.race([failed, streamCall(session, { ...headers, ':method': method, ':path': path }, body)]);
  } finally {
    session.destroy();
  }
}

/** One request on an HTTP/2 connection that is open. */
export async function streamCall(
  session: ClientHttp2Session,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array | string,
): Promise<RawAnswer> {
  const stream = session.request({ ...headers }, { endStream: body.length === 0 });
  let head: Record<string, string> = {};
  let trailers: Record<string, string> = {};
  stream.on('response', (found) => (head = firstOf(found)));
  stream.on('trailers', (found) => (trailers = firstOf(found)));
  if (body.length > 0) stream.end(body);
  const content = await buffer(stream);
  return { status: Number(head[':status']), headers: head, trailers, body: content };
}

function firstOf(headers: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      String(Array.isArray(value) ? value[0] : value),
    ]),
  );
}

function envelope(flag: number, length: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(length, 1);
  return head;
}

function readAnswer(protocol: Protocol, raw: RawAnswer): RpcAnswer {
  if (protocol === 'connect') return readConnect(raw);
  const type = raw.headers['content-type'] ?? '';
  const wanted = protocol === 'grpc' ? /^application\/grpc(\+|$)/ : /^application\/grpc-web(\+|$)/;
  if (raw.status !== 200 || !wanted.test(type))
    throw new Error(`${protocol} answered ${raw.status} ${JSON.stringify(type)}: ${raw.body.toString().slice(0, 300)}`);
  const frames = framesOf(raw.body);
  const messages = frames.filter(({ flag }) => flag < 128);
  const last = frames.find(({ flag }) => flag >= 128);
  const text = last === undefined ? '' : contentOf(last).toString();
  const inBody = Object.fromEntries(
    text
      .split('\r\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  if (protocol === 'grpc' && text !== '') throw new Error('a frame of trailers in a gRPC body');
  // An answer that is only an error may stand in the head.
  const trailers = protocol === 'grpcweb' ? { ...raw.headers, ...inBody } : { ...raw.headers, ...raw.trailers };
  const code = codeNames[Number(trailers['grpc-status'])];
  if (code === undefined) throw new Error(`${protocol} answered without grpc-status`);
  if (code === 'ok' && messages.length !== 1) throw new Error(`${messages.length} messages in an answer`);
  if (code !== 'ok' && messages.length > 0) throw new Error('an error with a message');
  const [first] = messages;
  const message = first === undefined ? Buffer.alloc(0) : contentOf(first);
  return { ...raw, trailers, code, sentence: decodeURIComponent(trailers['grpc-message'] ?? ''), message };
}

function readConnect(raw: RawAnswer): RpcAnswer {
  const body = raw.headers['content-encoding'] === 'gzip' ? gunzipSync(raw.body) : raw.body;
  if (raw.status === 200) return { ...raw, code: 'ok', sentence: '', message: body };
  const type = raw.headers['content-type'] ?? '';
  if (type !== 'application/json')
    throw new Error(`connect answered ${raw.status} ${JSON.stringify(type)}: ${body.toString().slice(0, 300)}`);
  const { code, message = '' } = JSON.parse(body.toString()) as { code: string; message?: string };
  return { ...raw, code, sentence: message, message: Buffer.alloc(0) };
}

interface Frame {
  readonly flag: number;
  readonly content: Buffer;
}

/** The lowest bit says that the content is compressed, also that of trailers. */
function contentOf({ flag, content }: Frame): Buffer {
  return (flag & 1) === 1 ? gunzipSync(content) : content;
}

function framesOf(body: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < body.length;) {
    const length = body.readUInt32BE(at + 1);
    if (at + 5 + length > body.length) throw new Error(`a frame of ${length} bytes, ${body.length - at - 5} left`);
    frames.push({ flag: body.readUInt8(at), content: body.subarray(at + 5, at + 5 + length) });
    at += 5 + length;
  }
  return frames;
}
