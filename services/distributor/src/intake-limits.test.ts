import { describe, expect, test, vi } from 'vitest';
import type { LogRecord } from '@kiln/block';
import { markOf, plainName, type Label, type Mark } from '@kiln/model';
import { addStrings, draw, encodeMessage } from '../../../libs/formats/src/test-support/pprof-message.ts';
import { pushRequest } from '../../../test/process/tiny-pprof.ts';
import { buildPprof } from '../../../test/support/profile-builder.ts';
import type { Written } from './distributor.ts';
import type { WriteLimits } from './reading.ts';
import type { PushedSeries } from './push-request.ts';
import { NOW, tenant, labels, profile, sample, ids, harness } from './test-support/intake-harness.ts';

vi.setConfig({ testTimeout: 30_000 }); // some take hundreds of megabytes through gzip

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
  test('refuses new series and stores the others', async () => {
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

  test('refuses a profile whole of which one series is new: its retry would be a copy of what had been stored', async () => {
    const { intake, records, clock } = await harness({ maxSeries: 2, rejectOlderThanMs: 0 });
    const split = buildPprof({
      types: [['cpu', 'nanoseconds']],
      timeNanos: BigInt(NOW) * 1_000_000n + 5n,
      samples: ['1', '2'].map((thread) => ({
        frames: [{ name: 'main' }],
        values: [7n],
        labels: [['thread', thread]],
      })),
    });
    const push = (service: string, bytes: Uint8Array): Promise<Written[]> =>
      intake.push(tenant, [{ labels: labels(service), samples: [sample(bytes)] }]);
    const rows = async (): Promise<number[]> =>
      (await records()).flatMap(({ datasets }) => datasets.map(({ rows: { length } }) => length));
    await push('a', profile(1n));
    await expect(push('split', split)).rejects.toMatchObject({ reason: 'series_limit' });
    expect(await rows()).toEqual([1]);
    await clock.advance(3_600_000);
    await push('split', split);
    expect(await rows()).toEqual([1, 2]);
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
