import { createHash } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { readFile, readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { KilnError } from '@kiln/model';
import { takesCoding } from '@kiln/rpc';

/** A file of the page as it was built, and compressed where the build found that worth while. */
interface PageFile {
  readonly plain: Uint8Array;
  readonly br: Uint8Array | undefined;
  readonly gzip: Uint8Array | undefined;
  readonly etag: string;
}

type Coding = 'plain' | 'br' | 'gzip';

/** A built page: one document and the assets beside it, whose names change with their content. All of it is held in memory. */
export class WebPage {
  readonly #document: PageFile;
  readonly #assets: ReadonlyMap<string, PageFile>;

  private constructor(document: PageFile, assets: ReadonlyMap<string, PageFile>) {
    this.#document = document;
    this.#assets = assets;
  }

  /**
   * Reads `index.html` and `assets/` of a directory; `x.br` and `x.gz` beside a file `x` are the same compressed.
   * @throws Node's error when one of them cannot be read.
   */
  static async load(directory: string): Promise<WebPage> {
    const root = new Set(await readdir(directory));
    const names = new Set(await readdir(join(directory, 'assets')));
    const plain = [...names].filter((name) => !/\.(br|gz)$/.test(name));
    const assets = plain.map(async (name) => [name, await load(join(directory, 'assets'), name, names)] as const);
    return new WebPage(await load(directory, 'index.html', root), new Map(await Promise.all(assets)));
  }

  /** Answers with the document, which every view of the page shares, or with 304 where the client has it. */
  sendDocument(request: IncomingMessage, response: ServerResponse): void {
    send(request, response, this.#document, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': POLICY,
      'Referrer-Policy': 'same-origin',
      'Cache-Control': 'no-cache',
      // The same address answers text to who does not ask for HTML.
      Vary: 'Accept, Accept-Encoding',
    });
  }

  /** Answers with an asset. @throws KilnError `not_found` when there is none of that name. */
  sendAsset(name: string, request: IncomingMessage, response: ServerResponse): void {
    const file = this.#assets.get(name);
    if (file === undefined)
      throw new KilnError(
        'not_found',
        `the page has no file ${name.slice(0, 100)}: reload it, the server may be of another version`,
      );
    send(request, response, file, {
      'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream',
      'Cache-Control': 'public, max-age=31536000, immutable',
      Vary: 'Accept-Encoding',
    });
  }
}

async function load(directory: string, name: string, names: ReadonlySet<string>): Promise<PageFile> {
  const plain = await readFile(join(directory, name));
  const compressed = (suffix: string): Promise<Uint8Array> | undefined =>
    names.has(name + suffix) ? readFile(join(directory, name + suffix)) : undefined;
  const etag = createHash('sha256').update(plain).digest('base64url').slice(0, 16);
  return { plain, br: await compressed('.br'), gzip: await compressed('.gz'), etag };
}

function send(request: IncomingMessage, response: ServerResponse, file: PageFile, headers: OutgoingHttpHeaders): void {
  const coding = codingFor(request.headers['accept-encoding'] ?? '', file);
  // What is compressed differs in its bytes, so it has a tag of its own (RFC 9110 §8.8.3).
  const etag = coding === 'plain' ? `"${file.etag}"` : `"${file.etag}-${coding}"`;
  const all = { ...headers, ETag: etag, 'X-Content-Type-Options': 'nosniff' };
  if (isKnown(request.headers['if-none-match'], etag)) {
    response.writeHead(304, all).end();
    return;
  }
  const bytes = file[coding]!;
  const encoded = coding === 'plain' ? {} : { 'Content-Encoding': coding };
  response.writeHead(200, { ...all, ...encoded, 'Content-Length': bytes.byteLength }).end(bytes);
}

/** The smallest form of a file that the client takes. */
function codingFor(accepted: string, file: PageFile): Coding {
  if (file.br !== undefined && takesCoding(accepted, 'br')) return 'br';
  return file.gzip !== undefined && takesCoding(accepted, 'gzip') ? 'gzip' : 'plain';
}

/** Proxies that compress by themselves make a tag weak. */
function isKnown(known: string | undefined, etag: string): boolean {
  return known !== undefined && known.split(',').some((one) => one.trim().replace(/^W\//, '') === etag);
}

/** Nothing but the page's own files and its own server. The one empty `data:` is the icon; `blob:` is what is drawn for a download. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join('; ');

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};
