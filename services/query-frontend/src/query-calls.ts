import { gzipSync } from 'node:zlib';
import type { TenantId } from '@kiln/model';
import { QuerierService, unaryService, type UnaryService } from '@kiln/rpc';
import { querierService, type QueryContext } from './querier-service.ts';
import type { QueryFrontend } from './query-frontend.ts';

/** A call of QuerierService as it crosses threads: plain data. */
export interface QueryCall {
  readonly method: string;
  readonly isJson: boolean;
  /** Whether the answer may be compressed. */
  readonly acceptsGzip: boolean;
  readonly message: Uint8Array;
  readonly tenants: readonly TenantId[];
  /** Those that methods look at, by name in small letters. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface QueryReply {
  readonly message: Uint8Array;
  readonly isGzip: boolean;
  readonly headers: Readonly<Record<string, string>>;
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

/** Decodes, answers, encodes and compresses calls of QuerierService: all that takes time. */
export class QueryCalls implements QueryAnswerer {
  readonly #service: UnaryService<QueryContext>;

  constructor(frontend: QueryFrontend) {
    this.#service = unaryService(QuerierService, querierService(frontend));
  }

  /** @throws KilnError by the method; the signal's reason. */
  async answer(
    { method, isJson, acceptsGzip, message, tenants, headers }: QueryCall,
    signal: AbortSignal,
  ): Promise<QueryReply> {
    const set: Record<string, string> = {};
    const context: QueryContext = {
      tenants,
      signal,
      header: (name) => headers[name] ?? '',
      setHeader: (name, value) => (set[name] = value),
    };
    const answer = await this.#service(method, isJson, message, context);
    const isGzip = acceptsGzip && answer.length >= WORTHWHILE;
    return { message: isGzip ? gzipSync(answer, { level: GZIP_LEVEL }) : answer, isGzip, headers: set };
  }
}
