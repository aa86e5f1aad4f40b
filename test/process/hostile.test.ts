import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect as connectHttp2, constants, type ClientHttp2Session } from 'node:http2';
import { connect, Socket } from 'node:net';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { MarkedTenants, manyTenants } from '../support/marked-tenants.ts';
import { long, requireService } from '../support/services.ts';
import { Bystander, rssMib } from './bystander.ts';
import { pushRequest, tinyPprof } from './tiny-pprof.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const MIB = 1024 * 1024;
const PUSH = '/push.v1.PusherService/Push';
const MERGE = '/querier.v1.QuerierService/SelectMergeProfile';
/** The hostile client's, in a head and in a list of headers. */
const ORG = { 'x-scope-orgid': 'hostile' };
const ORG_LINE = 'X-Scope-OrgID: hostile\r\n';
const times = long ? 10 : 1;
/** A timeout of the server below, and how often it looks. */
const CUT_MS = 2_000 + 5_000;
/** Answers of `/ready` take less. */
const READY_MS = 1_000;

/** Whatever one client does, the process keeps its memory, answers probes, and takes the pushes of others. */
describe.skipIf(!built)('a hostile client', { timeout: 120_000 }, () => {
  let dir = '';
  let kiln: RunningKiln;
  let port = 0;
  let bystander: Bystander;
  let neighbours: MarkedTenants;
  let open: { destroy(): unknown }[] = [];
  let before = 0;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'kiln-hostile-'));
    kiln = await startKiln({
      dataDir: dir,
      flags: [manyTenants, ...['headers', 'read', 'write'].map((what) => `--server.http-${what}-timeout=2s`)],
    });
    port = Number(new URL(kiln.url).port);
    neighbours = new MarkedTenants(dir);
    await neighbours.push(kiln.url);
    bystander = new Bystander(kiln.url, kiln.pid, 'bystander');
    await sleep(500);
  });
  afterAll(async () => {
    await bystander.stop();
    await kiln.kill();
    rmSync(dir, { recursive: true, force: true });
  });
  beforeEach(async () => {
    await bystander.seen();
    before = rssMib(kiln.pid);
  });
  afterEach(() => {
    for (const one of open) one.destroy();
    open = [];
  });

  /** Nobody else was harmed. Memory is allowed so many MiB more than before. */
  async function unharmed(moreMib: number): Promise<void> {
    await sleep(200);
    const seen = await bystander.seen();
    process.stdout.write(
      `hostile: /ready ${Math.round(seen.readyMs)} ms, ${Math.round(seen.rssMib - before)} MiB more\n`,
    );
    expect(seen.refused).toEqual([]);
    expect(seen.acknowledged).toBeGreaterThan(0);
    expect(seen.readyMs).toBeLessThan(READY_MS * crowding());
    expect(seen.rssMib - before).toBeLessThan(moreMib);
  }

  /** A connection, and when the server closes it. */
  function dial(said: string | Uint8Array = ''): { socket: Socket; closed: Promise<void> } {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    open.push(socket);
    socket.on('error', () => undefined);
    socket.write(said);
    socket.resume();
    const closed = new Promise<void>((resolve) => {
      socket.once('end', resolve).once('close', () => resolve());
    });
    return { socket, closed };
  }

  function session(): ClientHttp2Session {
    const opened = connectHttp2(kiln.url);
    open.push(opened);
    opened.on('error', () => undefined);
    return opened;
  }

  /** Writes a byte now and then until the connection is gone. */
  function drip(socket: Socket): void {
    const timer = setInterval(() => socket.write('x'), 250);
    socket.once('end', () => clearInterval(timer)).once('close', () => clearInterval(timer));
  }

  async function within(ms: number, all: readonly Promise<unknown>[]): Promise<boolean> {
    return Promise.race([Promise.all(all).then(() => true), sleep(ms * crowding(), false)]);
  }

  test('that sends its head byte by byte is cut (slow loris)', async () => {
    const dialled = Array.from({ length: 300 * times }, () => dial(`POST ${PUSH} HTTP/1.1\r\nHost: `));
    for (const { socket } of dialled) drip(socket);
    expect(
      await within(
        CUT_MS + 5_000,
        dialled.map(({ closed }) => closed),
      ),
    ).toBe(true);
    await unharmed(150); // the first of all: threads and compiled code are in it
  });

  test('row 42: that sends its body byte by byte is cut, over both HTTPs', async () => {
    const head = `POST ${PUSH} HTTP/1.1\r\nHost: x\r\n${ORG_LINE}Content-Type: application/proto\r\nContent-Length: 100000000\r\n\r\n`;
    const dialled = Array.from({ length: 150 * times }, () => dial(head));
    for (const { socket } of dialled) drip(socket);
    const codes = new Set<number>();
    const streams = Array.from({ length: 10 * times }, session).flatMap((one) =>
      Array.from({ length: 20 }, () => {
        const stream = one.request({ ':method': 'POST', ':path': PUSH, ...ORG, 'content-type': 'application/grpc' });
        stream.on('error', () => undefined).resume();
        const timer = setInterval(() => stream.write('x'), 250);
        return new Promise<void>((resolve) => stream.once('close', () => resolve())).then(() => {
          clearInterval(timer);
          codes.add(stream.rstCode);
        });
      }),
    );
    expect(await within(CUT_MS + 5_000, [...dialled.map(({ closed }) => closed), ...streams])).toBe(true);
    // Without an error a reset would say that the answer was whole.
    expect([...codes]).toEqual([constants.NGHTTP2_CANCEL]);
    await unharmed(150);
  });

  test('that says nothing, half a preface, or closes its half of the connection is let go', async () => {
    const silent = Array.from({ length: 200 * times }, (_, i) => dial(i % 2 === 0 ? '' : 'PRI * HTTP/2.0\r\n'));
    const halves = [
      '',
      'GET /re',
      'PRI * HT',
      `POST ${PUSH} HTTP/1.1\r\nHost: x\r\n${ORG_LINE}Content-Length: 10\r\n\r\nabc`,
    ].map((said) => {
      const dialled = dial(said);
      dialled.socket.end();
      return dialled;
    });
    expect(
      await within(
        CUT_MS + 5_000,
        [...silent, ...halves].map(({ closed }) => closed),
      ),
    ).toBe(true);
    await unharmed(100);
  });

  test('row 42: that asks for much and reads nothing is cut, and its answers are not piled up', async () => {
    await pushLarge();
    const asked = JSON.stringify({
      profileTypeID: 'process_cpu:cpu:ns::',
      labelSelector: '{service_name="large"}',
      start: 1,
      end: Date.now() + 60_000,
    });
    const head = `POST ${MERGE} HTTP/1.1\r\nHost: x\r\n${ORG_LINE}Content-Type: application/json\r\nContent-Length: ${asked.length}\r\n\r\n`;
    const stuck = Array.from({ length: 3 }, () => {
      const { socket } = dial();
      socket.pause();
      // Pipelined: the next answers wait behind the first.
      socket.write((head + asked).repeat(4));
      return socket;
    });
    const sessions = Array.from({ length: 1 }, session).map((one) => {
      for (let i = 0; i < 8; i++) {
        const stream = one.request({ ':method': 'POST', ':path': MERGE, ...ORG, 'content-type': 'application/json' });
        stream.on('error', () => undefined).pause();
        stream.end(asked);
      }
      return one;
    });
    const count = async (): Promise<number> => {
      const metrics = await (await fetch(`${kiln.url}/metrics`)).text();
      return Number(/kiln_http_requests_in_flight (\d+)/.exec(metrics)![1]);
    };
    await sleep(500);
    expect(await count()).toBeGreaterThan(5);
    await expect.poll(count, { timeout: 60_000, interval: 250 }).toBeLessThan(5);
    expect(stuck.length + sessions.length).toBe(4);
    await unharmed(900);
  });

  test('that asks a thousand large questions at once and leaves is refused the most, and nobody goes on with the rest', async () => {
    await pushLarge();
    const asked = JSON.stringify({
      profileTypeID: 'process_cpu:cpu:ns::',
      labelSelector: '{service_name="large"}',
      start: 1,
      end: Date.now() + 60_000,
    });
    const metric = async (line: string): Promise<number> => {
      const metrics = await (await fetch(`${kiln.url}/metrics`)).text();
      const found = metrics.split('\n').find((one) => one.startsWith(`${line} `));
      return Number(found?.slice(line.length) ?? 0);
    };
    const outcomes = (outcome: string): Promise<number> =>
      metric(`kiln_query_frontend_queries_total{outcome="${outcome}"}`);
    const begun = [await outcomes('left'), await outcomes('refused')];
    const refused: (string | undefined)[] = [];
    const sessions = Array.from({ length: 4 }, session);
    for (const one of sessions) {
      for (let i = 0; i < 240; i++) {
        const stream = one.request({ ':method': 'POST', ':path': MERGE, ...ORG, 'content-type': 'application/json' });
        stream
          .on('error', () => undefined)
          .on('response', (head) => {
            if (head[':status'] === 429) refused.push(head['retry-after']);
          });
        stream.resume().end(asked);
      }
    }
    await expect.poll(() => refused.length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(await metric('kiln_query_frontend_running_queries')).toBeLessThanOrEqual(4);
    expect(await metric('kiln_query_frontend_waiting_queries')).toBeLessThanOrEqual(256);
    for (const one of sessions) one.destroy();
    await expect.poll(() => metric('kiln_query_frontend_waiting_queries'), { timeout: 20_000 }).toBe(0);
    await expect.poll(() => metric('kiln_query_frontend_running_queries'), { timeout: 20_000 }).toBe(0);
    expect(await outcomes('left')).toBeGreaterThan(begun[0]!);
    expect(await outcomes('refused')).toBeGreaterThanOrEqual(begun[1]! + refused.length);
    expect(refused.every((seconds) => /^[123]$/.test(seconds!))).toBe(true);
    await unharmed(900);
  });

  test('with 5,000 idle connections is borne', async () => {
    for (let dialled = 0; dialled < 5_000; dialled += 250) {
      const some = Array.from({ length: 250 }, () => dial('GET /ready HTTP/1.1\r\nHost: x\r\n\r\n'));
      await Promise.all(some.map(({ socket }) => new Promise((resolve) => socket.once('data', resolve))));
    }
    expect(open.filter((one) => one instanceof Socket && !one.destroyed)).toHaveLength(5_000);
    await sleep(2_000);
    await unharmed(250);
  });

  test('that floods heads is refused', async () => {
    const floods = [
      `GET /ready HTTP/1.1\r\nHost: x\r\n${'x: y\r\n'.repeat(100_000)}`,
      `GET /ready HTTP/1.1\r\nHost: x\r\nx: ${'y'.repeat(1_000_000)}\r\n\r\n`,
      `GET /${'y'.repeat(1_000_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    ];
    const dialled = Array.from({ length: 100 * times }, (_, i) => dial(floods[i % floods.length]!));
    expect(
      await within(
        20_000,
        dialled.map(({ closed }) => closed),
      ),
    ).toBe(true);
    const one = session();
    const answers = Array.from({ length: 50 }, (_, i) => {
      const more =
        i % 2 === 0
          ? { x: 'y'.repeat(60_000) }
          : Object.fromEntries(Array.from({ length: 3_000 }, (__, j) => [`x${j}`, 'y']));
      const stream = one.request({ ':path': '/ready', ...more });
      stream.on('error', () => undefined).resume();
      return new Promise<void>((resolve) => stream.once('close', () => resolve()));
    });
    expect(await within(20_000, answers)).toBe(true);
    await unharmed(150);
  });

  test('that opens and resets streams as fast as it can is shown the door (rapid reset)', async () => {
    const gone: Promise<void>[] = [];
    for (let i = 0; i < 5 * times; i++) {
      const { socket, closed } = dial(Buffer.concat([PREFACE, frame(4, 0, 0, Buffer.alloc(0))]));
      gone.push(closed);
      const head = frame(1, 5, 0, Buffer.from([0x82, 0x84, 0x86, 0x41, 0x01, 0x78]));
      const reset = frame(3, 0, 0, Buffer.from([0, 0, 0, 8]));
      const burst: Buffer[] = [];
      for (let id = 1; id < 20_000; id += 2) {
        for (const part of [head, reset]) {
          const own = Buffer.from(part);
          own.writeUInt32BE(id, 5);
          burst.push(own);
        }
      }
      socket.write(Buffer.concat(burst));
    }
    expect(await within(15_000, gone)).toBe(true);
    await unharmed(150);
  });

  test('that floods pings and settings and does not read is shown the door', async () => {
    const kinds = [frame(6, 0, 0, Buffer.alloc(8)), frame(4, 0, 0, Buffer.alloc(0))];
    const gone = kinds.flatMap((kind) =>
      Array.from({ length: 3 * times }, () => {
        const { socket, closed } = dial(Buffer.concat([PREFACE, frame(4, 0, 0, Buffer.alloc(0))]));
        socket.pause();
        const burst = Buffer.concat(Array.from({ length: 10_000 }, () => kind));
        const timer = setInterval(() => socket.write(burst), 50);
        const broken = new Promise<void>((resolve) => socket.once('error', () => resolve()));
        return Promise.race([closed, broken]).finally(() => clearInterval(timer));
      }),
    );
    expect(await within(20_000, gone)).toBe(true);
    await unharmed(200);
  });

  test('that opens more streams than are allowed is refused the rest', async () => {
    const one = session();
    await new Promise((resolve) => one.once('remoteSettings', resolve));
    expect(one.remoteSettings.maxConcurrentStreams).toBeLessThanOrEqual(250);
    const streams = Array.from({ length: 2_000 }, () => {
      const stream = one.request({ ':method': 'POST', ':path': PUSH, ...ORG, 'content-type': 'application/proto' });
      stream.on('error', () => undefined).resume();
      return new Promise<void>((resolve) => stream.once('close', () => resolve()));
    });
    await sleep(1_000);
    one.destroy();
    expect(await within(5_000, streams)).toBe(true);
    await unharmed(150);
  });

  test('with a gzip body of 200 MB is refused in words', async () => {
    const noise = randomBytes(8 * MIB);
    const body = gzipSync(Buffer.concat(Array.from({ length: 25 }, () => noise)), { level: 0 });
    const answer = await new Promise<[number | undefined, string]>((resolve, reject) => {
      const headers = {
        ...ORG,
        'content-type': 'application/proto',
        'content-encoding': 'gzip',
        'content-length': String(body.length),
      };
      const sent = httpRequest(kiln.url + PUSH, { method: 'POST', headers }, (response) => {
        text(response).then((said) => resolve([response.statusCode, said]), reject);
      });
      sent.on('error', reject).end(body);
    });
    expect(answer).toEqual([400, expect.stringContaining('is not a push.v1.PushRequest')]);
    await unharmed(1_200);
  });

  test('and after all of it nothing is wrong with the process, no tenant sees another, and it stops at once', async () => {
    await bystander.stop();
    await neighbours.look(kiln);
    expect(kiln.output()).not.toMatch(/level=error/);
    const began = performance.now();
    expect(await kiln.stop()).toBe(0);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  /** A service whose merged profile takes some MiB. */
  async function pushLarge(): Promise<void> {
    const stacks = Array.from({ length: 250 }, (_, i) => ({ frames: [`${i}_`.padEnd(13_000, 'abcdefg')], value: 1n }));
    const profile = tinyPprof({ type: 'cpu', unit: 'ns', timeNanos: BigInt(Date.now()) * 1_000_000n + 1n, stacks });
    const body = pushRequest([{ labels: { __name__: 'process_cpu', service_name: 'large' }, profiles: [profile] }]);
    const headers = { ...ORG, 'content-type': 'application/proto' };
    expect((await fetch(kiln.url + PUSH, { method: 'POST', headers, body })).status).toBe(200);
    await sleep(500);
  }
});

/** How many want each core: on a machine that others use too, everything takes as much longer. */
function crowding(): number {
  return Math.max(1, loadavg()[0]! / availableParallelism());
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** A frame of HTTP/2 (RFC 9113 §4.1). */
function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
