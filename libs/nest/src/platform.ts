import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type Http2ServerRequest } from 'node:http2';
import type { DynamicModule, LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { withTimeout, type Clock, type Random } from '@kiln/async';
import { KilnError } from '@kiln/model';
import { traceIdOf } from '@kiln/rpc';
import type { CounterMetric, HistogramMetric, Logger, MetricsRegistry } from '@kiln/telemetry';
import { DebugHttp } from './debug.http.ts';
import { HealthHttp } from './health.http.ts';
import { isFault, pathOf, sendError, sendUnreadable } from './http-error.ts';
import { OPERATIONS, OperationsHttp, type BuildInfo, type ConfigPages, type Operations } from './operations.http.ts';
import { Port, type Answerer, type TlsKeys } from './port.ts';
import { RAW } from './raw-route.ts';
import { ReadyChecks, type ReadyCheck } from './readiness.ts';
import { RouteTable } from './route-table.ts';
import type { WebPage } from './web-page.ts';

/** The public port. Times in milliseconds; 0 switches a timeout off. */
export interface HttpOptions {
  readonly address: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Until the head of a request is in. */
  readonly headersTimeoutMs: number;
  /** Until a whole request is in. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  /** How long the reader of an answer may take none of it. */
  readonly writeTimeoutMs: number;
  /** Every route is served below it; '' = none. Begins with a slash and does not end with one. */
  readonly pathPrefix: string;
  /** With keys the port speaks TLS only. */
  readonly tls?: TlsKeys;
}

export const httpDefaults: HttpOptions = {
  address: '127.0.0.1',
  port: 4040,
  headersTimeoutMs: 30_000,
  requestTimeoutMs: 60_000,
  keepAliveMs: 120_000,
  writeTimeoutMs: 60_000,
  pathPrefix: '',
};

export interface PlatformOptions {
  readonly modules: readonly DynamicModule[];
  readonly http: HttpOptions;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly clock: Clock;
  /** Spreads `Retry-After`. */
  readonly random: Random;
  readonly build: BuildInfo;
  readonly config: ConfigPages;
  /** What browsers get at `/`; absent: the lines to paste. */
  readonly page?: WebPage;
  /** As `Operations` have it; absent: `/debug/pprof/profile` is unimplemented. */
  readonly profile?: Operations['profile'];
  readonly checks: readonly ReadyCheck[];
  /** Lines for `/ready?verbose` that do not make the process unready. */
  readonly notes?: () => readonly string[];
  /** How long a stopping process answers "not ready" before it stops listening. */
  readonly shutdownDelayMs: number;
  /** How long it then waits for requests in flight. */
  readonly drainMs: number;
}

/** The running port. */
export interface Platform {
  readonly address: string;
  readonly port: number;
  /** For `stop` and for tests; the same as GET /ready answers. */
  readonly checks: ReadyChecks;
  /** Not ready, stop accepting, finish what is in flight, then close the modules. The caller closes the roles behind them after it. */
  stop(): Promise<void>;
}

/**
 * Runs modules behind one public port: HTTP/1.1 and HTTP/2.
 * @throws Node's error when the port cannot be opened (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`).
 */
export async function runPlatform(options: PlatformOptions): Promise<Platform> {
  const { http, log, clock } = options;
  const checks = new ReadyChecks(clock, options.checks, options.notes);
  let port: Port | undefined;
  const adapter = new FastifyAdapter({
    skipMiddie: true,
    // One duplicate slash is enough to miss a route, and clients that append "/ingest" to "http://host/" send one.
    rewriteUrl: (request: IncomingMessage) =>
      belowPrefix(collapseSlashes(ownAddress(request.url ?? '/')), http.pathPrefix),
    clientErrorHandler: sendUnreadable,
    serverFactory: (answer: Answerer) => (port = new Port(answer, http)).server,
    return503OnClosing: false,
  });
  const requests = new Requests(adapter.getInstance(), port!, options);
  const scheme = http.tls === undefined ? 'http' : 'https';
  const { metrics, build, config, page, profile } = options;
  const operations: Operations = { checks, metrics, build, config, page, profile, scheme, pathPrefix: http.pathPrefix };
  class PlatformModule {}
  const app = await NestFactory.create<NestFastifyApplication>(
    {
      module: PlatformModule,
      imports: [...options.modules],
      controllers: [OperationsHttp, HealthHttp, DebugHttp],
      providers: [{ provide: OPERATIONS, useValue: operations }],
    },
    adapter,
    { bodyParser: false, logger: frameworkLogger(log), abortOnError: false },
  );
  app.useGlobalFilters({
    catch: (thrown, host) => {
      const reply = host.switchToHttp().getResponse<FastifyReply>().hijack();
      const { raw } = host.switchToHttp().getRequest<FastifyRequest>();
      report(log, raw, sendError(raw, reply.raw, thrown, options.random));
    },
  });
  try {
    await app.listen(http.port, http.address);
  } catch (error) {
    await app.close();
    throw error;
  }
  const { address, port: number } = app.getHttpServer().address() as AddressInfo;
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    checks.stop();
    if (options.shutdownDelayMs > 0) await clock.sleep(options.shutdownDelayMs);
    await requests.drain(options.drainMs);
    await app.close();
  };
  return { address, port: number, checks, stop: () => (stopped ??= stop()) };
}

/** A request whose answer was not taken in full yet. */
interface OpenRequest {
  readonly request: IncomingMessage;
  readonly startMs: number;
  /** When its answer was seen to be on its way; from then on its reader is timed. */
  answeredMs?: number;
}

const SWEEP_MS = 1_000;
/** How long requests of kept connections are awaited at a stop. */
const LAST_REQUESTS_MS = 1_000;
/** How long last bytes of answers are awaited after that. */
const LAST_BYTES_MS = 1_000;
/** What answers that wait for their readers may hold together. */
const MAX_WAITING_BYTES = 256 * 1024 * 1024;

/** Every request passes here first: counted, refused when nothing knows its path, or handed on unread. */
class Requests {
  readonly #server: FastifyInstance;
  readonly #port: Port;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #routes = new RouteTable();
  readonly #total: CounterMetric;
  readonly #seconds: HistogramMetric;
  readonly #http: HttpOptions;
  readonly #open = new Map<ServerResponse, OpenRequest>();
  readonly #stopSweeping = new AbortController();
  #stopping = false;
  #idle: () => void = () => undefined;

  constructor(server: FastifyInstance, port: Port, { http, log, clock, random, metrics }: PlatformOptions) {
    this.#server = server;
    this.#port = port;
    this.#http = http;
    this.#log = log;
    this.#clock = clock;
    this.#random = random;
    this.#total = metrics.counter({
      name: 'kiln_http_requests_total',
      help: 'Requests answered on the public port, by route, method and status.',
      labels: ['route', 'method', 'status'],
    });
    this.#seconds = metrics.histogram({
      name: 'kiln_http_request_seconds',
      help: 'Time from the head of a request to the end of its answer, by route.',
      labels: ['route'],
    });
    metrics.gaugeOf({ name: 'kiln_http_requests_in_flight', help: 'Requests being answered.' }, () => this.#open.size);
    void this.#sweep(this.#stopSweeping.signal);
    server.removeAllContentTypeParsers();
    server.addContentTypeParser('*', (_request, _body, done) => done(null));
    server.addHook('onRoute', ({ url, method }) => this.#routes.add(url, [method].flat()));
    server.addHook('onRequest', (request, reply, next) => this.#take(request, reply, next));
  }

  #take(request: FastifyRequest, reply: FastifyReply, next: () => void): void {
    this.#count(request, reply.raw);
    // HTTP/2 has GOAWAY for that.
    if (this.#stopping && request.raw.httpVersionMajor < 2) reply.raw.setHeader('Connection', 'close');
    if (request.is404) {
      reply.hijack();
      this.#refuse(request, reply.raw);
      return;
    }
    const { config, handler } = request.routeOptions;
    if (!(RAW in config)) {
      next();
      return;
    }
    reply.hijack();
    void this.#answer(request, reply, handler);
  }

  async #answer(request: FastifyRequest, reply: FastifyReply, handler: unknown): Promise<void> {
    try {
      await (handler as (request: FastifyRequest, reply: FastifyReply) => unknown).call(this.#server, request, reply);
    } catch (thrown) {
      report(this.#log, request.raw, sendError(request.raw, reply.raw, thrown, this.#random));
    }
  }

  #refuse(request: FastifyRequest, response: ServerResponse): void {
    const path = pathOf(request.raw);
    const allowed = this.#routes.methodsOf(path);
    if (allowed.length === 0) {
      const asked = request.originalUrl.split('?', 1)[0]!.slice(0, 200);
      const message = `nothing is served under ${asked}: GET ${this.#http.pathPrefix}/ lists what is`;
      sendError(request.raw, response, new KilnError('unimplemented', message, { httpStatus: 404 }), this.#random);
      return;
    }
    response.setHeader('Allow', allowed.join(', '));
    const message = `method ${request.method} is not allowed on ${path}: use ${allowed.join(' or ')}`;
    sendError(request.raw, response, new KilnError('unimplemented', message, { httpStatus: 405 }), this.#random);
  }

  #count(request: FastifyRequest, response: ServerResponse): void {
    const startMs = this.#clock.nowMs();
    const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none');
    const method = request.is404 ? 'any' : request.method;
    const close = (): void => {
      if (!this.#open.delete(response)) return;
      this.#total.add(1, { route, method, status: response.headersSent ? String(response.statusCode) : 'cut' });
      this.#seconds.observe((this.#clock.nowMs() - startMs) / 1000, { route });
      if (this.#open.size === 0) this.#idle();
    };
    this.#open.set(response, { request: request.raw, startMs });
    response.once('close', close);
  }

  /** Cuts, every second, what nobody goes on with: it would be held for ever. */
  async #sweep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(SWEEP_MS, signal).catch(() => undefined);
      const nowMs = this.#clock.nowMs();
      for (const [response, open] of this.#open) this.#look(response, open, nowMs);
      this.#cutWaiting(nowMs);
    }
  }

  #look(response: ServerResponse, open: OpenRequest, nowMs: number): void {
    const { requestTimeoutMs, writeTimeoutMs } = this.#http;
    const { request, startMs } = open;
    if (request.httpVersionMajor > 1) {
      // Node does this itself for HTTP/1.1.
      const isLate = requestTimeoutMs > 0 && !request.complete && nowMs - startMs >= requestTimeoutMs;
      if (isLate) cut(response, request);
    } else if (request.socket.destroyed) {
      // An answer that waits behind another on its connection is not told when that breaks.
      response.emit('close');
    }
    if (!response.headersSent || response.writableFinished || open.answeredMs !== undefined) return;
    open.answeredMs = nowMs;
    // Node's timers see the progress of a single large write.
    if (writeTimeoutMs > 0) response.setTimeout(writeTimeoutMs, () => cut(response, request));
  }

  /** Whoever has waited longest makes room. */
  #cutWaiting(nowMs: number): void {
    const answered = [...this.#open].filter(([, { answeredMs = nowMs }]) => answeredMs < nowMs);
    let waiting = answered.reduce((sum, [response]) => sum + response.writableLength, 0);
    for (const [response, { request }] of answered) {
      if (waiting <= MAX_WAITING_BYTES) return;
      waiting -= response.writableLength;
      cut(response, request);
    }
  }

  /** Stops accepting, answers what is on its way, then waits until nothing is in flight, at most `ms`. */
  async drain(ms: number): Promise<void> {
    // Connections that wait to be accepted are, before others are refused.
    await this.#clock.sleep(0);
    const closed = this.#port.stopListening();
    this.#stopping = true;
    // A client may have sent a request on a connection that still looks idle here: it is answered, and told that the connection closes.
    await Promise.race([closed, this.#clock.sleep(Math.min(LAST_REQUESTS_MS, ms))]);
    this.#port.retire();
    const idle = Promise.withResolvers<void>();
    this.#idle = idle.resolve;
    if (this.#open.size === 0) idle.resolve();
    try {
      await withTimeout(this.#clock, ms, 'requests in flight', () => idle.promise);
    } catch {
      this.#log.warn('requests cut at stop', { count: this.#open.size, waitedMs: ms });
    }
    this.#stopSweeping.abort();
    // Last bytes may still be on their way out; connections close behind them. What is left then is idle, or has had its time.
    await withTimeout(this.#clock, LAST_BYTES_MS, 'connections', () => closed).catch(() => undefined);
    this.#port.cut();
    await closed;
  }
}

/**
 * Of HTTP/1.1 the whole connection: answers that wait behind this one would go on waiting. Of HTTP/2 the stream, as an error: a reset without one says that the
 * answer was whole (RFC 9113 §8.1), and a client that still sends would wait for more.
 */
function cut(response: ServerResponse, request: IncomingMessage): void {
  if (request.httpVersionMajor > 1) {
    (request as unknown as Http2ServerRequest).stream.close(constants.NGHTTP2_CANCEL);
    response.destroy();
  } else request.socket.destroy();
}

function report(log: Logger, request: IncomingMessage, error: KilnError): void {
  if (!isFault(error)) return;
  const { method } = request;
  log.error('request failed', { method, path: pathOf(request), traceId: traceIdOf(request), code: error.code, error });
}

/**
 * `http://host/ingest?x`, as proxies ask, → `/ingest?x` (RFC 9112 §3.2.2). What is no path, or cannot be decoded, becomes a path that no route has: the
 * framework would answer it in a form of its own. HTTP/2 lets raw bytes through, which Node shows as characters of Latin-1: they are written as `%xx`.
 */
function ownAddress(asked: string): string {
  const url = asked.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`);
  const own = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?#]*(?=\/)/i, '');
  const [path] = own.split(/[?#]/, 1);
  return own.startsWith('/') && isDecodable(path!) ? own : NOWHERE;
}

function isDecodable(path: string): boolean {
  if (!path.includes('%')) return true;
  try {
    decodeURI(path);
    return true;
  } catch {
    return false;
  }
}

/** `//ingest?x=//` → `/ingest?x=//`. */
function collapseSlashes(url: string): string {
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  return path.includes('//') ? path.replaceAll(/\/{2,}/g, '/') + url.slice(path.length) : url;
}

/** What routes know: the part below the prefix. What is not below it becomes a path that no route has. */
function belowPrefix(url: string, prefix: string): string {
  if (prefix === '') return url;
  if (!url.startsWith(prefix)) return NOWHERE;
  const below = url.slice(prefix.length);
  if (below === '' || below.startsWith('?')) return `/${below}`;
  return below.startsWith('/') ? below : NOWHERE;
}

const NOWHERE = '/ no route';

/** What the framework has to say. Its errors are thrown too, and told by whoever catches them. */
function frameworkLogger(log: Logger): LoggerService {
  const text = (message: unknown): string => (message instanceof Error ? message.message : String(message));
  return {
    log: () => undefined,
    warn: (message) => log.warn('framework', { detail: text(message) }),
    error: (message) => log.debug('framework', { detail: text(message) }),
  };
}
