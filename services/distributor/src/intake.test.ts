import { constants, crc32, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { ManualClock, seededRandom } from '@kiln/async';
import { decodeRecord, type Codecs, type LogRecord } from '@kiln/block';
import type { IngestSource } from '@kiln/formats';
import { markOf, parseTenantId, plainName, KilnError, type Label, type Mark, type TenantId } from '@kiln/model';
import { memoryLog, type Appended, type OpenLog } from '@kiln/partition-log';
import { noMetrics } from '@kiln/telemetry';
import { addStrings, draw, encodeMessage } from '../../../libs/formats/src/test-support/pprof-message.ts';
import { pushRequest, tinyPprof } from '../../../test/process/tiny-pprof.ts';
import { ActiveSeries } from './active-series.ts';
import { Distributor, type Written } from './distributor.ts';
import { Intake, type WriteRate } from './intake.ts';
import { readIngestRequest, type IngestProfile } from './ingest-request.ts';
import { Placer } from './placer.ts';
import { ProfileReader } from './profile-reader.ts';
import type { WriteLimits } from './reading.ts';
import { Quota } from './quota.ts';
import type { PushedSeries } from './push-request.ts';

vi.setConfig({ testTimeout: 30_000 }); // some take hundreds of megabytes through gzip

const NOW = 1_800_000_000_000;
const tenant = parseTenantId('acme');
const codecs: Codecs = {
  crc32: (bytes, seed = 0) => crc32(bytes, seed),
  zstdCompress: (bytes) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
  zstdDecompress: (bytes, maxLength) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxLength) }),
};
const limits: WriteLimits = {
  maxLabelNameLength: 1024,
  maxLabelValueLength: 2048,
  maxLabelNamesPerSeries: 30,
  maxSessionsPerSeries: 0,
  disableLabelSanitization: true,
  maxProfileSizeBytes: 4_194_304,
  maxStacktraceSamples: 16_000,
  maxStacktraceSampleLabels: 100,
  maxStacktraceDepth: 1000,
  maxSymbolValueLength: 65_535,
  rejectOlderThanMs: 3_600_000,
  rejectNewerThanMs: 600_000,
  ingestionBodyLimitBytes: 1_000_000,
  relabelingRules: '[]',
  relabelingDefaults: 'first',
  sampleTypeRules: '[]',
  usageGroups: '{}',
  ingestionLimit: '{}',
  sampling: '{}',
  maxSeries: 0,
  keepStripped: false,
  tenantShards: 0,
};

/** The two halves together: what a request holds, and what is stored of it. */
interface Writer {
  push(tenant: TenantId, series: readonly PushedSeries[]): Promise<Written[]>;
  ingest(tenant: TenantId, source: IngestSource, body: IngestProfile | undefined): Promise<Written[]>;
}

interface Harness {
  intake: Writer;
  whole: Intake;
  distributor: Distributor;
  clock: ManualClock;
  records(): Promise<LogRecord[]>;
  seen: string[];
}

async function harness(
  some: Partial<WriteLimits> = {},
  wrap: (log: OpenLog) => OpenLog = (log) => log,
  rate: WriteRate = { check: () => undefined, take: () => undefined },
): Promise<Harness> {
  const clock = new ManualClock(NOW);
  const log = memoryLog({ partitions: 4, clock });
  const logs = await Promise.all([0, 1, 2, 3].map((partition) => log.open(partition)));
  const seen: string[] = [];
  const reader = new ProfileReader({
    placer: new Placer({ partitions: 4, codecs, compression: 'none', clock }),
    series: new ActiveSeries(clock, noMetrics),
    random: seededRandom(1),
    clock,
  });
  const distributor = new Distributor({ logs: logs.map(wrap), clock, random: seededRandom(1), metrics: noMetrics });
  const own = { ...limits, ...some };
  const quota = new Quota(clock);
  const whole = new Intake({
    reader,
    distributor,
    limits: () => own,
    rate,
    quota: (owner) => quota.admit(owner, own.ingestionLimit),
    clock,
    observe: {
      stored: (_, profiles) => void seen.push(`stored ${profiles}`),
      discarded: (_, reason, __, groups) => void seen.push(['discarded', reason, ...groups].join(' ')),
      received: (_, group) => void seen.push(`received ${group}`),
      truncated: () => undefined,
    },
  });
  const intake: Writer = {
    push: async (tenantId, series) => whole.store(tenantId, await reader.push(tenantId, series, own)),
    ingest: async (tenantId, source, body) => whole.store(tenantId, await reader.ingest(tenantId, source, body, own)),
  };
  return { intake, whole, distributor, clock, seen, records: () => readAll(logs) };
}

async function readAll(logs: readonly OpenLog[]): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (const log of logs) {
    const end = await log.endOffset();
    const abort = new AbortController();
    if (end < 0) continue;
    for await (const batch of log.read(0, abort.signal)) {
      for (const { record, offset } of batch) {
        records.push(decodeRecord(record!, codecs));
        if (offset === end) abort.abort();
      }
    }
  }
  return records;
}

const labels = (service: string, more: Label[] = []): Label[] => [
  { name: '__name__', value: 'process_cpu' },
  { name: 'service_name', value: service },
  ...more,
];
const profile = (value: bigint, timeNanos = BigInt(NOW) * 1_000_000n + 5n): Uint8Array =>
  tinyPprof({ type: 'cpu', unit: 'nanoseconds', timeNanos, stacks: [{ frames: ['leaf', 'main'], value }] });
/** What makes a pprof of `profile` huge: functions with names of this many bytes together, and a sample of each. */
function hugeStrings(total: number): Buffer[] {
  const length = 60_000;
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value % 128) | 128, ...varint(value >> 7)]);
  const field = (no: number, content: Uint8Array): Buffer[] => [
    Buffer.from([no * 8 + 2, ...varint(content.length)]),
    Buffer.from(content),
  ];
  return Array.from({ length: Math.ceil(total / length) }, (_, i) => {
    const id = varint(100 + i);
    const name = field(6, Buffer.from(`f${i}`.padEnd(length, 'x')));
    const location = field(4, Buffer.from([8, ...id, 0x22, id.length + 1, 8, ...id]));
    const sampled = field(2, Buffer.from([0x0a, id.length, ...id, 0x12, 1, 1]));
    const named = field(5, Buffer.from([8, ...id, 16, ...varint(6 + i)]));
    return [...name, ...location, ...sampled, ...named];
  }).flat();
}

const sample = (bytes: Uint8Array, id = ''): { profile: Uint8Array; id: string } => ({ profile: bytes, id });
const ids = (records: LogRecord[]): string[] =>
  records.flatMap(({ datasets }) =>
    datasets.flatMap(({ profiles }) =>
      Array.from({ length: profiles.length }, (_, i) =>
        Buffer.from(profiles.id.subarray(i * 16, i * 16 + 16)).toString('hex'),
      ),
    ),
  );

describe('a push', () => {
  test('over the rate of its tenant stores nothing, and is not even read when its body alone is too much', async () => {
    let left = 1_000;
    const over = (_: TenantId, bytes: number): void => {
      if (bytes > left) throw new KilnError('resource_exhausted', 'over', { retryAfterSeconds: 2 });
    };
    const take = (owner: TenantId, bytes: number): void => {
      over(owner, bytes);
      left -= bytes;
    };
    const { whole, records, seen } = await harness({}, undefined, { check: over, take });
    const call = (bytes: Uint8Array) => ({
      tenant,
      body: { bytes, isGzip: false },
      form: { kind: 'ingest', url: '/ingest?name=a&format=pprof', contentType: '' } as const,
    });
    const small = profile(1n);
    expect(await whole.write(call(small))).toHaveLength(1);
    await expect(whole.write(call(new Uint8Array(1_001)))).rejects.toMatchObject({ code: 'resource_exhausted' });
    const packed = gzipSync(Buffer.concat([small, ...hugeStrings(2_000)]));
    expect(packed.length).toBeLessThan(left);
    await expect(whole.write(call(packed))).rejects.toMatchObject({ code: 'resource_exhausted', retryAfterSeconds: 2 });
    expect(await records()).toHaveLength(1);
    expect(seen).toEqual(['stored 1', 'discarded rate_limited', 'discarded rate_limited']);
    expect(left).toBe(1_000 - small.length);
  });

  test('with a profile that no record can hold is refused, and what is acknowledged can be read', async () => {
    const { intake, records } = await harness({ maxProfileSizeBytes: 0, ingestionBodyLimitBytes: 0 });
    const huge = Buffer.concat([profile(7n), ...hugeStrings(65 << 20)]);
    const pushed = intake.push(tenant, [{ labels: labels('shop'), samples: [sample(profile(1n)), sample(huge)] }]);
    await expect(pushed).rejects.toThrow(/allowed are 67108864; max_profile_size_bytes refuses such profiles sooner/);
    const [record, ...more] = await records();
    expect(more).toEqual([]);
    expect(record!.datasets.map(({ profiles }) => profiles.length)).toEqual([1]);
  });

  test('becomes a record per partition, of its tenant, with its duplicate window', async () => {
    const { intake, records, seen } = await harness();
    const series = Array.from({ length: 12 }, (_, i) => ({
      labels: labels(`s${i}`),
      samples: [sample(gzipSync(profile(1n))), sample(profile(2n))],
    }));
    const written = await intake.push(tenant, series);
    const stored = await records();
    expect(written).toHaveLength(stored.length);
    expect(stored.length).toBeGreaterThan(1);
    expect(stored.length).toBeLessThanOrEqual(4);
    for (const record of stored) expect([record.tenant, record.windowMs]).toEqual(['acme', 4_260_000]);
    expect(
      stored.reduce((sum, { datasets }) => sum + datasets.reduce((n, { profiles }) => n + profiles.length, 0), 0),
    ).toBe(24);
    expect(seen).toEqual(['stored 24']);
  });

  test('with a bad profile stores the others and says what was wrong', async () => {
    const { intake, records, seen } = await harness();
    const push = intake.push(tenant, [
      { labels: labels('a'), samples: [sample(Uint8Array.of(1, 2, 3)), sample(profile(1n))] },
      { labels: [{ name: 'service_name', value: 'b' }], samples: [sample(profile(2n))] },
      { labels: labels('c'), samples: [sample(profile(3n))] },
    ]);
    await expect(push).rejects.toMatchObject({ code: 'invalid_argument', reason: 'malformed_profile' });
    const services = (await records()).flatMap(({ datasets }) => datasets.map(({ service }) => service)).toSorted();
    expect(services).toEqual(['a', 'c']);
    expect(seen.toSorted()).toEqual(['discarded invalid_labels', 'discarded malformed_profile', 'stored 2']);
  });

  test('sent again has the same ids and partitions; one in whole seconds has new ids', async () => {
    const { intake, records } = await harness();
    const own = [{ labels: labels('a'), samples: [sample(profile(1n))] }];
    expect(await intake.push(tenant, own)).toMatchObject([{ offset: 0 }]);
    expect(await intake.push(tenant, own)).toMatchObject([{ offset: 1 }]);
    const whole = [{ labels: labels('b'), samples: [sample(profile(1n, BigInt(NOW) * 1_000_000n))] }];
    await intake.push(tenant, whole);
    await intake.push(tenant, whole);
    const named = [{ labels: labels('c'), samples: [sample(profile(1n, 0n), 'mine')] }];
    await intake.push(tenant, named);
    await intake.push(tenant, named);
    const found = ids(await records());
    expect(found).toHaveLength(6);
    expect(new Set(found).size).toBe(4);
  });

  test('of nothing is refused, of a profile without samples is not', async () => {
    const { intake, records } = await harness();
    await expect(intake.push(tenant, [])).rejects.toMatchObject({
      code: 'invalid_argument',
      message: /no profiles received/,
    });
    await expect(intake.push(tenant, [{ labels: labels('a'), samples: [] }])).rejects.toThrow(/no profiles received/);
    const empty = tinyPprof({ type: 'cpu', unit: 'ns', timeNanos: 0n, stacks: [] });
    expect(await intake.push(tenant, [{ labels: labels('a'), samples: [sample(empty)] }])).toEqual([]);
    expect(await records()).toEqual([]);
  });

  test('whose profile or sum of profiles is too large decompressed is refused, bombs too', async () => {
    const { intake } = await harness({ maxProfileSizeBytes: 10_000 });
    const bomb = gzipSync(new Uint8Array(200_000_000), { level: 1 });
    await expect(intake.push(tenant, [{ labels: labels('a'), samples: [sample(bomb)] }])).rejects.toMatchObject({
      code: 'invalid_argument',
      reason: 'profile_size_limit',
      message: /limit 10000 bytes \(max_profile_size_bytes\)/,
    });
    const small = await harness({ ingestionBodyLimitBytes: 300 });
    const many = Array.from({ length: 10 }, (_, i) => sample(profile(BigInt(i) + 1n)));
    await expect(small.intake.push(tenant, [{ labels: labels('a'), samples: many }])).rejects.toMatchObject({
      reason: 'body_size_limit_exceeded',
    });
  });
});

describe('relabelling rules', () => {
  const rules = (...list: unknown[]): Partial<WriteLimits> => ({ relabelingRules: JSON.stringify(list) });
  const services = (records: readonly LogRecord[]): string[] =>
    records.flatMap(({ datasets }) => datasets.map(({ service }) => service)).toSorted();

  test('that drop a profile answer success, and it is counted', async () => {
    const drop = { action: 'drop', source_labels: ['service_name'], regex: 'a' };
    const { intake, records, seen } = await harness(rules(drop));
    const series = ['a', 'b'].map((service) => ({ labels: labels(service), samples: [sample(profile(1n))] }));
    expect(await intake.push(tenant, series)).toHaveLength(1);
    expect(services(await records())).toEqual(['b']);
    expect(seen).toEqual(['discarded dropped_by_relabel_rules', 'stored 1']);
    expect(await intake.push(tenant, series.slice(0, 1))).toEqual([]);
  });

  test('that drop every sample type answer success', async () => {
    const sampleTypeRules = JSON.stringify([{ action: 'drop', source_labels: ['__type__'], regex: 'cpu' }]);
    const { intake, seen } = await harness({ sampleTypeRules });
    expect(await intake.push(tenant, [{ labels: labels('a'), samples: [sample(profile(1n))] }])).toEqual([]);
    expect(seen).toEqual(['discarded dropped_by_relabel_rules']);
  });

  test('place a profile by its new service and leave its id, which a client that tries again makes anew', async () => {
    const plain = await harness();
    const moving = await harness(rules({ target_label: 'service_name', replacement: 'till' }));
    const series = [{ labels: labels('shop'), samples: [sample(profile(1n))] }];
    await plain.intake.push(tenant, series);
    const [written] = await moving.intake.push(tenant, series);
    expect(await moving.intake.push(tenant, series)).toMatchObject([{ log: written!.log }]);
    expect(services(await moving.records())).toEqual(['till', 'till']);
    expect(new Set(ids([...(await plain.records()), ...(await moving.records())])).size).toBe(1);
  });
});

test('what rules move to another service is no copy of the rest, in one partition too', async () => {
  const move = { source_labels: ['of'], regex: '(.+)', target_label: 'service_name' };
  const { intake, records } = await harness({ relabelingRules: JSON.stringify([move]) });
  const message = draw(
    ['cpu/ns'],
    Array.from({ length: 8 }, (_, i) => `f 1${i}`),
    { timeNanos: String(BigInt(NOW) * 1_000_000n + 5n) },
  );
  for (const [i, one] of message.sample!.entries()) {
    const [key, str] = addStrings(message, 'of', `s${i}`);
    one.label = [{ key: key!, str: str! }];
  }
  const pushed = [{ labels: labels('shop'), samples: [sample(encodeMessage(message))] }];
  await intake.push(tenant, pushed);
  const first = ids(await records());
  expect([first.length, new Set(first).size]).toEqual([8, 8]);
  await intake.push(tenant, pushed);
  expect(new Set(ids(await records())).size).toBe(8);
});

describe('usage groups', () => {
  const groups = { usageGroups: JSON.stringify({ shops: '{service_name=~"shop.*"}', team: '{team="till"}' }) };
  const of = (service: string, ...more: Label[]): PushedSeries => ({
    labels: labels(service, more),
    samples: [sample(profile(1n))],
  });
  const till = { name: 'team', value: 'till' };

  test('are told apart by labels as pushed: a profile may be in several, or in none', async () => {
    const rename = { target_label: 'service_name', replacement: 'x' };
    const { intake, seen } = await harness({ ...groups, relabelingRules: JSON.stringify([rename]) });
    await intake.push(tenant, [of('shop-1', till), of('bank')]);
    expect(seen).toEqual(['stored 2', 'received shops', 'received team', 'received other']);
  });

  test('have shares of their profiles sampled; the others are dropped with success, and the smallest share counts', async () => {
    const sampling = JSON.stringify({ usage_groups: { shops: { probability: 0.25 }, team: { probability: 0 } } });
    const { intake, records, seen } = await harness({ ...groups, sampling });
    const many = Array.from({ length: 400 }, () => of('shop'));
    await intake.push(tenant, [...many, of('shop', till), of('bank', till), of('bank')]);
    const kept = (await records()).flatMap(({ datasets }) => datasets.map((one) => [one.service, one.profiles.length]));
    const { shop, bank } = Object.fromEntries(kept) as Record<string, number>;
    expect(bank).toBe(1);
    expect(shop).toBeGreaterThan(60);
    expect(shop).toBeLessThan(140);
    expect(seen.filter((one) => one === 'discarded dropped_by_sampling_rules shops')).toHaveLength(400 - shop!);
    expect(seen.filter((one) => one.includes('team'))).toEqual([
      'discarded dropped_by_sampling_rules shops team',
      'discarded dropped_by_sampling_rules team',
    ]);
  });

  const stored = async (
    records: () => Promise<LogRecord[]>,
  ): Promise<{ service: string; name: string; mark: Mark }[]> =>
    (await records())
      .flatMap(({ datasets }) => datasets)
      .map(({ service, name }) => ({ service, name: plainName(name), mark: markOf(name) }));
  const sampledMark = (usageGroup: string, probability: number): Mark['annotations'][number] => ({
    key: 'pyroscope.ingest.sampled',
    value: JSON.stringify({ body: { usageGroup, probability } }),
  });

  test('of which a share is left out have their sums stored where they are to be kept: the same id as the whole', async () => {
    const sampling = (probability: number): string => JSON.stringify({ usage_groups: { shops: { probability } } });
    const none = await harness({ ...groups, sampling: sampling(0), keepStripped: true });
    await none.intake.push(tenant, [of('shop-1'), of('bank')]);
    expect(none.seen).toEqual(['discarded dropped_by_sampling_rules shops', 'stored 2', 'received other']);
    const mark = { isStripped: true, annotations: [sampledMark('shops', 0)] };
    const unmarked = { isStripped: false, annotations: [] };
    expect((await stored(none.records)).toSorted((a, b) => (a.service < b.service ? -1 : 1))).toEqual([
      { service: 'bank', name: 'process_cpu', mark: unmarked },
      { service: 'shop-1', name: 'process_cpu', mark },
    ]);
    const series = (await none.records()).flatMap(({ datasets }) => datasets.flatMap((one) => one.series));
    expect(series.filter((one) => one.some(({ name }) => name === '__sampled__'))).toEqual([
      [
        { name: '__name__', value: 'process_cpu' },
        { name: '__sampled__', value: 'true' },
        { name: 'service_name', value: 'shop-1' },
      ],
    ]);
    const all = await harness({ ...groups, sampling: sampling(1), keepStripped: true });
    await all.intake.push(tenant, [of('shop-1'), of('bank')]);
    expect(ids(await all.records()).toSorted()).toEqual(ids(await none.records()).toSorted());
    expect((await stored(all.records)).map((one) => one.mark)).toEqual([unmarked, unmarked]);
  });

  test('of which a share is kept, and what a quota lets through, say so; others say nothing', async () => {
    const limit = {
      period_type: 'month',
      limit_reset_time: NOW / 1000 + 90,
      sampling: { num_requests: 1, period: '1m' },
      usage_groups: { shops: { period_limit_mb: 100, limit_reached: true } },
    };
    const some = { usageGroups: groups.usageGroups, ingestionLimit: JSON.stringify(limit) };
    const { intake, records } = await harness({
      ...some,
      hasPass: true,
      sampling: JSON.stringify({ usage_groups: { team: { probability: 0.999999 } } }),
    });
    await intake.push(tenant, [of('shop-1', till), of('bank')]);
    const throttled = {
      periodType: 'month',
      periodLimitMb: 100,
      limitResetTime: NOW / 1000 + 90,
      samplingPeriodSec: 60,
      samplingRequests: 1,
      usageGroup: 'shops',
    };
    const marks = new Map((await stored(records)).map(({ service, mark }) => [service, mark]));
    expect(marks.get('bank')?.annotations).toEqual([]);
    expect(marks.get('shop-1')).toEqual({
      isStripped: false,
      annotations: [
        { key: 'pyroscope.ingest.throttled', value: JSON.stringify({ body: throttled }) },
        sampledMark('team', 0.999999),
      ],
    });
  });

  test('are named by labels where their name says so; limits name them filled in, or as declared', async () => {
    const declared = '${labels.team}/${labels.service_name}';
    const usageGroups = JSON.stringify({ [declared]: '{}' });
    const ingestionLimit = JSON.stringify({ usage_groups: { 'till/shop': { limit_reached: true } } });
    const sampling = JSON.stringify({
      usage_groups: { [declared]: { probability: 0 }, 'till/bank': { probability: 1 } },
    });
    const { intake, seen } = await harness({ usageGroups, ingestionLimit, sampling });
    await expect(intake.push(tenant, [of('shop', till)])).rejects.toMatchObject({
      message: /^ingest limit reached for usage group "till\/shop"/,
    });
    await intake.push(tenant, [of('bank', till), of('cafe', till), of('cafe')]);
    expect(seen).toEqual([
      'discarded ingest_limit_reached till/shop',
      'discarded dropped_by_sampling_rules till/cafe',
      'stored 2',
      'received till/bank',
      'received other',
    ]);
  });

  test('whose quota is reached are refused alone, but for what is let through', async () => {
    const limit = {
      period_type: 'month',
      limit_reset_time: NOW / 1000 + 90,
      sampling: { num_requests: 1, period: '1m' },
      usage_groups: { shops: { period_limit_mb: 100, limit_reached: true }, team: { limit_reached: false } },
    };
    const { whole, clock, records } = await harness({ ...groups, ingestionLimit: JSON.stringify(limit) });
    const push = (...services: string[]): Promise<Written[]> => {
      const series = services.map((service) => ({
        labels: { __name__: 'process_cpu', service_name: service },
        profiles: [profile(1n)],
      }));
      const body = { bytes: pushRequest(series), isGzip: false };
      return whole.write({ tenant, body, form: { kind: 'push', isJson: false } });
    };
    await push('bank');
    await push('shop-1');
    await expect(push('bank', 'shop-2', 'cafe')).rejects.toMatchObject({
      code: 'resource_exhausted',
      reason: 'ingest_limit_reached',
      retryAfterSeconds: 90,
      message: /^ingest limit of 100 MB per month reached for usage group "shops", next reset at 2027/,
    });
    await clock.advance(60_000);
    await push('shop-3');
    await expect(push('shop-4')).rejects.toMatchObject({ retryAfterSeconds: 30 });
    const services = (await records()).flatMap(({ datasets }) => datasets.map(({ service }) => service));
    expect(services.toSorted()).toEqual(['bank', 'bank', 'cafe', 'shop-1', 'shop-3']);
  });
});

test('a quota of the tenant that is reached refuses a push before it is read, but for what is let through', async () => {
  const limit = { limit_reached: true, sampling: { num_requests: 2, period: '10s' } };
  const { whole, clock, seen } = await harness({ ingestionLimit: JSON.stringify(limit) });
  const write = (bytes: Uint8Array): Promise<Written[]> => {
    const form = { kind: 'ingest', url: '/ingest?name=a&format=pprof', contentType: '' } as const;
    return whole.write({ tenant, body: { bytes, isGzip: false }, form });
  };
  for (let round = 0; round < 2; round++) {
    expect(await write(profile(1n))).toHaveLength(1);
    expect(await write(profile(2n))).toHaveLength(1);
    const unread = write(new Uint8Array(9));
    await expect(unread).rejects.toMatchObject({ reason: 'ingest_limit_reached', retryAfterSeconds: 60 });
    await clock.advance(10_000);
  }
  expect(seen.slice(0, 3)).toEqual(['stored 1', 'stored 1', 'discarded ingest_limit_reached']);
});

describe('a limit of active series', () => {
  test('refuses new series and stores the others, of one profile too', async () => {
    const { intake, records, seen, clock } = await harness({ maxSeries: 2 });
    const push = (...services: string[]): Promise<Written[]> =>
      intake.push(
        tenant,
        services.map((service) => ({ labels: labels(service), samples: [sample(profile(1n, 0n))] })),
      );
    await push('a', 'b');
    await expect(push('a', 'c', 'b')).rejects.toMatchObject({
      code: 'resource_exhausted',
      reason: 'series_limit',
      message: /limit 2 \(max_global_series_per_tenant, max_local_series_per_tenant\)/,
    });
    expect(seen).toEqual(['stored 2', 'discarded series_limit', 'stored 2']);
    await clock.advance(3_600_000);
    await push('c');
    const services = (await records()).flatMap(({ datasets }) =>
      datasets.flatMap(({ service, profiles }) => Array.from({ length: profiles.length }, () => service)),
    );
    expect(services.toSorted()).toEqual(['a', 'a', 'b', 'b', 'c']);
  });
});

test('a tenant of few shards writes to few partitions, and the same push to the same', async () => {
  const narrow = await harness({ tenantShards: 3 });
  const series = Array.from({ length: 40 }, (_, i) => ({ labels: labels(`s${i}`), samples: [sample(profile(1n))] }));
  const logsOf = (written: Written[]): string[] => written.map(({ log }) => log).toSorted();
  const first = logsOf(await narrow.intake.push(tenant, series));
  expect(first).toHaveLength(3);
  expect(logsOf(await narrow.intake.push(tenant, series))).toEqual(first);
  expect(await (await harness()).intake.push(tenant, series)).toHaveLength(4);
});

describe('an append that fails', () => {
  /** Logs of which one call after the other does what the plan says, then all go well; with what was tried. */
  function failing(
    plan: (() => void)[],
    afterEffect = false,
  ): { wrap: (log: OpenLog) => OpenLog; tried: Uint8Array[] } {
    const tried: Uint8Array[] = [];
    const append = async (log: OpenLog, record: Uint8Array): Promise<Appended> => {
      tried.push(record.slice());
      if (!afterEffect) plan.shift()?.();
      const appended = await log.append(record);
      if (afterEffect) plan.shift()?.();
      return appended;
    };
    const wrap = (log: OpenLog): OpenLog => ({
      id: log.id,
      partition: log.partition,
      append: (record) => append(log, record),
      read: (from, signal) => log.read(from, signal),
      startOffset: () => log.startOffset(),
      endOffset: () => log.endOffset(),
      trim: (to) => log.trim(to),
    });
    return { wrap, tried };
  }
  const full = (): never => {
    throw new KilnError('unavailable', 'appending partition 1 of the log: the disk is full');
  };
  const always = (fail: () => never): (() => void)[] => Array.from({ length: 1_000 }, () => fail);
  /** Whole seconds: the id of the profile is made by chance. */
  const wholeSecond = [{ labels: labels('a'), samples: [sample(profile(1n, BigInt(NOW) * 1_000_000n))] }];

  test('is tried again with the same bytes and ids until it succeeds, whether or not a try took effect', async () => {
    for (const afterEffect of [false, true]) {
      const { wrap, tried } = failing([full, full, full], afterEffect);
      const { intake, clock, records } = await harness({}, wrap);
      expect(await clock.run(intake.push(tenant, wholeSecond))).toHaveLength(1);
      expect(tried).toHaveLength(4);
      for (const again of tried) expect(again).toEqual(tried[0]);
      expect(new Set(ids(await records())).size).toBe(1);
    }
  });

  test('for 10 s is not acknowledged, and not tried any longer', async () => {
    const { wrap, tried } = failing(always(full));
    const { intake, clock } = await harness({}, wrap);
    await expect(clock.run(intake.push(tenant, wholeSecond))).rejects.toMatchObject({ code: 'unavailable' });
    expect(clock.nowMs() - NOW).toBeGreaterThan(8_000);
    expect(clock.nowMs() - NOW).toBeLessThanOrEqual(10_000);
    expect(tried.length).toBeGreaterThan(10);
    expect(tried.length).toBeLessThan(60);
  });

  test('for good is not tried again: a log that is closed, a record that is too large', async () => {
    for (const code of ['failed_precondition', 'invalid_argument', 'internal'] as const) {
      const { wrap, tried } = failing(
        always(() => {
          throw new KilnError(code, 'for good');
        }),
      );
      const { intake, distributor } = await harness({}, wrap);
      await expect(intake.push(tenant, wholeSecond)).rejects.toMatchObject({ code });
      expect([tried.length, distributor.notReady()]).toEqual([1, undefined]);
    }
  });

  test('answers that the push may be sent again, also when another record of it never can be stored', async () => {
    const tooLarge = new KilnError('invalid_argument', 'record too large');
    for (const partition of [0, 1, 2, 3]) {
      const { intake, clock } = await harness({}, (log) => ({
        ...log,
        append: async () => (log.partition === partition ? Promise.reject(tooLarge) : full()),
      }));
      const series = 'abcdefghijkl'.split('').map((service) => ({
        labels: labels(service),
        samples: [sample(profile(1n))],
      }));
      await expect(clock.run(intake.push(tenant, series))).rejects.toMatchObject({ code: 'unavailable' });
    }
  });

  test('makes the distributor not ready and says why; it is ready when one succeeds, and when none was tried for a while', async () => {
    const plan = always(full);
    const { intake, distributor, clock } = await harness({}, failing(plan).wrap);
    expect(distributor.notReady()).toBeUndefined();
    const pushed = intake.push(tenant, wholeSecond).catch(() => 'refused');
    await clock.advance(5_000);
    expect(distributor.notReady()).toBe(
      '1 partition takes no records, for 5 s now: appending partition 1 of the log: the disk is full',
    );
    expect(await clock.run(pushed)).toBe('refused');
    expect(distributor.notReady()).toMatch(/disk is full/);
    await clock.advance(15_000);
    expect(distributor.notReady()).toBeUndefined();

    const next = intake.push(tenant, wholeSecond);
    await clock.advance(3_000);
    expect(distributor.notReady()).toMatch(/for 3 s now/);
    plan.length = 0;
    expect(await clock.run(next)).toHaveLength(1);
    expect(distributor.notReady()).toBeUndefined();
  });
});

describe('an /ingest request', () => {
  const nowNanos = BigInt(NOW) * 1_000_000n;
  const form = (parts: Record<string, Uint8Array | string>): [Uint8Array, string] => {
    const boundary = 'xyz';
    const chunks = Object.entries(parts).flatMap(([name, content]) => [
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${name}"\r\n\r\n`),
      Buffer.from(content),
      Buffer.from('\r\n'),
    ]);
    return [
      Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]),
      `multipart/form-data; boundary=${boundary}`,
    ];
  };

  test('stores the same whole or as a form, gzipped or not, and the time of from for a profile without one', async () => {
    const { intake, records } = await harness();
    const bytes = profile(7n, 0n);
    const [formBody, formType] = form({
      profile: gzipSync(bytes),
      sample_type_config: '{"cpu":{"display-name":"block_x"}}',
    });
    const url = `/ingest?name=shop%7Bregion%3Deu+west%7D&from=${NOW / 1000 - 60}&spyName=gospy&unknown=`;
    for (const [body, type, more] of [
      [bytes, '', '&format=pprof'],
      [gzipSync(bytes), 'application/octet-stream', '&format=pprof'],
      [formBody, formType, ''],
      [formBody, formType, '&format=pprof'],
    ] as const) {
      const { source, read } = readIngestRequest(url + more, type, nowNanos);
      expect(await intake.ingest(tenant, source, await read(body))).toHaveLength(1);
    }
    const stored = await records();
    const series = stored.flatMap(({ datasets }) =>
      datasets.flatMap((d) => d.series.map((set) => set.map((l) => `${l.name}=${l.value}`).join())),
    );
    const rest = 'pyroscope_spy=gospy,region=eu west,service_name=shop';
    expect(series.toSorted()).toEqual(
      [
        `__name__=block,${rest}`,
        `__name__=block,${rest}`,
        `__name__=process_cpu,${rest}`,
        `__name__=process_cpu,${rest}`,
      ].sort(),
    );
    for (const { datasets } of stored) expect(datasets[0]!.profiles.timeMs[0]).toBe(NOW - 60_000);
    expect(new Set(ids(stored)).size).toBe(4);
  });

  test('without a profile stores nothing and is no error', async () => {
    const { intake, records } = await harness();
    const [body, type] = form({ other: 'x' });
    for (const [content, contentType, query] of [
      [body, type, ''],
      [new Uint8Array(0), '', '&format=pprof'],
    ] as const) {
      const { source, read } = readIngestRequest(`/ingest?name=a${query}`, contentType, nowNanos);
      expect(await intake.ingest(tenant, source, await read(content))).toEqual([]);
    }
    expect(await records()).toEqual([]);
  });

  test('with a bad profile is 422, with a bad name 400, of another format 415', async () => {
    const { intake } = await harness();
    const { source, read } = readIngestRequest('/ingest?name=a&format=pprof', '', nowNanos);
    await expect(intake.ingest(tenant, source, await read(Uint8Array.of(9, 9, 9)))).rejects.toMatchObject({
      httpStatus: 422,
      code: 'invalid_argument',
    });
    expect(() => readIngestRequest('/ingest?name=', '', nowNanos)).toThrow(/the parameter name is missing/);
    for (const query of [
      'format=jfr',
      'format=lines',
      'format=tree',
      'format=trie',
      'format=speedscope',
      '',
      'format=folded',
    ]) {
      expect(() => readIngestRequest(`/ingest?name=a&${query}`, '', nowNanos)).toThrow(
        /is not read yet: this version reads pprof/,
      );
    }
    // The words are the client's own.
    expect(() => readIngestRequest('/ingest?name=a&format=folded', '', nowNanos)).toThrow(/^format "folded" is not/);
    expect(() => readIngestRequest('/ingest?name=a', '', nowNanos)).toThrow(/^a body without format= /);
    expect(() => readIngestRequest('/ingest?name=a', 'binary/octet-stream+trie', nowNanos)).toThrow(
      /^content type "binary\/octet-stream\+trie" is not/,
    );
    const [body, type] = form({ profile: profile(1n), prev_profile: profile(1n) });
    const previous = readIngestRequest('/ingest?name=a', type, nowNanos);
    await expect(previous.read(body)).rejects.toMatchObject({ httpStatus: 422 });
  });

  test('whose form is broken or endless in parts is refused', async () => {
    const { read } = readIngestRequest('/ingest?name=a', 'multipart/form-data; boundary=xyz', nowNanos);
    await expect(
      read(Buffer.from('--xyz\r\nContent-Disposition: form-data; name="profile"; filename="p"\r\n\r\nabc')),
    ).rejects.toMatchObject({
      code: 'invalid_argument',
    });
    const [body] = form(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`p${i}`, 'x'])));
    await expect(read(body)).rejects.toThrow(/more than 32 parts/);
    const noBoundary = readIngestRequest('/ingest?name=a', 'multipart/form-data', nowNanos);
    await expect(noBoundary.read(body)).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});
