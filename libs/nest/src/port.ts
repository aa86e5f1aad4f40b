import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { constants, createServer as createHttp2, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { Server as NetServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

export type Answerer = (request: IncomingMessage, response: ServerResponse) => void;

/** PEM texts. */
export interface TlsKeys {
  readonly cert: string;
  readonly key: string;
}

export interface PortOptions {
  /** Until the head of a request is in, or a connection has said which protocol it speaks; milliseconds, 0 = any time. */
  readonly headersTimeoutMs: number;
  /** Until a whole request of HTTP/1.1 is in; those of HTTP/2 are their owner's care. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  /** With keys the port speaks TLS only, and ALPN chooses between h2 and http/1.1. */
  readonly tls?: TlsKeys;
}

/** What an HTTP/2 connection begins with when nobody negotiated it (RFC 9113 §3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/**
 * The head of a request of HTTP/1.1, as much as nghttp2 takes in one of HTTP/2: `/ingest` has the labels in its address, and 30 of 2,048 bytes each are
 * within a tenant's limits. Node's own bound is a quarter of it.
 */
export const MAX_HEAD_BYTES: number = 64 * 1024;
const STREAMS_PER_CONNECTION = 250;
/**
 * So many streams of one read are answered as they come; the others when it is over, when those are known that were reset in it (rapid reset), so many in
 * a turn, that everybody else has theirs between them.
 */
const STREAMS_AT_ONCE = 16;
/** Streams that a client may reset at once, and a second: each was a request that somebody worked for. */
const RESETS_AT_ONCE = 250;
const RESETS_PER_SECOND = 25;
/** What one connection may hold, answers included: a large flame graph and others beside it. */
const SESSION_MEGABYTES = 128;
/** Bytes that may be on their way: a push of 32 MiB should not wait for a window update each 64 KiB. */
const STREAM_WINDOW = 1024 * 1024;
const CONNECTION_WINDOW = 4 * 1024 * 1024;

/**
 * One TCP port for HTTP/1.1 and HTTP/2. In clear text the first bytes tell them apart (h2c by prior knowledge; an `Upgrade: h2c` stays HTTP/1.1, as
 * RFC 9113 §3.1 allows); under TLS ALPN does. Both call the same `answer`: Node's HTTP/2 requests look like those of HTTP/1.1.
 */
export class Port {
  /** The listening server: HTTP/1.1 with its connections, and all sockets. */
  readonly server: Server;
  readonly #http2: Http2Server;
  readonly #options: PortOptions;
  /** Sockets that belong to neither protocol yet. */
  readonly #undecided = new Set<Socket>();
  readonly #sessionGate = new Gate(1);
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(answer: Answerer, options: PortOptions) {
    this.#options = options;
    const { headersTimeoutMs, requestTimeoutMs, keepAliveMs, tls } = options;
    const http1Options = {
      // Node refuses a head that may take longer than the whole.
      headersTimeout: requestTimeoutMs === 0 ? headersTimeoutMs : Math.min(headersTimeoutMs, requestTimeoutMs),
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: MAX_HEAD_BYTES,
      connectionsCheckingInterval: 5_000,
    };
    this.server =
      tls === undefined
        ? createServer(http1Options, answer)
        : createHttps({ ...http1Options, ...tls, ALPNProtocols: ['h2', 'http/1.1'] }, answer);
    this.#http2 = this.#makeHttp2(answer);
    // Node's own listener turns a connection into HTTP/1.1; ours stands before it.
    const event = tls === undefined ? 'connection' : 'secureConnection';
    const [http1] = this.server.listeners(event) as ((socket: Socket) => void)[];
    this.server.removeAllListeners(event);
    const take = (socket: Socket, isHttp2: boolean): void => {
      if (isHttp2) this.#beginSession(socket);
      else http1!.call(this.server, socket);
    };
    if (tls === undefined) this.server.on('connection', (socket) => this.#sniff(socket, take));
    else this.server.on('secureConnection', (socket: TLSSocket) => take(socket, socket.alpnProtocol === 'h2'));
  }

  /** Takes no new connections; those that are there go on. Resolves when all of them are closed. */
  stopListening(): Promise<void> {
    // Node's own close of an HTTP server cuts idle connections at once.
    return new Promise((resolve) => NetServer.prototype.close.call(this.server, () => resolve()));
  }

  /** Requests under way are finished; connections take no new ones and close. */
  retire(): void {
    for (const socket of this.#undecided) socket.destroy();
    for (const session of this.#sessions) session.close();
    this.server.closeIdleConnections();
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#undecided) socket.destroy();
    for (const session of this.#sessions) session.destroy();
    this.server.closeAllConnections();
  }

  #makeHttp2(answer: Answerer): Http2Server {
    const { keepAliveMs } = this.#options;
    const http2 = createHttp2({
      maxSessionMemory: SESSION_MEGABYTES,
      streamResetBurst: RESETS_AT_ONCE,
      streamResetRate: RESETS_PER_SECOND,
      settings: { maxConcurrentStreams: STREAMS_PER_CONNECTION, initialWindowSize: STREAM_WINDOW },
    });
    const turn = new Turn();
    const gate = new Gate(STREAMS_AT_ONCE);
    http2.on('request', (request, response) => {
      const { stream } = request;
      const { session } = stream;
      // The compatibility API has what the handlers use.
      const take = (): void => answer(request as unknown as IncomingMessage, response as unknown as ServerResponse);
      if (session === undefined) return; // destroyed below, and the read goes on
      const opened = turn.opened(session);
      if (opened <= STREAMS_AT_ONCE) take();
      else if (opened <= STREAMS_PER_CONNECTION) gate.enter(() => stream.destroyed || take());
      // More than may be open came in one read: they were reset in the same breath, and Node's own limit looks only after the read.
      else session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    });
    http2.on('session', (session) => {
      this.#sessions.add(session);
      session.setLocalWindowSize(CONNECTION_WINDOW);
      session.once('close', () => this.#sessions.delete(session));
      session.on('error', () => undefined); // broken frames: the session is gone, nobody else is
      if (keepAliveMs > 0) session.setTimeout(keepAliveMs, () => session.close());
    });
    http2.on('sessionError', () => undefined);
    return http2;
  }

  /** Many that begin at once, each with all it may send before it is shown the door, leave every other connection its turn between two of them. */
  #beginSession(socket: Socket): void {
    this.#undecided.add(socket.on('error', ignore));
    this.#sessionGate.enter(() => {
      this.#undecided.delete(socket.off('error', ignore));
      if (socket.destroyed) return;
      // Sockets of Node's HTTP/1.1 server stay open when the client closes its side; a session would then live on until it is idle for long.
      socket.allowHalfOpen = false;
      this.#http2.emit('connection', socket);
      if (socket.isPaused()) process.nextTick(() => socket.resume());
    });
  }

  /** Reads until the protocol is known, then gives everything back to the socket. */
  #sniff(socket: Socket, take: (socket: Socket, isHttp2: boolean) => void): void {
    let seen: Buffer = Buffer.alloc(0);
    const forget = (): void => {
      this.#undecided.delete(socket);
      socket.off('data', look).off('close', forget).off('error', ignore).off('timeout', end);
      socket.setTimeout(0);
    };
    const end = (): void => {
      forget();
      socket.destroy();
    };
    const look = (chunk: Buffer): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const length = Math.min(seen.length, PREFACE.length);
      const isPreface = PREFACE.compare(seen, 0, length, 0, length) === 0;
      if (isPreface && length < PREFACE.length) return;
      forget();
      socket.pause();
      socket.unshift(seen);
      take(socket, isPreface);
      if (!isPreface) process.nextTick(() => socket.resume());
    };
    this.#undecided.add(socket);
    socket.setTimeout(this.#options.headersTimeoutMs);
    socket.on('data', look).on('close', forget).on('error', ignore).on('timeout', end);
  }
}

function ignore(): void {
  // A connection that breaks before it said anything concerns nobody.
}

/** Lets so many through in each turn of the event loop, from the next one on. */
class Gate {
  readonly #perTurn: number;
  readonly #waiting: (() => void)[] = [];

  constructor(perTurn: number) {
    this.#perTurn = perTurn;
  }

  enter(task: () => void): void {
    if (this.#waiting.push(task) === 1) setImmediate(() => this.#next());
  }

  #next(): void {
    if (this.#waiting.length > this.#perTurn) setImmediate(() => this.#next());
    for (const task of this.#waiting.splice(0, this.#perTurn)) task();
  }
}

/** One turn of the event loop, in which a whole read of each session is heard. */
class Turn {
  readonly #opened = new Map<object, number>();

  /** How many streams this session opened in the turn, with this one. */
  opened(session: object): number {
    if (this.#opened.size === 0) setImmediate(() => this.#opened.clear());
    const count = (this.#opened.get(session) ?? 0) + 1;
    this.#opened.set(session, count);
    return count;
  }
}
