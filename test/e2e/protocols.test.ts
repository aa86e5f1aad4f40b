import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compareDiscovery, compareType, OracleMemo, type Ask } from '../conformance/compare-answers.ts';
import { fixtureSources, realSources } from '../conformance/sends.ts';
import { Oracle, pushMessages, querierMessages, readPprof } from '../oracle/index.ts';
import { tinyPprof } from '../process/tiny-pprof.ts';
import { bufCurl, buildSchema, hasBuf } from '../support/buf-curl.ts';
import { pushBytes, pushJson, readAnswer, type SeriesToPush } from '../support/http-client.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { MarkedTenants, manyTenants } from '../support/marked-tenants.ts';
import { protocols, rpcCall, transports, type RpcAnswer, type RpcRequest } from '../support/rpc-call.ts';
import { long, requireService } from '../support/services.ts';
import { holdUpload } from './hold-upload.ts';

const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const buf = requireService('buf', hasBuf(), 'the binary of @bufbuild/buf is not installed');
const TENANT = 'wire';
const PUSH = 'push.v1.PusherService/Push';
const QUERIER = 'querier.v1.QuerierService';
const MIB = 1024 * 1024;
const TYPE = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';

const combinations = protocols.flatMap((protocol) => transports.map((transport) => ({ protocol, transport })));
const forms = combinations.flatMap((combination) =>
  [false, true].flatMap((json) => [false, true].map((gzip) => ({ ...combination, json, gzip }))),
);

const nowMs = Date.now();
const range = { startMs: nowMs - 3_000_000, endMs: nowMs + 3_000_000 };
const few = /fixture-(go-cpu|go-heap|three-types|unicode)$|real-(python-cpu|node-cpu|rust-cpu)$/;
const sources = [...fixtureSources(nowMs), ...realSources(nowMs)].filter(({ name }) => few.test(name));
/** Each call of buf curl is a process. */
const fewTypes = sources.filter(({ name }) => /go-cpu|unicode|python-cpu|rust-cpu/.test(name));

let dir = '';
let schema = '';
let kiln: RunningKiln;
let neighbours: MarkedTenants;
beforeAll(async () => {
  if (!built) return;
  dir = mkdtempSync(join(tmpdir(), 'kiln-protocols-'));
  schema = join(dir, 'schema.binpb');
  if (buf) buildSchema(schema);
  kiln = await startKiln({ dataDir: join(dir, 'data'), flags: [manyTenants] });
  neighbours = new MarkedTenants(join(dir, 'data'));
  await neighbours.push(kiln.url);
});
afterAll(async () => {
  if (!built) return;
  await neighbours.look(kiln);
  await kiln.stop();
  rmSync(dir, { recursive: true, force: true });
});

const call = (request: RpcRequest): Promise<RpcAnswer> =>
  rpcCall(kiln.url, { ...request, headers: { 'x-scope-orgid': TENANT, ...request.headers } });

/** The pushes and answers of one way to speak, compared whole with the oracle; every profile of `sources` by one of the ways. */
async function compareWay(way: {
  name: string;
  source: (typeof sources)[number];
  json: boolean;
  /** Also tree, pprof and truncation, and what is there to be found. */
  full: boolean;
  tenant: string;
  push: (series: SeriesToPush[]) => Promise<{ code: string; sentence: string }>;
  ask: Ask;
}): Promise<string[]> {
  const { name, source, json, full, tenant, push, ask } = way;
  const oracle = new Oracle();
  const memo = new OracleMemo();
  const labels: [string, string][] = [
    ['__name__', source.metric],
    ['service_name', source.name],
    ['form', 'push'],
  ];
  const verdict = oracle.push({ tenant, labels, pprofBytes: source.pprof, receivedMs: Date.now() });
  if ('status' in verdict) return [`${source.name} is refused by the oracle: ${verdict.message}`];
  const { code, sentence } = await push([{ labels, samples: [{ profile: source.pprof }] }]);
  if (code !== 'ok') return [`${name}: ${code} ${sentence}`];
  const types = oracle.profileTypes(tenant, range);
  await becomes(types, async () => {
    const answer = await ask('ProfileTypes', { start: range.startMs, end: range.endMs }, json);
    return ((answer['profileTypes'] ?? []) as { ID: string }[]).map(({ ID }) => ID);
  });
  const wrong = full
    ? await compareDiscovery(
        { ask, tenant, oracle, range },
        { codecs: [json], labels: ['service_name', '__profile_type__'] },
      )
    : [];
  for (const set of oracle.series(tenant, range, { labelNames: ['service_name', '__profile_type__'] })) {
    const { service_name: service, __profile_type__: type } = Object.fromEntries(set);
    const how = { codecs: [json], full };
    wrong.push(...(await compareType({ ask, tenant, oracle, range }, memo, service!, type!, how)));
  }
  return wrong.map((one) => `${name}: ${one}`);
}

/** A metric, a duration, a quoted description, by the header's grammar. */
const SERVER_TIMING = /^[\w-]+;dur=\d+(\.\d+)?;desc="[\w .,]*"$/;

describe.skipIf(!built)(
  'what is pushed and asked by every protocol is what the oracle says',
  { timeout: 240_000 },
  () => {
    test('framed by hand: three protocols, both HTTPs, JSON and protobuf, gzip or not', async () => {
      const wrong: string[] = [];
      for (const [turn, form] of forms.entries()) {
        const source = sources[turn % sources.length]!;
        const name = Object.values(form).join(' ');
        const tenant = `hand-${turn}`;
        const headers = { 'x-scope-orgid': tenant };
        const ask: Ask = async (method, request, json) => {
          const body = json ? JSON.stringify(request) : querierMessages[method]!.request.encode(request);
          const answer = await call({ ...form, path: `/${QUERIER}/${method}`, body, headers });
          if (answer.code !== 'ok') throw new Error(`${method}: ${answer.code} ${answer.sentence}`);
          if (!SERVER_TIMING.test(answer.headers['server-timing'] ?? ''))
            wrong.push(`${name} ${method}: Server-Timing ${answer.headers['server-timing']}`);
          return readAnswer(method, answer.message, json);
        };
        const push = (series: SeriesToPush[]): Promise<RpcAnswer> =>
          call({
            ...form,
            path: `/${PUSH}`,
            body: form.json ? JSON.stringify(pushJson(series)) : pushBytes(series),
            headers,
          });
        wrong.push(...(await compareWay({ name, source, json: form.json, full: true, tenant, push, ask })));
      }
      expect(wrong).toEqual([]);
    });

    test.skipIf(!buf)('by buf curl: three protocols, both HTTPs', async () => {
      // JSON in and out of buf curl; protobuf on the wire.
      const ways = combinations.map(({ protocol, transport }, turn) => {
        const tenant = `buf-${turn}`;
        const curl = { schema, url: kiln.url, protocol, transport, headers: { 'x-scope-orgid': tenant } };
        const ask: Ask = async (method, request) => {
          const { code, sentence, json } = await bufCurl({ ...curl, method: `${QUERIER}/${method}`, request });
          if (code !== 'ok') throw new Error(`${method}: ${code} ${sentence}`);
          return readAnswer(method, Buffer.from(json), true);
        };
        const push = (series: SeriesToPush[]): Promise<{ code: string; sentence: string }> =>
          bufCurl({ ...curl, method: PUSH, request: pushJson(series) });
        const source = fewTypes[turn % fewTypes.length]!;
        return compareWay({ name: `${protocol} ${transport}`, source, json: true, full: true, tenant, push, ask });
      });
      expect((await Promise.all(ways)).flat()).toEqual([]);
    });

    test('over TLS, by buf curl and by both HTTPs', async () => {
      const openssl = requireService('openssl', hasOpenssl(), 'openssl is not installed');
      if (!openssl || !buf) return;
      const { cert, key, certPath, keyPath } = selfSigned(dir);
      expect(key).toContain('PRIVATE KEY');
      const others = await MarkedTenants.before(join(dir, 'tls'));
      const secure = await startKiln({
        dataDir: join(dir, 'tls'),
        flags: [manyTenants, `--server.http-tls-cert-path=${certPath}`, `--server.http-tls-key-path=${keyPath}`],
      });
      try {
        expect(secure.url).toMatch(/^https:/);
        const wrong: string[] = [];
        for (const [turn, { protocol, transport }] of combinations.entries()) {
          const tenant = `tls-${turn}`;
          const name = `TLS ${protocol} ${transport}`;
          // connect-go takes HTTP/2 when it is offered: its calls stand for that, ours for HTTP/1.1.
          const curl = { schema, url: secure.url, protocol, transport, headers: { 'x-scope-orgid': tenant } };
          const ask: Ask = async (method, request) => {
            if (transport === 'http2') {
              const method2 = `${QUERIER}/${method}`;
              const answer = await bufCurl({ ...curl, method: method2, request, flags: ['--cacert', certPath, '-v'] });
              if (!answer.said.includes('HTTP/2.0 200'))
                throw new Error(`not by HTTP/2: ${answer.said.slice(0, 2_000)}`);
              return readAnswer(method, Buffer.from(answer.json), true);
            }
            const path = `/${QUERIER}/${method}`;
            const sent = {
              protocol,
              transport,
              path,
              body: JSON.stringify(request),
              json: true,
              headers: curl.headers,
            };
            const answer = await rpcCall(secure.url, { ...sent, ca: cert });
            if (answer.code !== 'ok') throw new Error(`${method}: ${answer.code} ${answer.sentence}`);
            return readAnswer(method, answer.message, true);
          };
          const push = (series: SeriesToPush[]): Promise<{ code: string; sentence: string }> =>
            transport === 'http2'
              ? bufCurl({ ...curl, method: PUSH, request: pushJson(series), flags: ['--cacert', certPath] })
              : rpcCall(secure.url, {
                  protocol,
                  transport,
                  path: `/${PUSH}`,
                  body: pushBytes(series),
                  headers: curl.headers,
                  ca: cert,
                });
          wrong.push(
            ...(await compareWay({
              name,
              source: fewTypes[turn % fewTypes.length]!,
              json: true,
              full: false,
              tenant,
              push,
              ask,
            })),
          );
        }
        expect(wrong).toEqual([]);
      } finally {
        await secure.stop();
        await others.lookAround(secure.output());
      }
    });
  },
);

describe.skipIf(!built)('an error has its name in every protocol', { timeout: 60_000 }, () => {
  const selects = { profileTypeID: TYPE, labelSelector: '{}' };
  const errors = [
    { code: 'invalid_argument', method: `${QUERIER}/SelectSeries`, request: selects, sentence: /missing time range/ },
    { code: 'invalid_argument', method: PUSH, request: {}, sentence: /no profiles received/ },
    {
      code: 'unauthenticated',
      method: `${QUERIER}/ProfileTypes`,
      request: {},
      tenant: '',
      sentence: /^no org id: .*X-Scope-OrgID.*auth\.multitenancy-enabled/,
    },
    {
      code: 'unauthenticated',
      method: PUSH,
      request: {},
      tenant: '',
      sentence: /^no org id: .*X-Scope-OrgID.*auth\.multitenancy-enabled/,
    },
    { code: 'invalid_argument', method: `${QUERIER}/Diff`, request: {}, sentence: /^left: missing/ },
    {
      code: 'invalid_argument',
      method: `${QUERIER}/SelectMergeStacktraces`,
      request: { ...selects, start: nowMs - 1000, end: nowMs, spanSelector: ['0123'] },
      sentence: /span_selector has "0123"/,
    },
  ];

  test.each(errors)('$code of $method', async ({ code, method, request, sentence, tenant = TENANT }) => {
    const sentences = new Set<string>();
    for (const form of forms.filter(({ json }) => json)) {
      const headers = { 'x-scope-orgid': tenant };
      const answer = await call({ ...form, path: `/${method}`, body: JSON.stringify(request), headers });
      expect([form, answer.code, answer.sentence]).toEqual([form, code, expect.stringMatching(sentence)]);
      sentences.add(answer.sentence);
    }
    if (buf) {
      const asked = combinations.map((way) =>
        bufCurl({ schema, url: kiln.url, ...way, method, request, headers: { 'x-scope-orgid': tenant } }),
      );
      for (const answer of await Promise.all(asked)) {
        expect(answer.code).toBe(code);
        sentences.add(answer.sentence);
      }
    }
    expect([...sentences]).toHaveLength(1);
  });

  test('resource_exhausted and unavailable, with the seconds to wait', async () => {
    const narrow = await startKiln({
      dataDir: join(dir, 'narrow'),
      flags: [
        manyTenants,
        '--distributor.ingestion-rate-limit-mb=0.0001',
        '--distributor.ingestion-burst-size-mb=0.0001',
        '--validation.max-profile-size-bytes=100000',
      ],
    });
    const others = new MarkedTenants(join(dir, 'narrow'));
    await others.push(narrow.url);
    try {
      const series = (mib: number): SeriesToPush[] => [
        { labels: labelsOf('narrow'), samples: [{ profile: padded(tiny('narrow', 1n), mib * MIB) }] },
      ];
      for (const [i, { protocol, transport }] of combinations.entries()) {
        const headers = { 'x-scope-orgid': `narrow-${i}` };
        const push = { protocol, transport, path: `/${PUSH}`, headers };
        const first = await rpcCall(narrow.url, { ...push, body: pushBytes(series(0.09)) });
        expect([first.code, first.sentence]).toEqual(['ok', '']);
        const second = await rpcCall(narrow.url, { ...push, body: pushBytes(series(0.09)) });
        expect([second.code, second.sentence]).toEqual([
          'resource_exhausted',
          expect.stringContaining('ingestion_rate_mb'),
        ]);
        expect(Number(second.headers['retry-after'])).toBeGreaterThanOrEqual(1);
        if (protocol === 'connect') expect(second.status).toBe(429);
        if (!buf) continue;
        const curl = { schema, url: narrow.url, protocol, transport, headers, method: PUSH, flags: ['-v'] };
        const third = await bufCurl({ ...curl, request: pushJson(series(0.09)) });
        expect([third.code, third.said]).toEqual(['resource_exhausted', expect.stringMatching(/Retry-After: \d/)]);
      }
      // One upload holds what large requests may hold together.
      const upload = await holdUpload(narrow.url, 250 * MIB, { 'x-scope-orgid': 'holder' });
      try {
        for (const { protocol, transport } of combinations) {
          const headers = { 'x-scope-orgid': 'late' };
          const push = { protocol, transport, path: `/${PUSH}`, headers };
          const answer = await rpcCall(narrow.url, { ...push, body: pushBytes(series(7)) });
          expect([answer.code, answer.sentence]).toEqual(['unavailable', expect.stringContaining('send again')]);
          expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1);
          if (protocol === 'connect') expect(answer.status).toBe(503);
          if (!buf) continue;
          const curl = { schema, url: narrow.url, protocol, transport, headers, method: PUSH, flags: ['-v'] };
          const second = await bufCurl({ ...curl, request: pushJson(series(7)) });
          expect([second.code, second.said]).toEqual(['unavailable', expect.stringMatching(/Retry-After: \d/)]);
        }
      } finally {
        upload.destroy();
      }
      await others.look(narrow);
    } finally {
      await narrow.stop();
    }
  });
});

describe.skipIf(!built)('messages of more than 32 MiB', { timeout: 120_000 }, () => {
  test('are pushed and answered by every protocol, gzip or not', async () => {
    const alternately = combinations.map((way, i) => ({ ...way, json: false, gzip: i % 2 === 0 }));
    const ways = long ? forms : alternately;
    const series = [
      { labels: labelsOf('large'), samples: Array.from({ length: 11 }, (_, i) => ({ profile: wide(i) })) },
    ];
    for (const [turn, form] of ways.entries()) {
      const headers = { 'x-scope-orgid': `large-${turn}` };
      const body = form.json ? JSON.stringify(pushJson(series)) : pushBytes(series);
      expect(body.length).toBeGreaterThan(32 * MIB);
      const pushed = await call({ ...form, path: `/${PUSH}`, body, headers });
      expect([form, pushed.code, pushed.sentence]).toEqual([form, 'ok', '']);
      if (turn % 3 !== 0 && !long) continue;
      const ask = async (method: string): Promise<Record<string, unknown>> => {
        const type = 'process_cpu:cpu:nanoseconds::';
        const request = {
          profileTypeID: type,
          labelSelector: '{}',
          start: range.startMs,
          end: range.endMs,
          step: 6_000,
        };
        const asked = form.json ? JSON.stringify(request) : querierMessages[method]!.request.encode(request);
        const answer = await call({ ...form, path: `/${QUERIER}/${method}`, body: asked, headers });
        expect([form, method, answer.code, answer.sentence]).toEqual([form, method, 'ok', '']);
        if (method === 'SelectMergeProfile') expect(answer.message.length).toBeGreaterThan(32 * MIB);
        return readAnswer(method, answer.message, form.json);
      };
      await becomes(11 * WIDE, async () => {
        const { series: found = [] } = (await ask('SelectSeries')) as { series?: { points: { value: number }[] }[] };
        return found.flatMap(({ points }) => points).reduce((sum, { value }) => sum + value, 0);
      });
      const { profile } = (await ask('SelectMergeProfile')) as { profile: Uint8Array };
      expect(readPprof(profile).sample).toHaveLength(11 * WIDE);
    }
  });
});

describe.skipIf(!built)('answers that hold nothing', () => {
  test('are given as often as they are asked for, in every form of a merged profile', async () => {
    const asked = { profileTypeID: TYPE, labelSelector: '{service_name="nobody"}', start: nowMs - 1_000, end: nowMs };
    const headers = { 'x-scope-orgid': TENANT };
    for (const method of ['SelectMergeProfile', 'SelectMergeStacktraces'])
      for (const format of method === 'SelectMergeStacktraces' ? [0, 1, 2, 3, 4] : [0])
        for (const json of [false, true, false]) {
          const request = { ...asked, ...(format > 0 && { format }) };
          const body = json ? JSON.stringify(request) : querierMessages[method]!.request.encode(request);
          const form = { protocol: 'connect', transport: 'http1', gzip: false, json } as const;
          const answer = await call({ ...form, path: `/${QUERIER}/${method}`, body, headers });
          expect([method, format, json, answer.code, answer.sentence]).toEqual([method, format, json, 'ok', '']);
        }
  });
});

describe.skipIf(!built)('gRPC over HTTP/1.1, as profilecli sends it', () => {
  test.each([
    [`/${PUSH}`, () => pushBytes([{ labels: labelsOf('cli'), samples: [{ profile: tiny('cli', 3n) }] }]), '0'],
    [`/${QUERIER}/ProfileTypes`, () => new Uint8Array(0), '0'],
    [`/${PUSH}`, () => Uint8Array.of(10, 200), '3'],
    [`/${QUERIER}/SelectSeries`, () => new Uint8Array(0), '3'],
  ] as const)('has its status behind the last chunk or in the head: %s', async (path, message, status) => {
    const body = message();
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    const chunk = Buffer.concat([head, body]);
    const socket = connect(Number(new URL(kiln.url).port), '127.0.0.1');
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nX-Scope-OrgID: ${TENANT}\r\nUser-Agent: grpc-go-connect/1.19.2\r\nContent-Type: application/grpc\r\n` +
        `Grpc-Accept-Encoding: gzip\r\nTe: trailers\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.length.toString(16)}\r\n`,
    );
    socket.write(chunk);
    socket.write('\r\n0\r\n\r\n');
    const answer = await text(socket.setEncoding('latin1'));
    const [answerHead, rest] = [
      answer.slice(0, answer.indexOf('\r\n\r\n')),
      answer.slice(answer.indexOf('\r\n\r\n') + 4),
    ];
    expect(answerHead).toMatch(/^HTTP\/1\.1 200 /);
    expect(answerHead).toMatch(/\r\ncontent-type: application\/grpc(\r|\+proto|$)/i);
    const statusLine = new RegExp(`grpc-status: ${status}\r\n`, 'i');
    if (statusLine.test(`${answerHead}\r\n`)) {
      expect(status).not.toBe('0');
      return;
    }
    expect(answerHead).toMatch(/\r\ntransfer-encoding: chunked/i);
    // Nothing but trailers stands behind the chunk of length 0.
    const trailers = rest.slice(rest.lastIndexOf('\r\n0\r\n') + 5);
    expect(trailers).toMatch(statusLine);
    expect(trailers).toMatch(/^([\w-]+: [^\r\n]*\r\n)+\r\n$/);
  });
});

describe.skipIf(!built)('what old and careless clients send', () => {
  test('Push without Connect-Protocol-Version, gzip outside, pprof plain or gzip inside (O6)', async () => {
    for (const gzip of [false, true]) {
      const body = pushBytes([{ labels: labelsOf('o6'), samples: [{ profile: tiny('o6', 2n) }] }]);
      const answer = await call({ protocol: 'connect', transport: 'http1', path: `/${PUSH}`, body, gzip });
      expect([answer.code, answer.headers['content-type']]).toEqual(['ok', 'application/proto']);
      expect(pushMessages.response.decode(answer.message)).toEqual({});
    }
    for (const [version, code] of [
      ['1', 'ok'],
      ['2', 'invalid_argument'],
    ] as const) {
      const body = pushBytes([{ labels: labelsOf('o6'), samples: [{ profile: tiny('o6', 2n) }] }]);
      const headers = { 'connect-protocol-version': version };
      const answer = await call({ protocol: 'connect', transport: 'http1', path: `/${PUSH}`, body, headers });
      expect(answer.code).toBe(code);
    }
  });

  test('JSON in both spellings, unknown fields and enum names, int64 as number or text (O18)', async () => {
    const profile = Buffer.from(tiny('o18', 7n)).toString('base64');
    for (const name of ['rawProfile', 'raw_profile']) {
      const labels = labelsOf('o18').map(([key, value]) => ({ name: key, value, unknown: [1, { a: null }] }));
      const request = { series: [{ labels, samples: [{ [name]: profile, more: 1 }], annotations: [] }], later: true };
      const push = { path: `/${PUSH}`, body: JSON.stringify(request), json: true };
      for (const combination of combinations) expect((await call({ ...combination, ...push })).sentence).toBe('');
    }
    const spellings = [
      { profileTypeID: 'process_cpu:cpu:nanoseconds::', labelSelector: '{service_name="o18"}', maxNodes: 10 },
      { profile_typeID: 'process_cpu:cpu:nanoseconds::', label_selector: '{service_name="o18"}', max_nodes: '10' },
    ];
    const times = [
      { start: range.startMs, end: range.endMs },
      { start: String(range.startMs), end: String(range.endMs) },
    ];
    const extras = [{}, { format: 'PROFILE_FORMAT_OF_TOMORROW' }, { format: 1 }, { later: { deep: [1] } }];
    for (const combination of combinations) {
      for (const spelling of spellings) {
        for (const time of times) {
          for (const extra of extras) {
            const body = JSON.stringify({ ...spelling, ...time, ...extra });
            const path = `/${QUERIER}/SelectMergeStacktraces`;
            const answer = await call({ ...combination, path, body, json: true });
            expect([body, answer.code, answer.sentence]).toEqual([body, 'ok', '']);
            const { flamegraph } = JSON.parse(answer.message.toString()) as { flamegraph: { total: string } };
            // Twelve pushes of one profile: it says who it is, so it counts once.
            expect(flamegraph.total).toBe('7');
          }
        }
      }
    }
  });
});

/** Acknowledged is durable; readable follows within moments. */
async function becomes<T>(wanted: T, ask: () => Promise<T>): Promise<void> {
  await expect.poll(ask, { timeout: 20_000, interval: 20 }).toEqual(wanted);
}

const tinyTime = BigInt(nowMs) * 1_000_000n + 1n;

function tiny(name: string, value: bigint): Uint8Array {
  return tinyPprof({
    type: 'cpu',
    unit: 'nanoseconds',
    timeNanos: tinyTime,
    stacks: [{ frames: [`leaf_${name}`, 'main'], value }],
  });
}

function labelsOf(service: string): [string, string][] {
  return [
    ['__name__', 'process_cpu'],
    ['service_name', service],
  ];
}

/** The pprof with an unknown field (number 99) of so many bytes behind it. */
function padded(pprof: Uint8Array, bytes: number): Uint8Array {
  const length: number[] = [];
  let rest = Math.floor(bytes);
  for (; rest > 127; rest = Math.floor(rest / 128)) length.push((rest % 128) | 128);
  return Buffer.concat([pprof, Uint8Array.of(0x9a, 0x06, ...length, rest), new Uint8Array(Math.floor(bytes))]);
}

const WIDE = 250;

/** A pprof of about 3 MB: long names, each its own. */
function wide(turn: number): Uint8Array {
  const name = (i: number): string => `${turn}_${i}_`.padEnd(13_000, 'abcdefghij'.slice(turn % 10) + turn);
  const stacks = Array.from({ length: WIDE }, (_, i) => ({ frames: [name(i)], value: 1n }));
  return tinyPprof({ type: 'cpu', unit: 'nanoseconds', timeNanos: tinyTime + BigInt(turn), stacks });
}

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function selfSigned(folder: string): { cert: string; key: string; certPath: string; keyPath: string } {
  const [certPath, keyPath] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  execFileSync('openssl', [...made, ...subject, '-keyout', keyPath, '-out', certPath], { stdio: 'ignore' });
  return { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8'), certPath, keyPath };
}
