import { randomBytes } from 'node:crypto';
import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { text as textOf } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { Controller, Module, type DynamicModule } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '@kiln/async';
import { KilnError } from '@kiln/model';
import { createMetrics, silentLogger } from '@kiln/telemetry';
import { httpDefaults, RawGet, RawPost, runPlatform, type HttpOptions, type Platform } from './index.ts';

/** More than the sockets of both sides hold. */
const LARGE = 64 * 1024 * 1024;
const bodies: Buffer[] = [];
let release: () => void = () => undefined;

@Controller()
class EchoHttp {
  @RawPost(['/ingest', '/pyroscope/ingest'])
  async ingest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    bodies.push(Buffer.concat(chunks));
    response.writeHead(200).end(request.url);
  }

  @RawPost('/querier.v1.QuerierService/*')
  query(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200).end(`${request.method} ${request.url}`);
  }

  @RawGet('/slow')
  async slow(_request: IncomingMessage, response: ServerResponse): Promise<void> {
    await new Promise<void>((resolve) => (release = resolve));
    response.writeHead(200).end('done');
  }

  @RawGet('/large')
  large(_request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200).end(Buffer.alloc(LARGE));
  }

  @RawGet('/streamed')
  async streamed(_request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    await pipeline(function* pieces() {
      for (let i = 0; i < 64; i++) yield Buffer.alloc(LARGE / 64);
    }, response).catch(() => undefined);
  }

  @RawPost('/refuse')
  refuse(): void {
    throw new KilnError('resource_exhausted', 'too much', { retryAfterSeconds: 1.2 });
  }

  @RawPost('/full')
  full(): void {
    throw new KilnError('unavailable', 'the disk is full');
  }

  @RawPost('/too-large')
  tooLarge(): void {
    throw new KilnError('resource_exhausted', 'too large', { httpStatus: 413 });
  }

  @RawPost('/broken')
  async broken(): Promise<void> {
    await Promise.resolve();
    throw new TypeError('x is not a function');
  }
}

@Module({ controllers: [EchoHttp] })
class EchoModule {}

/** Of the platform. */
let random = 0;
let profiles = (seconds: number): Promise<Uint8Array> => Promise.resolve(Buffer.from(`${seconds} s`));
const reasons: { ingester: string | undefined } = { ingester: undefined };

function start(module: DynamicModule = { module: EchoModule }, http: Partial<HttpOptions> = {}): Promise<Platform> {
  return runPlatform({
    modules: [module],
    http: { ...httpDefaults, port: 0, ...http },
    log: silentLogger,
    metrics: createMetrics({ ofProcess: false }),
    clock: systemClock(),
    random: () => random,
    build: { version: '0.1.0', revision: 'abc', branch: 'main', runtime: 'node' },
    config: { effective: 'a: 1\nb: 2\n', diff: 'b: 2\n', defaults: 'a: 1\nb: 1\n' },
    profile: (seconds) => profiles(seconds),
    checks: [{ name: 'ingester', reason: () => reasons.ingester }],
    notes: () => ['the header was ignored 3 times'],
    shutdownDelayMs: 0,
    drainMs: 5_000,
  });
}

let platform: Platform;
let url: string;
beforeAll(async () => {
  platform = await start();
  url = `http://127.0.0.1:${platform.port}`;
});
afterAll(() => platform.stop());

/** A push whose body is written in the given chunks, over `agent`. */
function pushChunks(agent: Agent, headers: Record<string, string>, chunks: Buffer[], at = '/ingest'): Promise<number> {
  return new Promise((resolve, reject) => {
    const push = httpRequest(`${url}${at}`, { method: 'POST', agent, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode!));
    });
    push.on('error', reject);
    for (const chunk of chunks) push.write(chunk);
    push.end();
  });
}

describe('a raw route', () => {
  const body = randomBytes(300_000);
  const types = ['application/json', 'text/plain', 'multipart/form-data; boundary=x', 'not a type at all', ''];

  test.each(types)('gets every byte unchanged under the content type %j', async (type) => {
    bodies.length = 0;
    const headers: Record<string, string> = { 'content-length': String(body.length) };
    if (type !== '') headers['content-type'] = type;
    const agent = new Agent();
    expect(await pushChunks(agent, headers, [body])).toBe(200);
    expect(bodies[0]!.equals(body)).toBe(true);
    agent.destroy();
  });

  test('gets chunked bodies, several on one connection, with content encodings untouched', async () => {
    bodies.length = 0;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const parts = [body.subarray(0, 7), body.subarray(7, 70_000), body.subarray(70_000)];
    for (let i = 0; i < 3; i++) {
      expect(await pushChunks(agent, { 'content-encoding': 'gzip', 'transfer-encoding': 'chunked' }, parts)).toBe(200);
    }
    expect(bodies.map((got) => got.equals(body))).toEqual([true, true, true]);
    agent.destroy();
  });

  test('is found under every name and with doubled slashes, which are gone when it looks', async () => {
    for (const path of ['/ingest?name=a//b', '/pyroscope/ingest', '//ingest?name=a//b', '//pyroscope///ingest']) {
      const response = await fetch(`${url}${path}`, { method: 'POST', body: 'x' });
      expect(response.status).toBe(200);
      expect(await response.text()).toBe(
        path.replace(/^\/\/ingest/, '/ingest').replace(/^\/\/pyroscope\/+/, '/pyroscope/'),
      );
    }
  });

  test('has an address as long as the labels of a series may be, over both HTTPs', async () => {
    const labels = Array.from({ length: 30 }, (_, i) => `label${i}=${'x'.repeat(2048)}`).join(',');
    const path = `/ingest?name=app%7B${labels}%7D`;
    expect((await fetch(`${url}${path}`, { method: 'POST', body: 'x' })).status).toBe(200);
    const session = connectHttp2(url);
    const stream = session.request({ ':method': 'POST', ':path': path }).end();
    expect(await textOf(stream)).toBe(path);
    session.close();
  });

  test('that refuses a body still on its way answers whole, also when the connection closes after it', async () => {
    for (const connection of ['close', 'keep-alive']) {
      const answer = await new Promise<string>((resolve, reject) => {
        const headers = { connection, 'content-type': 'application/json' };
        const sent = httpRequest(`${url}/refuse`, { method: 'POST', headers }, (response) => {
          void textOf(response).then(resolve, reject);
        });
        sent.on('error', reject).end(new Uint8Array(30 * 1024 * 1024));
      });
      expect(answer).toContain('too much');
    }
  });

  test('can stand for all below a prefix; another method is 405, for every protocol', async () => {
    const below = `${url}/querier.v1.QuerierService/Series`;
    expect(await (await fetch(below, { method: 'POST' })).text()).toBe('POST /querier.v1.QuerierService/Series');
    for (const type of ['application/json', 'application/grpc', 'application/grpc-web']) {
      const response = await fetch(below, { method: 'DELETE', headers: { 'content-type': type } });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
    }
  });
});

describe('refusals', () => {
  async function refused(method: string, path: string): Promise<[number, unknown, Headers]> {
    const response = await fetch(`${url}${path}`, { method });
    return [response.status, await response.json(), response.headers];
  }

  test('an unknown path is 404 in JSON', async () => {
    const [status, body] = await refused('GET', '/render');
    expect(status).toBe(404);
    expect(body).toEqual({ code: 'unimplemented', message: expect.stringContaining('/render') });
  });

  test('a known path with the wrong method is 405 and says what is allowed', async () => {
    const [status, , headers] = await refused('GET', '/ingest');
    expect(status).toBe(405);
    expect(headers.get('allow')).toBe('POST');
    expect((await refused('DELETE', '/ready'))[2].get('allow')).toBe('GET, HEAD');
  });

  test('an error of ours becomes its status, its code and its sentence', async () => {
    const [status, body, headers] = await refused('POST', '/refuse');
    expect([status, body]).toEqual([429, { code: 'resource_exhausted', message: 'too much' }]);
    expect(headers.get('retry-after')).toBe('2');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect((await refused('POST', '/too-large')).slice(0, 2)).toEqual([
      413,
      { code: 'invalid_argument', message: 'too large' },
    ]);
  });

  test('what is not there for now says when to come back, over every protocol', async () => {
    const asked = async (type: string): Promise<string | null> => {
      const response = await fetch(`${url}/full`, { method: 'POST', headers: { 'content-type': type }, body: '' });
      return response.headers.get('retry-after');
    };
    expect([await asked('application/json'), await asked('application/grpc')]).toEqual(['5', '5']);
    expect((await refused('POST', '/too-large'))[2].get('retry-after')).toBeNull();
  });

  test('clients that are refused together are told to come back apart', async () => {
    const told = async (one: number): Promise<string | null> => {
      random = one;
      return (await refused('POST', '/refuse'))[2].get('retry-after');
    };
    // 1.2 seconds are needed; HTTP has whole ones.
    expect([await told(0), await told(0.3), await told(0.34), await told(0.999)]).toEqual(['2', '2', '3', '4']);
    random = 0;
  });

  test('an unexpected error is 500 and the process lives on', async () => {
    expect((await refused('POST', '/broken'))[0]).toBe(500);
    expect((await fetch(`${url}/ready`)).status).toBe(200);
  });

  /** What comes back, to the end of the connection, for bytes as they are. */
  async function answered(bytes: string): Promise<[string, unknown]> {
    const socket = connect(platform.port, '127.0.0.1', () => socket.write(bytes));
    const [head = '', body = ''] = (await textOf(socket)).split('\r\n\r\n');
    return [head.split('\r\n', 1)[0]!, JSON.parse(body)];
  }

  test('garbage instead of HTTP is 400, in the form of every refusal', async () => {
    expect(await answered('nonsense\r\n\r\n')).toEqual([
      'HTTP/1.1 400 Bad Request',
      { code: 'invalid_argument', message: expect.stringMatching(/^the request is not HTTP\/1\.1: ./) },
    ]);
  });

  test('a head that is too long is 431 and says how long it may be', async () => {
    expect(await answered(`GET /ready HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`)).toEqual([
      'HTTP/1.1 431 Request Header Fields Too Large',
      { code: 'resource_exhausted', message: expect.stringMatching(/more than 65536 bytes/) },
    ]);
  });

  test.each(['*', '/%zz', '/ingest%ff', 'http://kiln', 'ftp://kiln/ready'])(
    '%s is no path of ours: 404 like every other, and no fault',
    async (target) => {
      expect(await answered(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).toEqual([
        'HTTP/1.1 404 Not Found',
        { code: 'unimplemented', message: expect.stringContaining(`nothing is served under ${target}:`) },
      ]);
    },
  );

  test('raw bytes above ASCII in an address of HTTP/2 are those that they are, as if they were written as %xx', async () => {
    const client = connectHttp2(`http://127.0.0.1:${platform.port}`);
    const path = Buffer.from('/ingest?name=é€').toString('latin1');
    const asked = client.request({ ':method': 'POST', ':path': path }).end();
    expect(await textOf(asked)).toBe('/ingest?name=%c3%a9%e2%82%ac');
    client.close();
  });

  test('an address with scheme and host is that of its path', async () => {
    const request = `POST http://kiln.example:4040//ingest?a=http://b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n`;
    const socket = connect(platform.port, '127.0.0.1', () => socket.write(`${request}Connection: close\r\n\r\n`));
    expect(await textOf(socket)).toMatch(/^HTTP\/1\.1 200 OK[^]*\/ingest\?a=http:\/\/b/);
  });
});

describe('over gRPC', () => {
  async function called(type: string, path: string): Promise<[number, Headers, string]> {
    const response = await fetch(`${url}${path}`, { method: 'POST', headers: { 'content-type': type }, body: '' });
    return [response.status, response.headers, await response.text()];
  }

  test('every refusal has the protocol’s own form: status in trailers, or in the last frame', async () => {
    const [status, headers] = await called('application/grpc', '/no.such.Service/Method');
    expect([status, headers.get('grpc-status')]).toEqual([200, '12']);
    expect(decodeURIComponent(headers.get('grpc-message')!)).toContain('/no.such.Service/Method');
    const [, refused] = await called('application/grpc+proto', '/refuse');
    expect([refused.get('grpc-status'), refused.get('grpc-message'), refused.get('retry-after')]).toEqual([
      '8',
      'too much',
      '2',
    ]);
    const [, , body] = await called('application/grpc-web+proto', '/refuse');
    expect(body).toMatch(/grpc-status: 8\r\ngrpc-message: too much\r\n$/);
  });

  test('grpc.health.v1 says what /ready says, of the names that probes use; Watch is unimplemented', async () => {
    const check = async (type: string, body: Uint8Array<ArrayBuffer> | string, method = 'Check') => {
      const path = `${url}/grpc.health.v1.Health/${method}`;
      const response = await fetch(path, { method: 'POST', headers: { 'content-type': type }, body });
      return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
    };
    const json = async (service: string) => {
      const { status, body } = await check('application/json', JSON.stringify({ service }));
      return [status, JSON.parse(body.toString())] as const;
    };
    for (const name of ['', 'pyroscope.segment-writer']) expect(await json(name)).toEqual([200, { status: 'SERVING' }]);
    expect(await json('other')).toMatchObject([404, { code: 'not_found' }]);
    const unencoded = { method: 'POST', headers: { 'content-type': 'application/json', 'content-encoding': '' } };
    expect((await fetch(`${url}/grpc.health.v1.Health/Check`, { ...unencoded, body: '{}' })).status).toBe(200);
    const empty = new Uint8Array(5);
    const grpc = await check('application/grpc', empty);
    expect(grpc.body.toString('hex')).toBe('00000000020801');
    reasons.ingester = 'replaying';
    const waiting = await check('application/grpc', empty);
    reasons.ingester = undefined;
    expect(waiting.body.toString('hex')).toBe('00000000020802');
    const watch = await check('application/grpc', empty, 'Watch');
    expect([watch.status, watch.headers.get('grpc-status')]).toEqual([200, '12']);
  });
});

describe('a path prefix', () => {
  test('stands before every route, and nothing is served beside it', async () => {
    const below = await start(undefined, { pathPrefix: '/base' });
    const at = `http://127.0.0.1:${below.port}`;
    expect(await (await fetch(`${at}/base/ready`)).text()).toBe('ready');
    const pushed = await fetch(`${at}/base//ingest?name=a`, { method: 'POST', body: 'x' });
    expect([pushed.status, await pushed.text()]).toEqual([200, '/ingest?name=a']);
    expect(await (await fetch(`${at}/base`)).text()).toContain(`server_address="${at}/base"`);
    for (const path of ['/ready', '/basement/ready', '/'])
      expect(await (await fetch(at + path)).json()).toMatchObject({
        message: `nothing is served under ${path}: GET /base/ lists what is`,
      });
    await below.stop();
  });
});

describe('what nobody goes on with is cut', () => {
  test('an answer that is not read, and an HTTP/2 request that never ends', async () => {
    const brief = await start(undefined, { writeTimeoutMs: 500, requestTimeoutMs: 500 });
    const stuck = connect(brief.port, '127.0.0.1', () => stuck.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n'));
    stuck.once('readable', () => undefined); // takes the first bytes, then no more
    const ended = new Promise((resolve) => stuck.on('error', () => undefined).on('close', resolve));
    const session = connectHttp2(`http://127.0.0.1:${brief.port}`);
    const slow = session.request({ ':method': 'POST', ':path': '/ingest' });
    slow.on('error', () => undefined).write('first');
    await new Promise((resolve) => slow.on('close', resolve));
    // Read to the end only now, to see that the end comes early.
    await new Promise((resolve) => setTimeout(resolve, 4_500));
    let bytes = 0;
    stuck.on('data', (chunk: Buffer) => (bytes += chunk.length));
    await ended;
    expect(bytes).toBeLessThan(LARGE);
    session.destroy();
    await brief.stop();
  }, 20_000);

  test('an answer that is made while it is read, and those that wait behind it', async () => {
    const brief = await start(undefined, { writeTimeoutMs: 500 });
    const inFlight = async (): Promise<number> => {
      const metrics = await (await fetch(`http://127.0.0.1:${brief.port}/metrics`)).text();
      return Number(/kiln_http_requests_in_flight (\d+)/.exec(metrics)![1]);
    };
    const stuck = connect(brief.port, '127.0.0.1', () =>
      stuck.pause().write('GET /streamed HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3)),
    );
    stuck.on('error', () => undefined);
    await expect.poll(inFlight).toBe(4); // itself included
    await expect.poll(inFlight, { timeout: 8_000 }).toBe(1);
    stuck.destroy();
    await brief.stop();
  }, 20_000);
});

describe('the small public answers', () => {
  test('/ready says why not, in text, and more when asked', async () => {
    expect(await (await fetch(`${url}/ready`)).text()).toBe('ready');
    const verbose = await (await fetch(`${url}/ready?verbose`)).text();
    expect(verbose).toBe('ready\ningester: ready\nthe header was ignored 3 times\n');
    reasons.ingester = 'replaying partition 2 of 4';
    const response = await fetch(`${url}/ready`);
    reasons.ingester = undefined;
    expect([response.status, await response.text()]).toEqual([503, 'ingester not ready: replaying partition 2 of 4']);
  });

  test('/metrics counts by route, never by what a client chose', async () => {
    await fetch(`${url}/no-such-path`);
    const text = await (await fetch(`${url}/metrics`)).text();
    expect(text).toContain('kiln_http_requests_total{route="/ready",method="GET",status="200"}');
    expect(text).toContain('route="none",method="any",status="404"');
    expect(text).not.toContain('no-such-path');
  });

  test('buildinfo is what Grafana reads', async () => {
    const plain = await fetch(`${url}/api/v1/status/buildinfo`);
    expect(await plain.json()).toMatchObject({ status: 'success', data: { version: '0.1.0', revision: 'abc' } });
    const pretty = await fetch(`${url}/api/v1/status/buildinfo`, { headers: { accept: 'application/json+pretty' } });
    expect(await pretty.text()).toContain('{\n  "status"');
  });

  test('/debug/pprof/profile is gzipped pprof of some seconds, one at a time', async () => {
    const ask = (search: string): Promise<Response> => fetch(`${url}/debug/pprof/profile${search}`);
    const answer = await ask('?seconds=2');
    expect(gunzipSync(Buffer.from(await answer.arrayBuffer())).toString()).toBe('2 s');
    expect(gunzipSync(Buffer.from(await (await ask('')).arrayBuffer())).toString()).toBe('30 s');
    for (const seconds of ['0', '301', '-1', 'x', '1.5']) {
      const refused = await ask(`?seconds=${seconds}`);
      expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('from 1 to 300')]);
    }
    const asked = Promise.withResolvers<void>();
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    const before = profiles;
    profiles = () => {
      asked.resolve();
      return promise;
    };
    const first = ask('');
    await asked.promise;
    const second = await ask('');
    profiles = before;
    resolve(Buffer.from('done'));
    expect([second.status, (await first).status, (await ask('?seconds=1')).status]).toEqual([429, 200, 200]);
  });

  test('settings are served as text: all, changed, defaults; the lines to paste name them', async () => {
    const lines = await (await fetch(`${url}/`)).text();
    for (const [path, want] of [
      ['/api/v1/status/config', 'a: 1\nb: 2\n'],
      ['/api/v1/status/config/diff', 'b: 2\n'],
      ['/api/v1/status/config/default', 'a: 1\nb: 1\n'],
    ] as const) {
      const response = await fetch(`${url}${path}`);
      expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      expect(await response.text()).toBe(want);
    }
    expect(lines).toContain(`GET  ${url}/api/v1/status/config `);
    expect((await fetch(`${url}/api/v1/status/config`, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${url}/api/v1/status/config/other`)).status).toBe(404);
  });

  test('the lines to paste have the address they were asked under, and are never HTML', async () => {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const asked = httpRequest(`${url}/`, { headers: { host: 'kiln"><script>', accept: 'text/html' } }, resolve);
      asked.on('error', reject).end();
    });
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
    });
    expect(await textOf(answer)).toContain('server_address="http://kiln"><script>"');
  });
});

test('a stop refuses new connections, finishes what is in flight, and is not ready', async () => {
  const other = await start();
  const slow = fetch(`http://127.0.0.1:${other.port}/slow`);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const stopped = other.stop();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await other.checks.look()).ready).toBe(false);
  await expect(fetch(`http://127.0.0.1:${other.port}/ready`)).rejects.toThrow('fetch failed');
  release();
  expect(await (await slow).text()).toBe('done');
  await stopped;
});

test('a port that is taken is an error with its code', async () => {
  await expect(
    runPlatform({
      modules: [],
      http: { ...httpDefaults, port: platform.port },
      log: silentLogger,
      metrics: createMetrics({ ofProcess: false }),
      clock: systemClock(),
      random: () => random,
      build: { version: '', revision: '', branch: '', runtime: '' },
      config: { effective: '', diff: '', defaults: '' },
      checks: [],
      shutdownDelayMs: 0,
      drainMs: 0,
    }),
  ).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
