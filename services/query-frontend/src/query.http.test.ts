import { connect as connectHttp2, constants } from 'node:http2';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ManualClock } from '@kiln/async';
import { KilnError } from '@kiln/model';
import type { QueryFrontendConfig } from './config.ts';
import type { QueryReply } from './query-calls.ts';
import { edge as edgeOver } from './test-support/edge.ts';

const PATH = '/querier.v1.QuerierService/ProfileTypes';
const reply: QueryReply = { message: Buffer.from('{}'), isGzip: false, headers: {} };

/** The edge before an answerer whose queries end when they are told to, or when their signal aborts. */
async function edge(some: Partial<QueryFrontendConfig> = {}) {
  const config = { maxConcurrent: 8, maxWaiting: 8, inFlightMaxBytes: 2_000, ...some };
  const signals: AbortSignal[] = [];
  const finish = Promise.withResolvers<QueryReply>();
  const clock = new ManualClock();
  const { port, metrics } = await edgeOver({
    config,
    clock,
    random: Math.random,
    answerer: {
      answer: (_call, signal) => {
        signals.push(signal);
        const aborted = Promise.withResolvers<never>();
        signal.addEventListener('abort', () => aborted.reject(signal.reason));
        return Promise.race([finish.promise, aborted.promise]);
      },
    },
  });
  return {
    port,
    signals,
    clock,
    finish: () => finish.resolve(reply),
    ask: (headers: Record<string, string> = {}, body: string | Uint8Array<ArrayBuffer> = '{}') =>
      fetch(`http://127.0.0.1:${port}${PATH}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-scope-orgid': 'acme', ...headers },
        body,
      }),
    /** Value of a metric line. */
    metric: async (line: string): Promise<number> => {
      const found = (await metrics.text()).split('\n').find((one) => one.startsWith(`${line} `));
      return Number(found?.slice(line.length + 1) ?? 0);
    },
  };
}

const outcome = (name: string): string => `kiln_query_frontend_queries_total{outcome="${name}"}`;
const http1 = `POST ${PATH} HTTP/1.1\r\nHost: x\r\nX-Scope-OrgID: acme\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;

describe('a query whose client leaves', () => {
  test.each(['resets', 'closes', 'closes its half of'])('and %s its HTTP/1.1 connection is stopped', async (how) => {
    const { port, signals, metric } = await edge();
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.write(http1);
    await expect.poll(() => signals.length).toBe(1);
    expect(signals[0]!.aborted).toBe(false);
    if (how === 'resets') socket.resetAndDestroy();
    else if (how === 'closes') socket.destroy();
    else socket.end();
    await expect.poll(() => signals[0]!.aborted).toBe(true);
    expect(signals[0]!.reason).toMatchObject({ code: 'canceled' });
    await expect.poll(() => metric(outcome('left'))).toBe(1);
    expect(await metric('kiln_query_frontend_running_queries')).toBe(0);
  });

  test('is stopped also where it was sent behind another on its connection', async () => {
    const { port, signals } = await edge();
    const socket = connect(port, '127.0.0.1');
    socket.write(http1 + http1);
    await expect.poll(() => signals.length).toBe(2);
    socket.destroy();
    await expect.poll(() => signals.every(({ aborted }) => aborted), { timeout: 5_000 }).toBe(true);
  });

  test('by resetting an HTTP/2 stream is stopped; another on the connection goes on', async () => {
    const { port, signals, finish } = await edge();
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    onTestFinished(() => session.destroy());
    const head = { ':method': 'POST', ':path': PATH, 'content-type': 'application/json', 'x-scope-orgid': 'acme' };
    const [leaving, staying] = [session.request(head), session.request(head)];
    const status = Promise.withResolvers<unknown>();
    staying.on('response', (headers) => status.resolve(headers[':status']));
    leaving.on('error', () => undefined);
    leaving.end('{}');
    await expect.poll(() => signals.length).toBe(1);
    staying.end('{}');
    await expect.poll(() => signals.length).toBe(2);
    leaving.close(constants.NGHTTP2_CANCEL);
    await expect.poll(() => signals[0]!.aborted).toBe(true);
    expect(signals[1]!.aborted).toBe(false);
    finish();
    expect(await status.promise).toBe(200);
  });

  test('before its turn leaves the queue', async () => {
    const { port, signals, ask, finish, metric } = await edge({ maxConcurrent: 1, maxWaiting: 8 });
    const first = ask();
    await expect.poll(() => signals.length).toBe(1);
    const socket = connect(port, '127.0.0.1');
    socket.write(http1);
    await expect.poll(() => metric('kiln_query_frontend_waiting_queries')).toBe(1);
    socket.destroy();
    await expect.poll(() => metric('kiln_query_frontend_waiting_queries')).toBe(0);
    finish();
    expect((await first).status).toBe(200);
    expect(signals).toHaveLength(1);
  });
});

describe('a query whose time is over', () => {
  test.each([
    { 'connect-timeout-ms': '1500' },
    { 'content-type': 'application/grpc-web+json', 'grpc-timeout': '1500m' },
  ] as Record<string, string>[])('is stopped and answered at once (%o)', async (headers) => {
    const { signals, ask, clock, metric } = await edge();
    const isGrpc = 'grpc-timeout' in headers;
    const answer = ask(headers, isGrpc ? new Uint8Array([0, 0, 0, 0, 2, 0x7b, 0x7d]) : '{}');
    await expect.poll(() => signals.length).toBe(1);
    await clock.advance(1499);
    expect(signals[0]!.aborted).toBe(false);
    await clock.advance(1);
    expect(KilnError.from(signals[0]!.reason).code).toBe('deadline_exceeded');
    const { status } = await answer;
    expect(status).toBe(isGrpc ? 200 : 504);
    expect(decodeURIComponent(await (await answer).text())).toContain(
      'the query did not end within the 1500 ms that the client allowed',
    );
    await expect.poll(() => metric(outcome('late'))).toBe(1);
  });

  test('before its turn leaves the queue', async () => {
    const { signals, ask, finish, clock, metric } = await edge({ maxConcurrent: 1, maxWaiting: 8 });
    const first = ask();
    await expect.poll(() => signals.length).toBe(1);
    const second = ask({ 'connect-timeout-ms': '10' });
    await expect.poll(() => metric('kiln_query_frontend_waiting_queries')).toBe(1);
    await clock.advance(10);
    expect((await second).status).toBe(504);
    finish();
    expect((await first).status).toBe(200);
    expect([signals.length, await metric('kiln_query_frontend_waiting_queries')]).toEqual([1, 0]);
  });
});

test('one too many is 429, told which setting, and when to come again', async () => {
  const { signals, ask, finish, metric } = await edge({ maxConcurrent: 1, maxWaiting: 1 });
  const first = ask();
  await expect.poll(() => signals.length).toBe(1);
  const second = ask();
  await expect.poll(() => metric('kiln_query_frontend_waiting_queries')).toBe(1);
  const third = await ask();
  expect([third.status, await third.json()]).toEqual([
    429,
    {
      code: 'resource_exhausted',
      message: expect.stringMatching(/1 wait, of at most 1 \(query-frontend.max-waiting\)/),
    },
  ]);
  expect(third.headers.get('retry-after')).toMatch(/^[123]$/);
  finish();
  expect([(await first).status, (await second).status]).toEqual([200, 200]);
  expect([await metric(outcome('answered')), await metric(outcome('refused'))]).toEqual([2, 1]);
});

test('messages of queries are bounded all together, before they are read and while; what is answered is given back', async () => {
  const { ask, finish, signals, metric } = await edge();
  const long = JSON.stringify({ labelSelector: 'x'.repeat(900) });
  const first = ask({}, long);
  await expect.poll(() => signals.length).toBe(1);
  const packed = gzipSync(JSON.stringify({ labelSelector: 'y'.repeat(1_500) }));
  expect(packed.length).toBeLessThan(100);
  for (const refused of [await ask({}, 'z'.repeat(1_200)), await ask({ 'content-encoding': 'gzip' }, packed)]) {
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/more do not fit below 2000 \(query-frontend.in-flight-max-bytes\)/),
    });
  }
  expect(await metric('kiln_query_frontend_in_flight_bytes')).toBe(long.length);
  finish();
  expect((await first).status).toBe(200);
  expect(await metric('kiln_query_frontend_in_flight_bytes')).toBe(0);
});
