import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '@kiln/async';
import { createMetrics, silentLogger } from '@kiln/telemetry';
import { httpDefaults, runPlatform, WebPage, type Platform } from './index.ts';

const DOCUMENT = '<!doctype html><title>Kiln</title><script src="./assets/main-1.js"></script>';
const SCRIPT = 'console.log("kiln"); '.repeat(100);
const BROWSER = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

let directory = '';
let plain: Platform;
let below: Platform;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kiln-page-'));
  await mkdir(join(directory, 'assets'));
  const files = { 'index.html': DOCUMENT, 'assets/main-1.js': SCRIPT };
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(directory, name), text);
    await writeFile(join(directory, `${name}.br`), brotliCompressSync(text));
    await writeFile(join(directory, `${name}.gz`), gzipSync(text));
  }
  await writeFile(join(directory, 'assets/mark-1.svg'), '<svg/>');
  plain = await start('');
  below = await start('/team/base');
});
afterAll(async () => {
  await Promise.all([plain.stop(), below.stop()]);
  await rm(directory, { recursive: true, force: true });
});

async function start(pathPrefix: string): Promise<Platform> {
  return runPlatform({
    modules: [],
    http: { ...httpDefaults, port: 0, pathPrefix },
    log: silentLogger,
    metrics: createMetrics({ ofProcess: false }),
    clock: systemClock(),
    random: () => 0,
    build: { version: '0.1.0', revision: 'abc', branch: 'main', runtime: 'node' },
    config: { effective: '', diff: '', defaults: '' },
    page: await WebPage.load(directory),
    checks: [],
    shutdownDelayMs: 0,
    drainMs: 5_000,
  });
}

/** As the bytes come, which fetch would decompress. */
async function get(
  path: string,
  headers: OutgoingHttpHeaders = BROWSER,
  { of = plain, method = 'GET' }: { of?: Platform; method?: string } = {},
): Promise<{ status: number; headers: IncomingMessage['headers']; body: Buffer }> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = httpRequest({ host: '127.0.0.1', port: of.port, path, method, headers }, resolve);
    asked.on('error', reject).end();
  });
  return { status: answer.statusCode!, headers: answer.headers, body: await buffer(answer) };
}

describe('the page', () => {
  it('is one document at the address of every view, and scripts of others cannot run in it', async () => {
    for (const path of ['/', '/explore', '/compare?left=%7B%7D']) {
      const { status, headers, body } = await get(path);
      expect([status, body.toString()]).toEqual([200, DOCUMENT]);
      expect(headers).toMatchObject({
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-cache',
        'x-content-type-options': 'nosniff',
        vary: 'Accept, Accept-Encoding',
      });
      const policy = new Map(
        headers['content-security-policy']!.toString()
          .split('; ')
          .map((one) => one.split(/ (.*)/) as [string, string]),
      );
      expect(policy.get('default-src')).toBe("'none'");
      for (const what of ['script-src', 'style-src', 'connect-src']) expect(policy.get(what)).toBe("'self'");
    }
  });

  it('is not sent again to who has it, whatever form that has; another version is', async () => {
    for (const coding of ['identity', 'gzip', 'br']) {
      const asked = { ...BROWSER, 'accept-encoding': coding };
      const etag = (await get('/', asked)).headers.etag!;
      for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
        const { status, headers, body } = await get('/explore', { ...asked, 'if-none-match': known });
        expect([status, headers.etag, body.length]).toEqual([304, etag, 0]);
      }
      expect((await get('/', { ...asked, 'if-none-match': '"other"' })).status).toBe(200);
    }
  });

  it('comes in the smallest form that the client takes', async () => {
    const cases: [string, string | undefined][] = [
      ['gzip, deflate, br, zstd', 'br'],
      ['br;q=0, gzip', 'gzip'],
      ['GZIP;q=0.5', 'gzip'],
      ['identity', undefined],
      ['deflate', undefined],
      ['br;q=0.0', undefined],
    ];
    for (const [accepted, coding] of cases) {
      for (const [path, text] of [
        ['/', DOCUMENT],
        ['/assets/main-1.js', SCRIPT],
      ] as const) {
        const { headers, body } = await get(path, { ...BROWSER, 'accept-encoding': accepted });
        expect([accepted, headers['content-encoding']]).toEqual([accepted, coding]);
        expect(Number(headers['content-length'])).toBe(body.length);
        const read = coding === 'br' ? brotliDecompressSync(body) : coding === 'gzip' ? gunzipSync(body) : body;
        expect(read.toString()).toBe(text);
      }
    }
    // Where the build found nothing smaller there is one form.
    const small = await get('/assets/mark-1.svg', { 'accept-encoding': 'br' });
    expect([small.headers['content-encoding'], small.body.toString()]).toEqual([undefined, '<svg/>']);
  });

  it('has files that never change under their name, and says so; another name is 404', async () => {
    const { status, headers } = await get('/assets/main-1.js', {});
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
    });
    for (const name of ['main-0.js', '..%2Findex.html', 'main-1.js.br']) {
      const answer = await get(`/assets/${name}`);
      expect([name, answer.status, answer.body.toString()]).toEqual([name, 404, expect.stringContaining('reload it')]);
    }
  });

  it('answers HEAD as GET, without the bytes; POST is not allowed', async () => {
    for (const path of ['/', '/assets/main-1.js']) {
      const whole = await get(path, { ...BROWSER, 'accept-encoding': 'br' });
      const head = await get(path, { ...BROWSER, 'accept-encoding': 'br' }, { method: 'HEAD' });
      expect([head.status, head.body.length]).toEqual([200, 0]);
      for (const name of ['etag', 'content-length', 'content-type', 'content-encoding'])
        expect(head.headers[name]).toBe(whole.headers[name]);
      expect((await get(path, BROWSER, { method: 'POST' })).status).toBe(405);
    }
  });

  it('gives way to a short text for who asks for no HTML, and for who has no scripts', async () => {
    const asked: [string, OutgoingHttpHeaders][] = [
      ['/', {}],
      ['/', { accept: '*/*' }],
      ['/explore', { accept: 'text/plain' }],
      ['/?text', BROWSER],
    ];
    for (const [path, headers] of asked) {
      const answer = await get(path, headers);
      expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
      expect(answer.body.toString()).toContain(`server_address="http://127.0.0.1:${plain.port}"`);
    }
  });
});

describe('below a prefix', () => {
  it('the page and its files are there, and the prefix alone leads to it', async () => {
    for (const path of ['/team/base/', '/team/base/explore', '/team/base//compare'])
      expect((await get(path, BROWSER, { of: below })).body.toString()).toBe(DOCUMENT);
    expect((await get('/team/base/assets/main-1.js', {}, { of: below })).body.toString()).toBe(SCRIPT);
    for (const [path, to] of [
      ['/team/base', '/team/base/'],
      ['/team/base?kind=cpu&a=?', '/team/base/?kind=cpu&a=?'],
    ] as const) {
      const { status, headers } = await get(path, BROWSER, { of: below });
      expect(status).toBe(307);
      const led = new URL(headers.location!, `http://kiln${path}`);
      expect(led.pathname + led.search).toBe(to);
    }
    for (const path of ['/', '/explore', '/assets/main-1.js', '/team/basement'])
      expect([path, (await get(path, BROWSER, { of: below })).status]).toEqual([path, 404]);
  });

  it('who asks for no HTML is not led anywhere', async () => {
    const { status, body } = await get('/team/base', { accept: '*/*' }, { of: below });
    expect([status, body.toString()]).toEqual([200, expect.stringContaining('/team/base"')]);
  });
});
