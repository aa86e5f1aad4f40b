import { hash64, type TenantId } from '@kiln/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { duplicateWindowMs } from './duplicate-window.ts';
import { placePartition, tenantPartitions } from './placement.ts';

const inputs = fc.record({
  partitions: fc.integer({ min: 1, max: 300 }),
  tenant: fc.string({ minLength: 1, maxLength: 20 }) as fc.Arbitrary<TenantId>,
  service: fc.string({ maxLength: 20 }),
  fingerprint: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  shards: fc.record({ tenant: fc.nat({ max: 300 }), service: fc.nat({ max: 20 }) }),
});

describe('placePartition', () => {
  test('depends on its arguments alone and stays within the tenant’s and the service’s shards', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const partition = placePartition(input);
        expect(placePartition({ ...input })).toBe(partition);
        const mine = tenantPartitions(input.partitions, input.tenant, input.shards.tenant);
        expect(mine).toContain(partition);
        expect(new Set(mine).size).toBe(mine.length);
        expect(mine.length).toBe(
          input.shards.tenant === 0 ? input.partitions : Math.min(input.partitions, Math.max(3, input.shards.tenant)),
        );
        expect(mine.every((p) => p >= 0 && p < input.partitions)).toBe(true);
      }),
    );
  });

  test('a service of one shard lives in one partition, whatever its labels', () => {
    fc.assert(
      fc.property(inputs, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (input, fingerprint) => {
        const one = { ...input, shards: { tenant: 0, service: 1 } };
        expect(placePartition({ ...one, fingerprint })).toBe(placePartition(one));
      }),
    );
  });

  test('a service of n shards uses n partitions', () => {
    const used = new Set<number>();
    for (let i = 0; i < 1000; i++) {
      used.add(
        placePartition({
          partitions: 64,
          tenant: 't' as TenantId,
          service: 's',
          fingerprint: hash64(`${i}`),
          shards: { tenant: 8, service: 4 },
        }),
      );
    }
    expect(used.size).toBe(4);
  });

  test('a wider tenant only adds partitions', () => {
    const narrow = tenantPartitions(64, 't' as TenantId, 5);
    expect(tenantPartitions(64, 't' as TenantId, 20).slice(0, 5)).toEqual(narrow);
  });

  test('many services, and many tenants, spread evenly', () => {
    const f = (partitions: number, place: (i: number) => number) => {
      const count = new Float64Array(partitions);
      for (let i = 0; i < 1000 * partitions; i++) count[place(i)]!++;
      for (const many of count) expect(Math.abs(many - 1000)).toBeLessThan(200);
    };
    const tenant = 'team-a' as TenantId;
    for (const partitions of [4, 16]) {
      f(partitions, (i) => placePartition({ partitions, tenant, service: `service-${i}`, fingerprint: 0n }));
      f(partitions, (i) =>
        placePartition({ partitions, tenant: `tenant-${i}` as TenantId, service: 'web', fingerprint: 0n }),
      );
    }
  });
});

test('the duplicate window is the acceptance window and a minute, at most two hours', () => {
  const hour = 3_600_000;
  const f = (older: number, newer: number, want: number) => expect(duplicateWindowMs(older, newer)).toBe(want);
  f(hour, 600_000, 71 * 60_000);
  f(2 * hour, 600_000, 2 * hour);
  f(0, 600_000, 2 * hour);
  f(hour, 0, 2 * hour);
});
