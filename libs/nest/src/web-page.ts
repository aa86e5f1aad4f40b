import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { readFile, readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';

/** A built page: one document and the assets beside it, whose names change with their content. All of it is held in memory. */
export class WebPage {
  readonly #document: Uint8Array;
  readonly #etag: string;
  readonly #assets: ReadonlyMap<string, Uint8Array>;

  private constructor(document: Uint8Array, assets: ReadonlyMap<string, Uint8Array>) {
    this.#document = document;
    this.#etag = `"${createHash('sha256').update(document).digest('base64url').slice(0, 16)}"`;
    this.#assets = assets;
  }

  /**
   * Reads `index.html` and `assets/` of a directory.
   * @throws Node's error when one of them cannot be read.
   */
  static async load(directory: string): Promise<WebPage> {
    const document = await readFile(join(directory, 'index.html'));
    const names = await readdir(join(directory, 'assets'));
    const files = names.map(async (name) => [name, await readFile(join(directory, 'assets', name))] as const);
    return new WebPage(document, new Map(await Promise.all(files)));
  }

  /** Answers with the document, which every view of the page shares. */
  sendDocument(response: ServerResponse): void {
    response
      .writeHead(200, {
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Length': this.#document.byteLength,
        'Content-Security-Policy': POLICY,
        'X-Content-Type-Options': 'nosniff',
        'Referrer-Policy': 'same-origin',
        ETag: this.#etag,
        'Cache-Control': 'no-cache',
      })
      .end(this.#document);
  }

  /** Answers with an asset; false when there is none of that name. */
  sendAsset(name: string, response: ServerResponse): boolean {
    const bytes = this.#assets.get(name);
    if (bytes === undefined) return false;
    response
      .writeHead(200, {
        'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream',
        'Content-Length': bytes.byteLength,
        'X-Content-Type-Options': 'nosniff',
        'Cache-Control': 'public, max-age=31536000, immutable',
      })
      .end(bytes);
    return true;
  }
}

/** Nothing but the page's own files and its own server. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};
