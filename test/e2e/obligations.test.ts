import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tinyPprof } from '../process/tiny-pprof.ts';
import { connectPush, ingestBody, profileForm, query, rawQuery, type SeriesToPush } from '../support/http-client.ts';
import { kilnIsBuilt, kilnMain, startKiln, type RunningKiln } from '../support/kiln-process.ts';
import { MarkedTenants, manyTenants } from '../support/marked-tenants.ts';
import { rawCall, transports } from '../support/rpc-call.ts';
import { requireService } from '../support/services.ts';

/** What clients in the field force (contract/clients.md §6), by number; docs/compatibility.md says which tests show the others. */
const built = requireService('kiln', kilnIsBuilt(), `${kilnMain} is not built`);
const TYPE = 'process_cpu:cpu:nanoseconds::';
const now = Date.now();
const range = { start: now - 600_000, end: now + 600_000 };

type Json = Record<string, unknown>;

let dir = '';
let kiln: RunningKiln;
let tenants: RunningKiln;
let neighbours: MarkedTenants;
let formerly: MarkedTenants;
beforeAll(async () => {
  if (!built) return;
  dir = mkdtempSync(join(tmpdir(), 'kiln-obligations-'));
  formerly = await MarkedTenants.before(join(dir, 'one'));
  [kiln, tenants] = await Promise.all([
    startKiln({ dataDir: join(dir, 'one'), flags: ['--server.path-prefix=/base'] }),
    startKiln({ dataDir: join(dir, 'many'), flags: [manyTenants] }),
  ]);
  neighbours = new MarkedTenants(join(dir, 'many'));
  await neighbours.push(tenants.url);
});
afterAll(async () => {
  if (!built) return;
  await neighbours.look(tenants);
  await formerly.lookAsOther({ url: url(), output: kiln.output });
  await Promise.all([kiln.stop(), tenants.stop()]);
  rmSync(dir, { recursive: true, force: true });
});

const url = (): string => `${new URL(kiln.url).origin}/base`;

let made = 0;
function tiny(value: bigint, some: Partial<Parameters<typeof tinyPprof>[0]> = {}): Uint8Array {
  const timeNanos = BigInt(now) * 1_000_000n + BigInt(++made);
  return tinyPprof({
    type: 'cpu',
    unit: 'nanoseconds',
    timeNanos,
    stacks: [{ frames: ['leaf', 'main'], value }],
    ...some,
  });
}

function series(
  service: string,
  profile: Uint8Array,
  more: [string, string][] = [],
  name = 'process_cpu',
): SeriesToPush {
  return { labels: [['__name__', name], ['service_name', service], ...more], samples: [{ profile }] };
}

async function push(...sent: SeriesToPush[]): Promise<number> {
  return (await connectPush(url(), sent)).status;
}

async function total(service: string, type = TYPE): Promise<bigint> {
  const request = { profileTypeID: type, labelSelector: `{service_name="${service}"}`, ...range };
  const { flamegraph } = await query(url(), 'SelectMergeStacktraces', request, { json: true });
  return BigInt((flamegraph as { total?: string }).total ?? 0);
}

async function becomes<T>(wanted: T, ask: () => Promise<T>): Promise<void> {
  await expect.poll(ask, { timeout: 10_000, interval: 20 }).toEqual(wanted);
}

/** A call with headers of its own, by HTTP as it comes. */
async function asked(method: string, request: Json, headers: Record<string, string> = {}): Promise<[number, Json]> {
  const answer = await rawCall(new URL(kiln.url).origin, {
    transport: 'http1',
    method: 'POST',
    path: `/base/querier.v1.QuerierService/${method}`,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(request),
  });
  return [answer.status, JSON.parse(answer.body.toString()) as Json];
}

describe.skipIf(!built)('obligations to clients', { timeout: 60_000 }, () => {
  test('O4: from and until in seconds, milliseconds, microseconds or nanoseconds; a profile stamped in 1970 is mended', async () => {
    const unstamped = tiny(3n, { timeNanos: 1_000_000n });
    for (const [unit, scale] of Object.entries({ s: 1n, ms: 1_000n, us: 1_000_000n, ns: 1_000_000_000n })) {
      const from = String((BigInt(now) / 1_000n - 60n) * scale);
      const answer = await ingestBody(url(), { name: `o4-${unit}`, format: 'pprof', from, until: from }, unstamped);
      expect([unit, answer.status]).toEqual([unit, 200]);
      await becomes(3n, () => total(`o4-${unit}`));
    }
  });

  test('O5: the sample rate of a request is nothing to a pprof, and a dotted name is a name', async () => {
    const parameters = { name: 'shop.cart.cpu', format: 'pprof', sampleRate: '667', units: '', aggregationType: '' };
    expect((await ingestBody(url(), parameters, tiny(5n))).status).toBe(200);
    await becomes(5n, () => total('shop.cart.cpu'));
  });

  test('O7: a profile without samples is 200; a Push may hold several names', async () => {
    expect(await push(series('o7-empty', tiny(0n, { stacks: [] })))).toBe(200);
    expect(await push(series('o7', tiny(1n)), series('o7', tiny(2n), [], 'memory'))).toBe(200);
    await becomes(1n, () => total('o7'));
    await becomes(2n, () => total('o7', 'memory:cpu:nanoseconds::'));
  });

  test('O10: a label twice with one value is one label, with two values 400', async () => {
    expect(
      await push(
        series('o10', tiny(1n), [
          ['env', 'a'],
          ['env', 'a'],
        ]),
      ),
    ).toBe(200);
    const refused = await connectPush(url(), [
      series('o10', tiny(1n), [
        ['env', 'a'],
        ['env', 'b'],
      ]),
    ]);
    expect([refused.status, Buffer.from(refused.body).toString()]).toEqual([400, expect.stringContaining('env')]);
    await becomes(1n, () => total('o10'));
  });

  test('O11: dotted and UTF-8 names are stored, and shown to who says that it can read them', async () => {
    const odd: [string, string][] = [
      ['otel.scope.name', 'a'],
      ['größe', 'b'],
      ['plain', 'c'],
    ];
    expect(await push(series('o11', tiny(1n), odd))).toBe(200);
    await becomes(1n, () => total('o11'));
    const matchers = ['{service_name="o11"}'];
    const names = async (accept?: string): Promise<string[]> => {
      const headers: Record<string, string> = accept === undefined ? {} : { accept };
      const [status, answer] = await asked('LabelNames', { ...range, matchers }, headers);
      expect(status).toBe(200);
      const [, sets] = await asked('Series', { ...range, matchers }, headers);
      const inSeries = (sets['labelsSet'] as { labels: { name: string }[] }[]).flatMap(({ labels }) =>
        labels.map(({ name }) => name),
      );
      const found = (answer['names'] as string[]).filter((name) => odd.some(([one]) => one === name));
      expect(inSeries.filter((name) => odd.some(([one]) => one === name)).toSorted()).toEqual(found.toSorted());
      return found.toSorted();
    };
    for (const accept of [undefined, '*/*', 'application/json;allow-utf8-labelnames=false', ';;, =nonsense', 'a/b;c="'])
      expect([accept, await names(accept)]).toEqual([accept, ['plain']]);
    for (const accept of [
      '*/*;allow-utf8-labelnames=true',
      'application/json, */*; q=0.5; allow-utf8-labelnames=true',
      '*/*;Allow-UTF8-LabelNames="true"',
    ])
      expect([accept, await names(accept)]).toEqual([accept, ['größe', 'otel.scope.name', 'plain']]);
    // Stored as they are: a selector finds them whatever is accepted.
    const [, values] = await asked('LabelValues', { ...range, name: 'otel.scope.name', matchers });
    expect(values).toEqual({ names: ['a'] });
  });

  test('a broken Accept is no reason to refuse anybody', async () => {
    for (const transport of transports)
      for (const path of ['/base/ready', '/base/metrics'])
        for (const accept of [';;;', 'text', '/', 'a/b;c="', ','])
          expect(
            (await rawCall(kiln.url.replace(/\/base$/, ''), { transport, method: 'GET', path, headers: { accept } }))
              .status,
          ).toBe(200);
  });

  test('O15: no range is a wide one, 1970 is empty, neither is an error', async () => {
    expect(await push(series('o15', tiny(1n)))).toBe(200);
    await becomes(1n, () => total('o15'));
    for (const times of [{}, { start: 0, end: 0 }, { start: '0', end: '0' }]) {
      const [, types] = await asked('ProfileTypes', times);
      expect(types['profileTypes']).toContainEqual(expect.objectContaining({ ID: TYPE }));
      const [, names] = await asked('LabelNames', times);
      expect(names['names']).toContain('service_name');
      const [, values] = await asked('LabelValues', { ...times, name: 'service_name' });
      expect(values['names']).toContain('o15');
    }
    for (const method of ['ProfileTypes', 'LabelNames', 'Series'])
      expect(await asked(method, { start: 1, end: 1_000 })).toEqual([200, {}]);
  });

  test('O16: __profile_type__ is a matcher and a label that is returned', async () => {
    expect(await push(series('o16', tiny(4n)))).toBe(200);
    await becomes(4n, () => total('o16'));
    const matchers = [`{__profile_type__="${TYPE}",service_name="o16"}`];
    const labelNames = ['__profile_type__', 'service_name'];
    const pairs = [
      { name: '__profile_type__', value: TYPE },
      { name: 'service_name', value: 'o16' },
    ];
    expect(await asked('Series', { ...range, matchers, labelNames })).toEqual([
      200,
      { labelsSet: [{ labels: pairs }] },
    ]);
    expect(await asked('LabelValues', { ...range, matchers, name: '__profile_type__' })).toEqual([
      200,
      { names: [TYPE] },
    ]);
  });

  test('O17: a series has the raw sum of each step', async () => {
    const at = BigInt(now) * 1_000_000n;
    for (const [value, ago] of [
      [3n, 1_000n],
      [4n, 2_000n],
      [5n, 61_000n],
    ] as const)
      expect(await push(series('o17', tiny(value, { timeNanos: at - ago * 1_000_000n + 7n })))).toBe(200);
    await becomes(12n, () => total('o17'));
    const request = {
      profileTypeID: TYPE,
      labelSelector: '{service_name="o17"}',
      start: now - 120_000,
      end: now,
      step: 60,
    };
    const [, answer] = await asked('SelectSeries', request);
    const [{ points }] = answer['series'] as [{ points: { timestamp: string; value: number }[] }];
    expect(points).toEqual([
      { timestamp: String(now - 60_000), value: 5 },
      { timestamp: String(now), value: 7 },
    ]);
  });

  test('O19: what is cut off is in a node named other', async () => {
    const stacks = Array.from({ length: 50 }, (_, i) => ({ frames: [`f${i}`, 'main'], value: BigInt(i + 1) }));
    expect(await push(series('o19', tiny(1n, { stacks })))).toBe(200);
    await becomes(1_275n, () => total('o19'));
    const request = { profileTypeID: TYPE, labelSelector: '{service_name="o19"}', ...range, maxNodes: 8 };
    const [, answer] = await asked('SelectMergeStacktraces', request);
    const { names, total: sum } = answer['flamegraph'] as { names: string[]; total: string };
    expect([names.includes('other'), names.length < 15, sum]).toEqual([true, true, '1275']);
  });

  test('O20: an empty tenant header is none: the default tenant, or 401 where tenants are kept apart', async () => {
    for (const [server, status] of [
      [url(), 200],
      [tenants.url, 401],
    ] as const) {
      for (const tenant of ['', undefined]) {
        expect((await connectPush(server, [series('o20', tiny(1n))], { tenant })).status).toBe(status);
        expect((await ingestBody(server, { name: 'o20', format: 'pprof' }, tiny(1n), { tenant })).status).toBe(status);
        expect((await rawQuery(server, 'ProfileTypes', {}, { tenant, json: true })).status).toBe(status);
      }
    }
    await becomes(4n, () => total('o20'));
  });

  test('O21: doubled slashes are routed, below a prefix too, and nobody is redirected', async () => {
    const { origin } = new URL(kiln.url);
    const body = tiny(1n);
    const form = profileForm(body);
    let sum = 0n;
    for (const transport of transports) {
      for (const path of ['/base//ingest', '//base/ingest', '/base///pyroscope//ingest']) {
        const headers = { 'content-type': form.contentType };
        const sent = {
          transport,
          method: 'POST',
          path: `${path}?name=o21&spyName=nodespy`,
          headers,
          body: profileForm(tiny(1n)).body,
        };
        expect([path, (await rawCall(origin, sent)).status]).toEqual([path, 200]);
        sum++;
      }
      const path = '/base//push.v1.PusherService/Push';
      expect((await rawCall(origin, { transport, method: 'GET', path })).status).toBe(405);
    }
    expect((await connectPush(`${url()}/`, [series('o21', tiny(1n))])).status).toBe(200);
    await becomes(sum + 1n, () => total('o21'));
    expect((await rawCall(origin, { transport: 'http1', method: 'POST', path: '/ingest?name=o21', body })).status).toBe(
      404,
    );
  });

  test('O24: what was answered 200 is read within two seconds', async () => {
    for (let i = 0; i < 10; i++) {
      expect(await push(series(`o24-${i}`, gzipSync(tiny(9n))))).toBe(200);
      const began = performance.now();
      await becomes(9n, () => total(`o24-${i}`));
      expect(performance.now() - began).toBeLessThan(2_000);
    }
  });

  test('O25: types in capitals stay in capitals, and no time of its own is the time of receipt', async () => {
    const profile = tiny(6n, { type: 'HEAP', unit: 'bytes', timeNanos: 0n });
    expect(await push(series('o25', profile, [], 'memory'))).toBe(200);
    await becomes(6n, () => total('o25', 'memory:HEAP:bytes::'));
    expect(await total('o25', 'memory:heap:bytes::')).toBe(0n);
  });
});
