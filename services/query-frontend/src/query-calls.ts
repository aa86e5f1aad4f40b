import { gzipSync } from 'node:zlib';
import { KilnError, type TenantId } from '@kiln/model';
import { QuerierService, unaryService, type UnaryService } from '@kiln/rpc';
import { showFile, type ShowFile } from './adhoc/adhoc-graph.ts';
import type { QueryContext } from './ask.ts';
import { querierService } from './querier-service.ts';
import type { QueryFrontend } from './query-frontend.ts';
import { ROUTES } from './routes/index.ts';
import { BINARY, type Route } from './routes/route.ts';
import { stacktracesMethods } from './stacktraces-methods.ts';

/** A read as it crosses threads: plain data. */
export type QueryCall = MethodCall | RouteCall | FileCall;

interface AnyCall {
  /** Whether the answer may be compressed. */
  readonly acceptsGzip: boolean;
  readonly tenants: readonly TenantId[];
  /** Those that methods look at, by name in small letters. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A call of QuerierService. */
export interface MethodCall extends AnyCall {
  readonly method: string;
  readonly isJson: boolean;
  readonly message: Uint8Array;
}

/** A read by GET. */
export interface RouteCall extends AnyCall {
  /** One of `ROUTES`. */
  readonly path: string;
  /** What follows the question mark. */
  readonly search: string;
}

/** A file to look at; the answer is `ShownFile` as JSON. */
export interface FileCall extends AnyCall, Omit<ShowFile, 'maxNodes'> {
  readonly maxNodes: bigint | undefined;
}

export interface QueryReply {
  readonly message: Uint8Array;
  readonly isGzip: boolean;
  readonly headers: Readonly<Record<string, string>>;
  /** What its queries read, for the log. */
  readonly took?: QueryTook;
}

/** The widest range of the queries of a call, Unix milliseconds, and what they read together. */
export interface QueryTook {
  readonly startMs: number;
  readonly endMs: number;
  readonly objects: number;
  readonly bytes: number;
}

/** Who answers calls: `QueryCalls` in this thread, or one in another. */
export interface QueryAnswerer {
  /** @param signal that nobody waits for the answer any more: what is not done yet need not be. */
  answer(call: QueryCall, signal: AbortSignal): Promise<QueryReply>;
}

/** Below this many bytes there is nothing to save. */
const WORTHWHILE = 1024;
/** Answers are read once: the last few per cent are not worth twice the time. */
const GZIP_LEVEL = 3;

/** Decodes, answers, encodes and compresses calls of QuerierService and reads by GET: all that takes time. */
export class QueryCalls implements QueryAnswerer {
  readonly #service: UnaryService<QueryContext>;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #frontend: QueryFrontend;

  constructor(frontend: QueryFrontend) {
    this.#frontend = frontend;
    const methods = querierService(frontend);
    this.#service = unaryService(QuerierService, { ...methods, ...stacktracesMethods(frontend) });
    this.#routes = new Map(Object.entries(ROUTES).map(([path, route]) => [path, route(frontend, methods)]));
  }

  /** @throws KilnError by the method or route; the signal's reason. */
  async answer(call: QueryCall, signal: AbortSignal): Promise<QueryReply> {
    const { tenants, headers, acceptsGzip } = call;
    const set: Record<string, string> = {};
    let took: QueryTook | undefined;
    const context: QueryContext = {
      took: ({ startMs, endMs }, { objects, bytes }) => {
        took = {
          startMs: Math.min(startMs, took?.startMs ?? startMs),
          endMs: Math.max(endMs, took?.endMs ?? endMs),
          objects: objects + (took?.objects ?? 0),
          bytes: bytes + (took?.bytes ?? 0),
        };
      },
      tenants,
      signal,
      header: (name) => headers[name] ?? '',
      setHeader: (name, value) => (set[name] = together(name, set[name], value)),
    };
    const answer = await this.#message(call, context);
    const isGzip = acceptsGzip && answer.length >= WORTHWHILE && set['content-type'] !== BINARY;
    return {
      message: isGzip ? gzipSync(answer, { level: GZIP_LEVEL }) : answer,
      isGzip,
      headers: set,
      ...(took === undefined ? {} : { took }),
    };
  }

  #message(call: QueryCall, context: QueryContext): Promise<Uint8Array> | Uint8Array {
    if ('path' in call) return this.#route(call, context);
    if ('file' in call) return this.#file(call);
    return this.#service(call.method, call.isJson, call.message, context);
  }

  #file({ maxNodes, tenants, ...asked }: FileCall): Uint8Array {
    const nodes = this.#frontend.maxNodes(tenants, maxNodes);
    const shown = showFile({ ...asked, maxNodes: nodes }, this.#frontend.limitsOf(tenants));
    return encoder.encode(JSON.stringify(shown));
  }

  async #route({ path, search }: RouteCall, context: QueryContext): Promise<Uint8Array> {
    const route = this.#routes.get(path);
    // The framework reads %2F as a slash.
    if (route === undefined)
      throw new KilnError('unimplemented', `nothing is served under ${path.slice(0, 200)}`, { httpStatus: 404 });
    const { contentType, body, fileName } = await route(new URLSearchParams(search), context);
    context.setHeader('content-type', contentType);
    if (fileName !== undefined) context.setHeader('content-disposition', `attachment; filename="${fileName}"`);
    return typeof body === 'string' ? encoder.encode(body) : body;
  }
}

const encoder = new TextEncoder();

/** A read by GET may ask several queries: each says what it took, and what may be missing is said once. */
function together(name: string, before: string | undefined, value: string): string {
  if (before === undefined) return value;
  if (name === 'server-timing') return `${before}, ${value}`;
  return before === value ? value : `${before}; ${value}`;
}
