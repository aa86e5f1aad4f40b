import { request as httpRequest } from 'node:http';
import { crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ManualClock, seededRandom, systemClock } from '@kiln/async';
import type { Codecs } from '@kiln/block';
import { KilnError, parseTenantId, parseTenantIds, type LogId, type TenantId } from '@kiln/model';
import { httpDefaults, runPlatform } from '@kiln/nest';
import type { Appended, OpenLog } from '@kiln/partition-log';
import { createMetrics, silentLogger } from '@kiln/telemetry';
import { defaultLimits, type Limits } from '@kiln/tenant';
import { ActiveSeries } from './active-series.ts';
import { pushRequest, tinyPprof } from '../../../test/process/tiny-pprof.ts';
import { distributorDefaults } from './config.ts';
import { Distributor } from './distributor.ts';
import { distributorModule } from './distributor.module.ts';
import { Placer } from './placer.ts';
import { ProfileReader } from './profile-reader.ts';

const NOW = 1_800_000_000_000;
const codecs: Codecs = {
  crc32: (bytes, seed = 0) => crc32(bytes, seed),
  zstdCompress: (bytes) => zstdCompressSync(bytes),
  zstdDecompress: (bytes, maxLength) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxLength) }),
};
const message = pushRequest([
  {
    labels: { __name__: 'process_cpu', service_name: 'web' },
    profiles: [
      tinyPprof({
        type: 'cpu',
        unit: 'ns',
        timeNanos: BigInt(NOW) * 1_000_000n,
        stacks: [{ frames: ['f'], value: 1n }],
      }),
    ],
  },
]);
const head = { 'content-type': 'application/proto' };

const NO_ROOM = { [Symbol.dispose]: () => undefined };

/** The write edge on a log whose fsync takes as long as the test likes. */
async function edge(
  some: Partial<Limits> = {},
  admit: (tenant: TenantId) => void = () => undefined,
  takeRoom: (tenant: TenantId, bytes: number) => Disposable = () => NO_ROOM,
) {
  const clock = new ManualClock(NOW);
  const metrics = createMetrics({ ofProcess: false });
  const appends: PromiseWithResolvers<Appended>[] = [];
  const log: Pick<OpenLog, 'id' | 'partition' | 'append'> = {
    id: 'log-0' as LogId,
    partition: 0,
    append: () => {
      appends.push(Promise.withResolvers<Appended>());
      return appends.at(-1)!.promise;
    },
  };
  const distributor = new Distributor({ logs: [log as OpenLog], clock, random: seededRandom(1), metrics });
  const placer = new Placer({ partitions: 1, codecs, compression: 'none', clock });
  const platform = await runPlatform({
    modules: [
      distributorModule(distributorDefaults, {
        distributor,
        limits: () => ({ ...defaultLimits, ...some }),
        tenantOf: (org = 'acme') => parseTenantId(org),
        tenantsOf: (org = 'acme') => parseTenantIds(org),
        reader: new ProfileReader({ placer, series: new ActiveSeries(clock, metrics), random: seededRandom(1), clock }),
        admit,
        takeRoom,
        clock,
        metrics,
      }),
    ],
    http: { ...httpDefaults, port: 0 },
    log: silentLogger,
    metrics,
    clock: systemClock(),
    random: seededRandom(1),
    build: { version: '', revision: '', branch: '', runtime: '' },
    config: { effective: '', diff: '', defaults: '' },
    checks: [],
    shutdownDelayMs: 0,
    drainMs: 0,
  });
  onTestFinished(() => platform.stop());
  const url = `http://127.0.0.1:${platform.port}/push.v1.PusherService/Push`;
  return {
    url,
    clock,
    appends,
    push: (headers: Record<string, string>, body = message) =>
      fetch(url, { method: 'POST', headers: { ...head, ...headers }, body: new Uint8Array(body) }),
    metrics: () => metrics.text(),
    heldBytes: async () => Number(/kiln_distributor_in_flight_bytes (\d+)/.exec(await metrics.text())![1]),
  };
}

test('a push that cannot be read at all is counted by reason, with its bytes', async () => {
  const { push, metrics } = await edge();
  expect((await push({}, Uint8Array.of(0xff, 0xff))).status).toBe(400);
  expect((await push({}, new Uint8Array(0))).status).toBe(400);
  const text = await metrics();
  const counted = [...text.matchAll(/^kiln_discarded_(profiles|bytes)_total\{reason="\w+"\} (\d+)$/gm)];
  const sum = (what: string): number =>
    counted.filter(([, of]) => of === what).reduce((all, [, , n]) => all + Number(n), 0);
  expect([sum('profiles'), sum('bytes')]).toEqual([2, 2]);
});

describe('a push whose time is over', () => {
  test.each([
    [{ 'connect-timeout-ms': '100' }, message],
    [{ 'content-type': 'application/grpc-web+proto', 'grpc-timeout': '100m' }, framed(message)],
  ] as [Record<string, string>, Uint8Array][])(
    'before it is durable is told so, and that it may be stored (%o)',
    async (headers, body) => {
      const { push, appends, clock, heldBytes } = await edge();
      const answer = push(headers, body);
      await expect.poll(() => appends.length).toBe(1);
      await clock.advance(99);
      expect(await Promise.race([answer, 'waits'])).toBe('waits');
      await clock.advance(1);
      const { status } = await answer;
      const said = decodeURIComponent(await (await answer).text());
      expect(status).toBe('grpc-timeout' in headers ? 200 : 504);
      expect(said).toMatch(/deadline_exceeded|grpc-status: 4/);
      expect(said).toContain(
        'the push did not end within the 100 ms that the client allowed; it may be stored nevertheless',
      );
      // Its work goes on, and so its bytes count.
      expect(await heldBytes()).toBe(body.length);
      appends[0]!.resolve({ offset: 0, appendMs: NOW });
      await expect.poll(heldBytes).toBe(0);
    },
  );

  test('is not tried again when the log fails after that', async () => {
    const { push, appends, clock, heldBytes } = await edge();
    const answer = push({ 'connect-timeout-ms': '100' });
    await expect.poll(() => appends.length).toBe(1);
    await clock.advance(100);
    expect((await answer).status).toBe(504);
    appends[0]!.reject(new KilnError('unavailable', 'disk full'));
    await expect.poll(heldBytes).toBe(0);
    await clock.advance(20_000);
    expect(appends).toHaveLength(1);
  });

  test('before its body is in is not stored', async () => {
    const { url, appends, clock, heldBytes } = await edge();
    const answered = Promise.withResolvers<number | undefined>();
    const headers = { ...head, 'connect-timeout-ms': '100', 'content-length': String(message.length) };
    const sent = httpRequest(url, { method: 'POST', headers }, (response) => {
      answered.resolve(response.resume().statusCode);
    });
    sent.write(message.subarray(0, 10));
    await expect.poll(heldBytes).toBe(10);
    await clock.advance(100);
    expect(await answered.promise).toBe(504);
    sent.end(message.subarray(10));
    expect(await heldBytes()).toBe(0);
    await clock.advance(1000);
    expect(appends).toEqual([]);
  });
});

test('a push that is durable in time is answered, and the answer tells nothing of the log, which is of all tenants', async () => {
  const { push, appends, clock } = await edge();
  const answer = push({ 'connect-timeout-ms': '100' });
  await expect.poll(() => appends.length).toBe(1);
  appends[0]!.resolve({ offset: 7, appendMs: NOW });
  const { status, headers } = await answer;
  expect([status, [...headers].filter(([name, value]) => name.startsWith('x-') || value.includes('log-0'))]).toEqual([
    200,
    [],
  ]);
  expect(clock.sleeping).toBe(0);
});

function framed(content: Uint8Array): Uint8Array {
  const frame = new Uint8Array(5 + content.length);
  new DataView(frame.buffer).setUint32(1, content.length);
  frame.set(content, 5);
  return frame;
}

test('a push beyond max_concurrent_pushes is refused before its body is read, until another has ended', async () => {
  const { push, appends, url } = await edge({ maxConcurrentPushes: 1 });
  const first = push({});
  await expect.poll(() => appends.length).toBe(1);
  const refused = await push({});
  expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([429, expect.any(Number)]);
  expect(((await refused.json()) as { message: string }).message).toBe(
    '1 pushes of the tenant are taken in at once, limit 1 (max_concurrent_pushes, flag --distributor.max-concurrent-pushes): send again in a moment',
  );
  const ingest = await fetch(new URL('/ingest?name=a&format=pprof', url), { method: 'POST', body: 'x' });
  expect(ingest.status).toBe(429);
  appends[0]!.resolve({ offset: 0, appendMs: NOW });
  expect((await first).status).toBe(200);
  const second = push({});
  await expect.poll(() => appends.length).toBe(2);
  appends[1]!.resolve({ offset: 1, appendMs: NOW });
  expect((await second).status).toBe(200);
});

test('an artificial delay holds back the answer, not the memory, whatever comes of the push', async () => {
  const { push, appends, clock, heldBytes, url } = await edge({ ingestionArtificialDelayMs: 500 });
  const delayed = async (answer: Promise<Response>, status: number): Promise<void> => {
    await expect.poll(() => clock.sleeping).toBe(1);
    expect(await heldBytes()).toBe(0);
    await clock.advance(499);
    expect(await Promise.race([answer, 'waits'])).toBe('waits');
    await clock.advance(1);
    expect((await answer).status).toBe(status);
  };
  const pushed = push({});
  await expect.poll(() => appends.length).toBe(1);
  appends[0]!.resolve({ offset: 0, appendMs: NOW });
  await delayed(pushed, 200);
  await delayed(push({}, new Uint8Array([1])), 400);
  await delayed(fetch(new URL('/ingest?name=a&format=pprof', url), { method: 'POST', body: 'xxxxxxxxxxxx' }), 422);
});

describe('GET /api/v1/rejections', () => {
  const bad = (service: string): Uint8Array =>
    pushRequest([{ labels: { __name__: 'process_cpu', service_name: service }, profiles: [Uint8Array.of(0xff)] }]);
  const listed = async (
    url: string,
    tenant: string,
  ): Promise<{ since: number; rejections: Record<string, unknown>[] }> => {
    const response = await fetch(new URL('/api/v1/rejections', url), { headers: { 'x-scope-orgid': tenant } });
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
    return (await response.json()) as { since: number; rejections: Record<string, unknown>[] };
  };

  test('tells a tenant its refused pushes by either path, as their clients were told, and nobody else', async () => {
    const { push, url, clock } = await edge();
    const told: string[] = [];
    for (let i = 0; i < 3; i++) {
      await clock.advance(10);
      const answer = await push({ 'x-scope-orgid': 'red' }, bad('basket'));
      told.push(((await answer.json()) as { message: string }).message);
    }
    await clock.advance(10);
    const ingest = await fetch(new URL('/ingest?name=cart%7Ba=b%7D&format=jfr', url), {
      method: 'POST',
      headers: { 'x-scope-orgid': 'red' },
      body: 'x',
    });
    expect(ingest.status).toBe(415);
    await push({ 'x-scope-orgid': 'blue' }, bad('of-blue'));
    const { since, rejections } = await listed(url, 'red');
    expect(since).toBe(NOW);
    expect(rejections).toEqual([
      {
        first: NOW + 40,
        last: NOW + 40,
        times: 1,
        code: 'unimplemented',
        reason: '',
        message: ((await ingest.json()) as { message: string }).message,
        service: 'cart',
      },
      {
        first: NOW + 10,
        last: NOW + 30,
        times: 3,
        code: 'invalid_argument',
        reason: 'malformed_profile',
        message: told[2],
        service: 'basket',
      },
    ]);
    expect((await listed(url, 'green')).rejections).toEqual([]);
    // Who may read both reads both, newest first.
    const both = (await listed(url, 'red|blue')).rejections.map(({ service }) => service);
    expect(both).toEqual(['of-blue', 'cart', 'basket']);
  });

  test('tells also of what is refused before it is read: too many at once, no room', async () => {
    const full = { is: false };
    const admit = (): void => {
      if (full.is) throw new KilnError('unavailable', 'no room below storage.high-water');
    };
    const { push, url, appends } = await edge({ maxConcurrentPushes: 1 }, admit);
    const first = push({ 'x-scope-orgid': 'red' });
    await expect.poll(() => appends.length).toBe(1);
    expect((await push({ 'x-scope-orgid': 'red' })).status).toBe(429);
    full.is = true;
    expect((await push({ 'x-scope-orgid': 'red' })).status).toBe(503);
    appends[0]!.resolve({ offset: 0, appendMs: NOW });
    expect((await first).status).toBe(200);
    const codes = (await listed(url, 'red')).rejections.map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set(['resource_exhausted', 'unavailable']));
    expect(codes).toHaveLength(2);
  });

  test('asks for a tenant as every read does', async () => {
    const { url } = await edge();
    const answer = await fetch(new URL('/api/v1/rejections', url), { headers: { 'x-scope-orgid': 'no spaces' } });
    expect(answer.status).toBe(400);
  });
});

test('a push for whose records there is no room is refused before they are appended, and counted', async () => {
  const taken: number[] = [];
  const { push, appends, metrics } = await edge({}, undefined, (_, bytes) => {
    if (taken.length > 0) throw new KilnError('unavailable', 'no room', { reason: 'storage_full' });
    taken.push(bytes);
    return { [Symbol.dispose]: () => void taken.push(-bytes) };
  });
  const first = push({});
  await expect.poll(() => appends.length).toBe(1);
  expect(taken).toHaveLength(1);
  appends[0]!.resolve({ offset: 0, appendMs: NOW });
  expect((await first).status).toBe(200);
  expect(taken).toEqual([taken[0], -taken[0]!]);
  expect(taken[0]).toBeGreaterThan(50);
  expect((await push({})).status).toBe(503);
  expect(appends).toHaveLength(1);
  expect(await metrics()).toMatch(/^kiln_discarded_profiles_total\{reason="storage_full"\} 1$/m);
});
