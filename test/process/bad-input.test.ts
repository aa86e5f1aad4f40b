import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { findLeaks } from '../support/markers.ts';
import { requireService } from '../support/services.ts';
import { pushRequest, tinyPprof } from './tiny-pprof.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const PUSH = '/push.v1.PusherService/Push';
const PROTO = { 'content-type': 'application/proto' };
const JSON_TYPE = { 'content-type': 'application/json' };
const MIB = 1024 * 1024;

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

describe.skipIf(!built)('whatever a client sends', { timeout: 120_000 }, () => {
  let dir = '';
  let kiln: RunningKiln;
  /** A well-behaved neighbour that pushes all the time. */
  const neighbour = { acknowledged: 0n, refused: 0, stop: false, done: Promise.resolve() };

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kiln-bad-'));
    kiln = await startKiln({
      dataDir: join(dir, 'data'),
      flags: ['--auth.multitenancy-enabled=true', '--ingester.cut-max-age=3s'],
    });
    neighbour.done = (async () => {
      while (!neighbour.stop) {
        const { status } = await send(
          'POST',
          PUSH,
          { ...PROTO, 'x-scope-orgid': 'neighbour' },
          series([profile(3n, undefined, 'NEIGHBOUR')]),
        );
        if (status === 200) neighbour.acknowledged += 3n;
        else neighbour.refused++;
        await sleep(20);
      }
    })();
  });

  afterAll(async () => {
    neighbour.stop = true;
    await neighbour.done;
    await kiln.stop();
    await rm(dir, { recursive: true, force: true });
  });

  function send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body: Uint8Array | string = '',
    chunked = false,
  ): Promise<Answer> {
    return new Promise((done, fail) => {
      const length = chunked ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      const request = httpRequest(
        kiln.url + path,
        { method, headers: { 'x-scope-orgid': 'hostile', ...length, ...headers } },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('end', () => done({ status: response.statusCode!, headers: response.headers, text }));
        },
      );
      request.on('error', fail);
      request.end(body);
    });
  }

  let made = 0;
  function profile(
    value: bigint,
    timeNanos = BigInt(Date.now()) * 1_000_000n + BigInt(++made),
    frame = 'HOSTILE',
  ): Uint8Array {
    return tinyPprof({ type: 'cpu', unit: 'ns', timeNanos, stacks: [{ frames: ['leaf', frame], value }] });
  }

  function good(value: bigint): Uint8Array {
    return series([profile(value)]);
  }

  function series(profiles: Uint8Array[], labels: Record<string, string> = {}): Uint8Array {
    return pushRequest([{ labels: { __name__: 'process_cpu', service_name: 'shop', ...labels }, profiles }]);
  }

  async function total(tenant: string, service = 'shop'): Promise<bigint> {
    const body = JSON.stringify({
      profileTypeID: 'process_cpu:cpu:ns::',
      labelSelector: `{service_name="${service}"}`,
      start: String(Date.now() - 600_000),
      end: String(Date.now() + 600_000),
    });
    const { text } = await send(
      'POST',
      '/querier.v1.QuerierService/SelectMergeStacktraces',
      { ...JSON_TYPE, 'x-scope-orgid': tenant },
      body,
    );
    return BigInt((JSON.parse(text) as { flamegraph: { total?: string } }).flamegraph.total ?? '0');
  }

  const rss = async (): Promise<number> =>
    Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${kiln.pid}/status`, 'utf8'))![1]) / 1024;

  async function refusedPush(
    body: Uint8Array | string,
    headers: Record<string, string> = PROTO,
  ): Promise<[number, string, string]> {
    const { status, text } = await send('POST', PUSH, headers, body);
    const { code, message } = JSON.parse(text) as { code: string; message: string };
    return [status, code, message];
  }

  test('another content type is 415 and told which', async () => {
    const { status, headers, text } = await send('POST', PUSH, { 'content-type': 'text/plain' }, good(1n));
    expect([status, headers['accept-post']]).toEqual([
      415,
      expect.stringMatching(/^application\/proto, application\/json, /),
    ]);
    expect(text).toContain('text/plain');
    expect((await send('POST', PUSH, {}, good(1n))).status).toBe(415);
  });

  test('broken JSON, broken protobuf and broken gzip are 400 with the place', async () => {
    expect(await refusedPush('{"series":', JSON_TYPE)).toEqual([
      400,
      'invalid_argument',
      expect.stringContaining('not JSON'),
    ]);
    expect(await refusedPush('{"series":[{"samples":[{"rawProfile":3}]}]}', JSON_TYPE)).toEqual([
      400,
      'invalid_argument',
      expect.stringContaining('series[0].samples[0].rawProfile'),
    ]);
    expect(await refusedPush(Uint8Array.of(10, 200, 1, 2))).toEqual([
      400,
      'invalid_argument',
      expect.stringMatching(/byte \d/),
    ]);
    const broken = gzipSync(good(1n));
    broken[15] = broken[15]! ^ 0x55;
    expect(await refusedPush(broken, { ...PROTO, 'content-encoding': 'gzip' })).toEqual([
      400,
      'invalid_argument',
      expect.stringContaining('gzip'),
    ]);
    expect(await refusedPush(good(1n), { ...PROTO, 'content-encoding': 'br' })).toEqual([
      501,
      'unimplemented',
      expect.stringContaining('"br"'),
    ]);
    expect(await refusedPush('')).toEqual([400, 'invalid_argument', expect.stringContaining('no profiles received')]);
  });

  test('what is no profile is never a fault of the server', async () => {
    for (const raw of ['', 'hello', '{"a":1}', '\u001f\u008b', 'GIF89a', '\0'.repeat(50)]) {
      const [status, code] = await refusedPush(series([Buffer.from(raw, 'latin1')]));
      expect([raw, status, code]).toEqual([raw, 400, 'invalid_argument']);
      const ingest = await send('POST', '/ingest?name=app&format=pprof', {}, Buffer.from(raw, 'latin1'));
      expect([raw, ingest.status]).toEqual([raw, raw === '' ? 200 : 422]);
    }
  });

  test('a format that is not read yet is 415, naming the one that is', async () => {
    for (const query of ['format=jfr', 'format=folded', 'format=speedscope', 'format=trie', '']) {
      const { status, text } = await send('POST', `/ingest?name=app&${query}`, {}, 'a;b 3\n');
      expect([query, status, text]).toEqual([query, 415, expect.stringContaining('this version reads pprof')]);
    }
  });

  test('no tenant is 401; a bad one, and two for a write, 400; a read may name several', async () => {
    for (const [tenant, status] of [
      ['', 401],
      ['a/b', 400],
      ['..', 400],
      ['__x', 400],
      ['a|b', 400],
      ['a||b', 400],
      ['x'.repeat(151), 400],
      ['%2e%2e', 400],
    ] as const) {
      expect([tenant, (await send('POST', PUSH, { ...PROTO, 'x-scope-orgid': tenant }, good(1n))).status]).toEqual([
        tenant,
        status,
      ]);
      expect([
        tenant,
        (await send('POST', '/ingest?name=a&format=pprof', { 'x-scope-orgid': tenant }, profile(1n))).status,
      ]).toEqual([tenant, status]);
      const read = await send(
        'POST',
        '/querier.v1.QuerierService/ProfileTypes',
        { ...JSON_TYPE, 'x-scope-orgid': tenant },
        '{}',
      );
      expect([tenant, read.status]).toEqual([tenant, tenant === 'a|b' ? 200 : status]);
    }
  });

  test('labels over a limit are refused by the limit’s name', async () => {
    const [status, code, message] = await refusedPush(series([profile(1n)], { big: 'x'.repeat(10_000_000) }));
    expect([status, code, message]).toEqual([
      400,
      'invalid_argument',
      expect.stringMatching(/10000000 bytes, limit 2048 \(max_label_value_length\)/),
    ]);
    expect(message.length).toBeLessThan(500);
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`l${i}`, 'v']));
    expect(await refusedPush(series([profile(1n)], many))).toEqual([
      400,
      'invalid_argument',
      expect.stringContaining('max_label_names_per_series'),
    ]);
  });

  test('a body of 300 MB is refused, announced or not, and costs no memory', async () => {
    const before = await rss();
    const large = new Uint8Array(300 * MIB);
    const announced = await send('POST', '/ingest?name=a&format=pprof', {}, large).catch(() => undefined);
    if (announced !== undefined)
      expect([announced.status, announced.text]).toEqual([413, expect.stringContaining('ingestion_body_limit_mb')]);
    const chunked = await send('POST', '/ingest?name=a&format=pprof', {}, large, true).catch(() => undefined);
    if (chunked !== undefined)
      expect([chunked.status, chunked.text]).toEqual([413, expect.stringContaining('ingestion_body_limit_mb')]);
    expect(announced ?? chunked).toBeDefined();
    await sleep(500);
    expect((await rss()) - before).toBeLessThan(450);
  });

  test('gzip bombs are refused at the limit', async () => {
    const before = await rss();
    const bomb = gzipSync(new Uint8Array(1024 * MIB), { level: 1 });
    const [status, code, message] = await refusedPush(bomb, { ...PROTO, 'content-encoding': 'gzip' });
    expect([status, code, message]).toEqual([
      429,
      'resource_exhausted',
      expect.stringContaining('ingestion_body_limit_mb'),
    ]);
    expect(await refusedPush(series([bomb]))).toEqual([
      400,
      'invalid_argument',
      expect.stringContaining('max_profile_size_bytes'),
    ]);
    await sleep(500);
    expect((await rss()) - before).toBeLessThan(600);
  });

  test('a profile of too many samples is refused, one too deep is cut at the leaf and stored', async () => {
    const stacks = Array.from({ length: 20_000 }, (_, i) => ({ frames: [`f${i % 50}`], value: 1n }));
    const many = tinyPprof({ type: 'cpu', unit: 'ns', timeNanos: 0n, stacks });
    expect(await refusedPush(series([many]))).toEqual([
      400,
      'invalid_argument',
      expect.stringMatching(/20000, limit 16000 \(max_profile_stacktrace_samples\)/),
    ]);
    // A million samples of two bytes each: 0x12 is the tag of a sample.
    const million = new Uint8Array(2_000_000);
    for (let i = 0; i < million.length; i += 2) million[i] = 0x12;
    expect(await refusedPush(series([million]))).toEqual([400, 'invalid_argument', expect.any(String)]);
    const deep = tinyPprof({
      type: 'cpu',
      unit: 'ns',
      timeNanos: 0n,
      stacks: [{ frames: Array.from({ length: 100_000 }, (_, i) => `f${i % 3}`), value: 5n }],
    });
    expect((await send('POST', PUSH, PROTO, series([deep], { service_name: 'deep' }))).status).toBe(200);
    for (let i = 0; i < 50 && (await total('hostile', 'deep')) === 0n; i++) await sleep(50);
    expect(await total('hostile', 'deep')).toBe(5n);
  });

  test('negative values are dropped, sums that int64 cannot carry are refused', async () => {
    const stacks = [
      { frames: ['a'], value: -1n },
      { frames: ['b'], value: 4n },
    ];
    const negative = tinyPprof({ type: 'cpu', unit: 'ns', timeNanos: 0n, stacks });
    expect((await send('POST', PUSH, PROTO, series([negative], { service_name: 'negative' }))).status).toBe(200);
    for (let i = 0; i < 50 && (await total('hostile', 'negative')) === 0n; i++) await sleep(50);
    expect(await total('hostile', 'negative')).toBe(4n);
    const max = 2n ** 63n - 1n;
    const over = tinyPprof({
      type: 'cpu',
      unit: 'ns',
      timeNanos: 0n,
      stacks: [
        { frames: ['a'], value: max },
        { frames: ['a'], value: 1n },
      ],
    });
    expect(await refusedPush(series([over]))).toEqual([
      400,
      'out_of_range',
      expect.stringContaining('9223372036854775807'),
    ]);
    const ingest = await send('POST', '/ingest?name=a&format=pprof', {}, over);
    expect([ingest.status, ingest.text]).toEqual([422, expect.stringContaining('9223372036854775807')]);
    for (let i = 0; i < 2; i++) {
      expect((await send('POST', PUSH, PROTO, series([profile(max)], { service_name: 'huge' }))).status).toBe(200);
    }
    await sleep(500);
    const body = JSON.stringify({
      profileTypeID: 'process_cpu:cpu:ns::',
      labelSelector: '{service_name="huge"}',
      start: String(Date.now() - 60_000),
      end: String(Date.now() + 60_000),
    });
    const answer = await send('POST', '/querier.v1.QuerierService/SelectMergeStacktraces', JSON_TYPE, body);
    expect([answer.status, answer.text]).toEqual([
      400,
      expect.stringMatching(/out_of_range.*18446744073709551614.*9223372036854775807/),
    ]);
  });

  test('a time in 1970 or 2100 is refused on Push; /ingest takes its own time for 1970', async () => {
    for (const seconds of [1n, 4_102_444_800n]) {
      const [status, code, message] = await refusedPush(series([profile(1n, seconds * 1_000_000_000n)]));
      expect([status, code, message]).toEqual([
        400,
        'invalid_argument',
        expect.stringMatching(/(1970|2100)-01-01.*reject_(older|newer)_than/),
      ]);
    }
    expect((await send('POST', '/ingest?name=a&format=pprof', {}, profile(1n, 1_000_000_000n))).status).toBe(200);
    expect(
      (await send('POST', '/ingest?name=a&format=pprof', {}, profile(1n, 4_102_444_800_000_000_000n))).status,
    ).toBe(422);
  });

  test('other methods are 405 with Allow, unknown paths 404, doubled slashes are one', async () => {
    for (const path of ['/ingest', PUSH, '/pyroscope/ingest']) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const { status, headers } = await send(method, path, {});
        expect([path, method, status, headers['allow']]).toEqual([path, method, 405, 'POST']);
      }
    }
    expect((await send('POST', '/render', {})).status).toBe(404);
    expect((await send('POST', `/${PUSH}`, PROTO, good(1n))).status).toBe(200);
    expect((await send('POST', '//ingest?name=a&format=pprof', {}, profile(1n))).status).toBe(200);
    expect((await send('POST', '/pyroscope/ingest?name=a&format=pprof', {}, profile(1n))).status).toBe(200);
  });

  test('chunks, a kept connection and Expect: 100-continue are served', async () => {
    expect((await send('POST', PUSH, PROTO, good(1n), true)).status).toBe(200);
    expect((await send('POST', PUSH, { ...PROTO, expect: '100-continue' }, good(1n))).status).toBe(200);
    const { port } = new URL(kiln.url);
    const body = Buffer.from(good(1n));
    const head = `POST ${PUSH} HTTP/1.1\r\nHost: x\r\nX-Scope-OrgID: hostile\r\nContent-Type: application/proto\r\nContent-Length: ${body.length}\r\n\r\n`;
    const socket = connect(Number(port), '127.0.0.1');
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    for (let i = 0; i < 3; i++) socket.write(Buffer.concat([Buffer.from(head), body]));
    for (let i = 0; i < 100 && received.split('HTTP/1.1 200').length < 4; i++) await sleep(20);
    socket.destroy();
    expect(received.split('HTTP/1.1 200')).toHaveLength(4);
  });

  test('and the neighbour lost nothing, saw nothing of it, and the server is well', async () => {
    neighbour.stop = true;
    await neighbour.done;
    expect(neighbour.refused).toBe(0);
    for (let i = 0; i < 100 && (await total('neighbour')) !== neighbour.acknowledged; i++) await sleep(50);
    expect(await total('neighbour')).toBe(neighbour.acknowledged);
    expect(await total('neighbour', 'deep')).toBe(0n);
    expect((await send('GET', '/ready', {})).text).toContain('ready');
    expect(kiln.output()).not.toMatch(/level=error|NEIGHBOUR|HOSTILE/);
    const markers = ['neighbour', 'hostile'].map((tenant) => ({ tenant, word: tenant.toUpperCase() }));
    expect(await findLeaks(join(dir, 'data'), markers)).toEqual([]);
  });
});
