import { decodePprof, describeIngest, normalizePprof } from '@kiln/formats';
import { exactToBigInt, KilnError, type Profile } from '@kiln/model';
import { gunzipSync, gzipSync } from 'node:zlib';
import { readIngestRequest } from '../../services/distributor/src/ingest-request.ts';
import { readPushRequest, readPushRequestJson } from '../../services/distributor/src/push-request.ts';
import { Oracle, pushMessages, readPush } from '../oracle/index.ts';
import { profileForm } from '../support/http-client.ts';
import { drawnPprof } from '../support/profile-builder.ts';
import { pick, pickIndex, seededRandom, type Random } from '../support/seeded-random.ts';
import { limits } from './compare-profile.ts';

/** How many requests, how many of them read, and where product and oracle differ (at most 10 sentences). */
export interface RequestReport {
  readonly requests: number;
  readonly read: number;
  readonly differences: readonly string[];
}

const NOW = 1_800_000_000_000;
const TENANT = 't';

/** Push messages, protobuf and JSON: what is read of them, or that they are refused. */
export function runPushDifferential(seed: number | string, count: number): RequestReport {
  const differences: string[] = [];
  let read = 0;
  for (let i = 0; i < count && differences.length < 10; i++) {
    const random = seededRandom(`push ${seed}/${i}`);
    const request = randomPush(random);
    const bytes = broken(random, pushMessages.request.encode(request));
    const want = attempt(() => JSON.stringify(readPush(bytes).map(shown)));
    const got = attempt(() => JSON.stringify(readPushRequest(bytes).map((s) => shown(asRead(s)))));
    if (want !== REFUSED) read++;
    if (got !== want) differences.push(`push ${seed}/${i}: ${got}, the oracle has ${want}`);
    const json = JSON.stringify(request, (_, v: unknown) =>
      v instanceof Uint8Array ? Buffer.from(v).toString('base64') : v,
    );
    const fromJson = attempt(() => JSON.stringify(readPushRequestJson(json).map((s) => shown(asRead(s)))));
    const whole = attempt(() => JSON.stringify(readPush(pushMessages.request.encode(request)).map(shown)));
    if (fromJson !== whole) differences.push(`push ${seed}/${i} as JSON: ${fromJson}, the oracle has ${whole}`);
  }
  return { requests: count, read, differences };
}

const REFUSED = 'refused';

function attempt(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (error instanceof KilnError && error.code === 'internal') throw error;
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    return REFUSED;
  }
}

type Shown = { labels: (readonly [string, string])[]; samples: readonly { profile: Uint8Array; id: string }[] };

function asRead({ labels, samples }: ReturnType<typeof readPushRequest>[number]): Shown {
  return { labels: labels.map(({ name, value }) => [name, value]), samples };
}

function shown({ labels, samples }: Shown): unknown {
  return [labels, samples.map(({ profile, id }) => [Buffer.from(profile).toString('hex'), id])];
}

function randomPush(random: Random): Record<string, unknown> {
  const many = <T>(most: number, make: () => T): T[] => Array.from({ length: pickIndex(random, most + 1) }, make);
  const word = (): string => pick(random, ['', 'service_name', '__name__', 'région', 'a.b', 'x'.repeat(200), '🔥']);
  return {
    series: many(3, () => ({
      labels: many(4, () => ({ name: word(), value: word() })),
      samples: many(3, () => ({
        rawProfile: Uint8Array.from({ length: pickIndex(random, 40) }, () => pickIndex(random, 256)),
        ID: pick(random, ['', 'id-1', 'ïd']),
      })),
    })),
  };
}

/** Half of them as they are, the others with some bytes changed, inserted, taken away, or cut short. */
function broken(random: Random, bytes: Uint8Array): Uint8Array {
  if (random() < 0.5 || bytes.length === 0) return bytes;
  const list = [...bytes];
  for (let i = 1 + pickIndex(random, 3); i > 0; i--) {
    const at = pickIndex(random, list.length);
    const way = random();
    if (way < 0.5) list[at] = pickIndex(random, 256);
    else if (way < 0.7) list.splice(at, 0, pickIndex(random, 256));
    else if (way < 0.9) list.splice(at, 1);
    else list.length = at;
  }
  return Uint8Array.from(list);
}

/** Forms of `/ingest`: status, series, labels and sums. */
export async function runIngestDifferential(seed: number | string, count: number): Promise<RequestReport> {
  const differences: string[] = [];
  let read = 0;
  for (let i = 0; i < count && differences.length < 10; i++) {
    const random = seededRandom(`ingest ${seed}/${i}`);
    const { query, contentType, body } = randomIngest(random);
    const oracle = new Oracle();
    const verdict = oracle.ingest({ tenant: TENANT, query, contentType, body, receivedMs: NOW });
    const want =
      'stored' in verdict
        ? JSON.stringify(
            oracle
              .stored(TENANT)
              .map(
                ({ labels, typeId, timeMs, total }) =>
                  `${timeMs} ${typeId} ${total} ${JSON.stringify(labels.filter(([name]) => !isServers(name)))}`,
              )
              .toSorted(),
          )
        : String(verdict.status);
    const got = await ingested(query, contentType, body);
    if ('stored' in verdict) read++;
    if (got !== want)
      differences.push(`ingest ${seed}/${i} ${JSON.stringify(query)} ${contentType}: ${got}, the oracle has ${want}`);
  }
  return { requests: count, read, differences };
}

const isServers = (name: string): boolean =>
  /^__(?:type|unit|period_type|period_unit|profile_type|service_name)__$/.test(name);

async function ingested(query: Record<string, string>, contentType: string, body: Uint8Array): Promise<string> {
  let status = 400;
  try {
    const request = readIngestRequest(
      `/ingest?${new URLSearchParams(query).toString()}`,
      contentType,
      BigInt(NOW) * 1_000_000n,
    );
    status = 422;
    const found = await request.read(body);
    if (found === undefined || found.profile.length === 0) return '[]';
    const plain = found.profile[0] === 0x1f && found.profile[1] === 0x8b ? gunzip(found.profile) : found.profile;
    const { pprof, labels, names } = describeIngest(decodePprof(plain), request.source, found.sampleTypes);
    const { profile } = normalizePprof(pprof, { labels, limits, receivedMs: NOW, names });
    return JSON.stringify(profile === undefined ? [] : seriesOf(profile).toSorted());
  } catch (error) {
    if (error instanceof KilnError && error.code !== 'internal') return String(error.httpStatus ?? status);
    throw error;
  }
}

function gunzip(bytes: Uint8Array): Uint8Array {
  try {
    return new Uint8Array(gunzipSync(bytes));
  } catch (error) {
    throw new KilnError('invalid_argument', 'gzip is damaged', { cause: error });
  }
}

function seriesOf({ groups, types, name, timeNanos }: Profile): string[] {
  return groups.flatMap(({ series, values, length }) =>
    types.flatMap((type, t) => {
      let total = 0n;
      for (let i = 0; i < length; i++) total += exactToBigInt(values[t]!.lo[i]!, values[t]!.hi?.[i] ?? 0);
      if (total === 0n) return [];
      const id = [name, type.type, type.unit, type.periodType, type.periodUnit].join(':');
      return [
        `${timeNanos / 1_000_000n} ${id} ${total} ${JSON.stringify(series.map((label) => [label.name, label.value]))}`,
      ];
    }),
  );
}

function randomIngest(random: Random): { query: Record<string, string>; contentType: string; body: Uint8Array } {
  const types = pick(random, [
    [['cpu', 'nanoseconds']],
    [
      ['samples', 'count'],
      ['cpu', 'nanoseconds'],
    ],
    [['goroutine', 'count']],
    [
      ['contentions', 'count'],
      ['delay', 'nanoseconds'],
    ],
    [['alloc-size', 'bytes']],
    [['inuse_space', 'bytes']],
    [
      ['wall', 'nanoseconds'],
      ['cpu', 'nanoseconds'],
    ],
    [['CPU', 'nanoseconds']],
  ] as const);
  const values = types.map((_, i) => i + 3).join();
  const timeNanos = pick(random, [
    0n,
    1_000n,
    BigInt(NOW) * 1_000_000n - 7n,
    5n * 10n ** 18n,
    31_535_999_999_999_999n,
    31_536_000_000_000_000n,
  ]);
  const pprof = drawnPprof(`main@app.py:3;work@/lib/x.py:9 ${values} {tag=x}\nmain@app.py:3 ${values}`, {
    types,
    timeNanos,
  });
  const profile = pick(random, [
    pprof,
    pprof,
    pprof,
    new Uint8Array(gzipSync(pprof, { level: 1 })),
    broken(random, pprof),
    pprof.subarray(0, 9),
    new Uint8Array(0),
  ]);
  const config = pick(random, [
    undefined,
    '{}',
    '{"samples":{"display-name":"cpu"}}',
    '{"goroutine":{"display-name":"goroutines"}}',
    '{"inuse-space":{}}',
    '{"delay":{"display-name":"block_duration"}}',
    '{',
  ]);
  const form = profileForm(profile, config);
  const isForm = random() < 0.5;
  const query: Record<string, string> = {
    name: pick(random, [
      'shop',
      'shop',
      'shop{region=us}',
      'a.b{tag=mine}',
      'shop.cart{region=eu west,a.b=c}',
      'a/b-c{service_name=own, __x=1 ,__name__=named}',
      'shop{x=1',
      '',
      'é',
      'shop{=1}',
      'shop{x=1,x=2}',
      'shop{__session_id__=0123456789abcdef}',
      'shop{}',
    ]),
    spyName: pick(random, ['', 'gospy', 'pyspy', 'rbspy', 'scripting', 'dotnetspy', 'nodespy']),
    from: pick(random, [
      '',
      '1799999990',
      '1799999990123',
      '1799999990123456',
      '1799999990123456789',
      'now-1m',
      'nonsense',
      '20270114',
      '1_799_999_990',
    ]),
    format: pick(random, isForm ? ['', '', 'pprof'] : ['pprof', 'pprof', 'pprof', 'lines', 'jfr', '']),
  };
  return {
    query,
    contentType: isForm ? form.contentType : pick(random, ['application/octet-stream', '', 'binary/octet-stream']),
    body: isForm ? form.body : profile,
  };
}

if (import.meta.main) {
  const [count = '10000', seed = '1'] = process.argv.slice(2);
  for (const report of [runPushDifferential(seed, Number(count)), await runIngestDifferential(seed, Number(count))]) {
    process.stdout.write(`${report.requests} requests, ${report.read} read\n`);
    for (const sentence of report.differences) process.stdout.write(`${sentence}\n`);
    if (report.differences.length > 0) process.exitCode = 1;
  }
}
