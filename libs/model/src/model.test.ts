import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KilnError } from './errors.ts';
import { ExactSums, exactFromBigInt, exactToBigInt, INT64_HI } from './exact.ts';
import { fingerprint, labelSet, labelSetKey } from './label-set.ts';
import { parseProfileTypeId, profileTypeId } from './profile-type.ts';
import { parseTenantId, parseTenantIds, tenantPathSegment } from './tenant-id.ts';

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return error instanceof KilnError ? error.code : `not ours: ${String(error)}`;
  }
  return 'accepted';
};

describe('a tenant', () => {
  test('is taken exactly as received or refused', () => {
    for (const good of ['a', 'A-1', "x!-_.*'()", 'a'.repeat(150), '...', 'a..b'])
      expect(parseTenantId(good)).toBe(good);
    for (const bad of [
      '.',
      '..',
      'a/b',
      'a b',
      '%2e%2e',
      'ü',
      '#',
      'a'.repeat(151),
      '__x',
      ' ',
      'a||b',
      '|a',
      'a|',
      '|',
    ])
      expect([bad, codeOf(() => parseTenantIds(bad))]).toEqual([bad, 'invalid_argument']);
    for (const missing of [undefined, '']) expect(codeOf(() => parseTenantIds(missing))).toBe('unauthenticated');
  });

  test('is one for a write and a sorted set for a read; metadata is cut at the first colon', () => {
    expect(codeOf(() => parseTenantId('a|b'))).toBe('invalid_argument');
    expect(parseTenantId('a|a')).toBe('a');
    expect(parseTenantIds('c|a|b|a')).toEqual(['a', 'b', 'c']);
    expect(parseTenantIds('b:k=v:w|a')).toEqual(['a', 'b']);
    expect(codeOf(() => parseTenantId(':k=v'))).toBe('invalid_argument');
  });

  test('has a path segment of its own even where case does not count', () => {
    expect(tenantPathSegment(parseTenantId('team-a'))).toBe('team-a');
    const id = fc.stringMatching(/^[a-zA-Z0-9]{1,8}$/);
    fc.assert(
      fc.property(id, id, (a, b) => {
        const [x, y] = [tenantPathSegment(parseTenantId(a)), tenantPathSegment(parseTenantId(b))];
        expect(x === y).toBe(a === b);
        expect(x).toBe(x.toLowerCase());
      }),
    );
    expect(tenantPathSegment(parseTenantId('A'.repeat(150))).length).toBeLessThanOrEqual(255);
  });
});

describe('exact sums', () => {
  test('equal sums of bigints, far beyond 2^53', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), { maxLength: 50 }), (values) => {
        const sums = new ExactSums(1);
        let want = 0n;
        for (const value of values) {
          const { lo, hi } = exactFromBigInt(value);
          expect(exactToBigInt(lo, hi)).toBe(value);
          sums.add(0, lo, hi);
          want += value;
        }
        expect(sums.get(0)).toBe(want);
        expect(sums.hi[0]! >= INT64_HI).toBe(want > 2n ** 63n - 1n);
      }),
    );
  });
});

describe('label sets', () => {
  const label = fc.record({ name: fc.string({ maxLength: 6 }), value: fc.string({ maxLength: 6 }) });
  test('have a key that is equal exactly for equal sets', () => {
    fc.assert(
      fc.property(fc.array(label, { maxLength: 4 }), fc.array(label, { maxLength: 4 }), (a, b) => {
        const equal = JSON.stringify(labelSet(a)) === JSON.stringify(labelSet(b));
        expect(labelSetKey(labelSet(a)) === labelSetKey(labelSet(b))).toBe(equal);
        if (equal) expect(fingerprint(labelSet(a))).toBe(fingerprint(labelSet(b)));
      }),
    );
  });

  test('have fingerprints that spread', () => {
    const seen = new Set<bigint>();
    for (let i = 0; i < 20_000; i++) seen.add(fingerprint(labelSet([{ name: 'pod', value: `p-${i}` }])));
    expect(seen.size).toBe(20_000);
    const low = new Array<number>(4).fill(0);
    for (const print of seen) low[Number(print % 4n)]! += 1;
    for (const count of low) expect(count).toBeGreaterThan(4_500);
  });
});

describe('profile type ids', () => {
  test('read back, with empty parts and an ignored sixth', () => {
    const cpu = { name: 'process_cpu', type: 'cpu', unit: 'nanoseconds', periodType: '', periodUnit: '' };
    expect(profileTypeId(cpu.name, cpu)).toBe('process_cpu:cpu:nanoseconds::');
    expect(parseProfileTypeId('process_cpu:cpu:nanoseconds::')).toEqual(cpu);
    expect(parseProfileTypeId('process_cpu:cpu:nanoseconds:::delta')).toEqual(cpu);
    for (const bad of ['', 'cpu', 'a:b:c:d', 'a:b:c:d:e:f:g'])
      expect(codeOf(() => parseProfileTypeId(bad))).toBe('invalid_argument');
  });
});
