import type { IncomingMessage, ServerResponse } from 'node:http';
import { Controller, Inject } from '@nestjs/common';
import type { MetricsRegistry } from '@kiln/telemetry';
import { linesToPaste } from './lines-to-paste.ts';
import { RawGet } from './raw-route.ts';
import type { ReadyChecks } from './readiness.ts';
import type { WebPage } from './web-page.ts';
import { pathOf } from './http-error.ts';
import { KilnError } from '@kiln/model';

/** What the process says of its build. */
export interface BuildInfo {
  readonly version: string;
  readonly revision: string;
  readonly branch: string;
  /** The runtime, for example `node24.21.0`. */
  readonly runtime: string;
}

/** The settings of the process as YAML. */
export interface ConfigPages {
  /** All that hold. */
  readonly effective: string;
  /** Those of them that are not the default. */
  readonly diff: string;
  /** What holds when nobody sets anything. */
  readonly defaults: string;
  /** The limits of tenants that differ from those of the process, all of them or only where they differ; absent: nothing sets any. */
  readonly runtime?: (onlyDifferences: boolean) => string;
}

/** What the routes of operation read. */
export interface Operations {
  readonly checks: ReadyChecks;
  readonly metrics: MetricsRegistry;
  readonly build: BuildInfo;
  /** Of the port, and what its routes are below. */
  readonly scheme: 'http' | 'https';
  readonly pathPrefix: string;
  readonly config: ConfigPages;
  /** CPU of the process in the next seconds, as pprof; until the signal aborts. */
  readonly profile?: ((seconds: number, signal: AbortSignal) => Promise<Uint8Array>) | undefined;
  /** What browsers get at `/`. */
  readonly page: WebPage | undefined;
}

/** The token under which `Operations` are injected. */
export const OPERATIONS = 'kiln:operations';

/** The small public answers (contract/pyroscope.md §1.7): readiness, metrics, build, settings, and a page for people. */
@Controller()
export class OperationsHttp {
  readonly #operations: Operations;
  #lastLines = { url: '', text: '' };

  constructor(@Inject(OPERATIONS) operations: Operations) {
    this.#operations = operations;
  }

  /** 200 `ready`, or 503 and why; `?verbose` lists every check and what else is worth knowing. */
  @RawGet('/ready')
  async ready(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { ready, lines } = await this.#operations.checks.look();
    const verbose = new URL(request.url ?? '/', 'http://kiln').searchParams.has('verbose');
    const told = ready ? ['ready', ...(verbose ? lines : [])] : lines.filter((line) => verbose || isReason(line));
    send(response, ready ? 200 : 503, PLAIN, `${told.join('\n')}${told.length > 1 ? '\n' : ''}`);
  }

  @RawGet('/metrics')
  async metrics(_request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { metrics } = this.#operations;
    send(response, 200, metrics.contentType, await metrics.text());
  }

  @RawGet('/api/v1/status/buildinfo')
  buildInfo(request: IncomingMessage, response: ServerResponse): void {
    const { version, revision, branch, runtime } = this.#operations.build;
    const data = { version, revision, branch, buildUser: '', buildDate: '', goVersion: runtime };
    const indent = request.headers.accept?.includes('application/json+pretty') ? 2 : 0;
    send(response, 200, 'application/json', JSON.stringify({ status: 'success', data }, undefined, indent));
  }

  @RawGet('/api/v1/status/config')
  config(_request: IncomingMessage, response: ServerResponse): void {
    send(response, 200, PLAIN, this.#operations.config.effective);
  }

  @RawGet('/api/v1/status/config/diff')
  configDiff(_request: IncomingMessage, response: ServerResponse): void {
    send(response, 200, PLAIN, this.#operations.config.diff);
  }

  @RawGet('/api/v1/status/config/default')
  configDefaults(_request: IncomingMessage, response: ServerResponse): void {
    send(response, 200, PLAIN, this.#operations.config.defaults);
  }

  @RawGet('/runtime_config')
  runtimeConfig(request: IncomingMessage, response: ServerResponse): void {
    const { runtime } = this.#operations.config;
    const isDiff = new URL(request.url ?? '/', 'http://kiln').searchParams.get('mode') === 'diff';
    send(response, 200, PLAIN, runtime === undefined ? NO_RUNTIME_CONFIG : runtime(isDiff));
  }

  /**
   * The page in the browser, whose view follows from the path. Who does not ask for HTML, or asks for `?text` as the page offers to a browser without
   * scripts, gets the lines to paste.
   */
  @RawGet(['/', '/explore', '/compare'])
  page(request: IncomingMessage, response: ServerResponse): void {
    const { page } = this.#operations;
    const wantsText = request.headers.accept?.includes('text/html') !== true || /\?text(&|$)/.test(request.url ?? '');
    if (page === undefined || wantsText) {
      send(response, 200, PLAIN, this.#linesFor(request));
    } else if (isBarePrefix(request, this.#operations.pathPrefix)) {
      // The page asks for its files by relative addresses.
      response.writeHead(307, { Location: withSlash(request), 'Content-Length': 0 }).end();
    } else {
      page.sendDocument(request, response);
    }
  }

  #linesFor(request: IncomingMessage): string {
    const { scheme, pathPrefix, build } = this.#operations;
    // HTTP/2 has no Host.
    const host = request.headers.host ?? request.headers[':authority'] ?? 'localhost:4040';
    const url = `${scheme}://${String(host)}${pathPrefix}`;
    // Floods of requests ask for this text, and nearly all requests of a server name one host.
    if (this.#lastLines.url !== url) this.#lastLines = { url, text: linesToPaste(url, build.version) };
    return this.#lastLines.text;
  }

  @RawGet('/assets/*')
  asset(request: IncomingMessage, response: ServerResponse): void {
    const { page } = this.#operations;
    if (page === undefined) throw new KilnError('not_found', 'this server was started without the page');
    page.sendAsset(pathOf(request).split('/').at(-1)!, request, response);
  }
}

/** Fastify keeps the address as it was asked under that name. */
function askedUrl(request: IncomingMessage): string {
  return (request as IncomingMessage & { readonly originalUrl?: string }).originalUrl ?? request.url ?? '/';
}

/** Whether `/base` was asked where `/base/` is the page. */
function isBarePrefix(request: IncomingMessage, prefix: string): boolean {
  return prefix !== '' && pathOf(request) === '/' && askedUrl(request).split('?', 1)[0]!.endsWith(prefix);
}

/** `/a/base?x` → `./base/?x`: relative, because a proxy in front may have another prefix. */
function withSlash(request: IncomingMessage): string {
  const [path, ...query] = askedUrl(request).split('?') as [string, ...string[]];
  return [`./${path.slice(path.lastIndexOf('/') + 1)}/`, ...query].join('?');
}

const NO_RUNTIME_CONFIG = 'no file of limits by tenant is set (runtime-config.file)\n';
const PLAIN = 'text/plain; charset=utf-8';

function isReason(line: string): boolean {
  return line.includes(' not ready: ');
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response
    .writeHead(status, {
      'Content-Type': type,
      'Content-Length': Buffer.byteLength(text),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    })
    .end(text);
}
