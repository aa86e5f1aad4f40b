import { describe, expect, test } from 'vitest';
import { ManualClock } from '@kiln/async';
import { loadConfig, parseFlags } from '@kiln/config';
import { KilnError, parseTenantId, type TenantId } from '@kiln/model';
import {
  acceptedAge,
  bodyLimitBytes,
  defaultLimits,
  limitSettings,
  RateLimiter,
  TenantResolver,
  type Limits,
} from './index.ts';

const MIB = 1_048_576;
const a: TenantId = parseTenantId('a');
const b: TenantId = parseTenantId('b');

describe('limits', () => {
  const schema = { limits: limitSettings };

  test('have the names and defaults that operators know', () => {
    expect(Object.values(limitSettings).map(({ yaml, key }) => `${yaml} ${key}`)).toEqual(
      expect.arrayContaining([
        'limits.max_label_value_length validation.max-length-label-value',
        'limits.ingestion_body_limit_mb distributor.ingestion-body-limit-mb',
        'limits.reject_older_than validation.reject-older-than',
        'limits.retention_period retention-period',
      ]),
    );
    expect(defaultLimits).toEqual(loadConfig(schema, parseFlags(schema, [])).limits);
    expect(defaultLimits.maxProfileSizeBytes).toBe(4_194_304);
    expect(defaultLimits.maxQueryLookbackMs).toBe(defaultLimits.retentionPeriodMs);
    expect(bodyLimitBytes(defaultLimits)).toBe(256 * MIB);
  });

  test('of less than a byte are not none', () => {
    expect(bodyLimitBytes({ ...defaultLimits, ingestionBodyLimitMb: 1e-9 })).toBe(1);
  });

  test('accept no profile that is past the retention', () => {
    const age = (rejectOlderThanMs: number, retentionPeriodMs: number): string => {
      const { ms, by } = acceptedAge({ ...defaultLimits, rejectOlderThanMs, retentionPeriodMs });
      return `${by} ${ms}`;
    };
    const [reject, retention] = ['reject_older_than', 'retention_period'];
    expect([age(10, 20), age(10, 0), age(0, 0), age(10, 10)]).toEqual([10, 10, 0, 10].map((ms) => `${reject} ${ms}`));
    expect([age(20, 10), age(0, 10)]).toEqual([`${retention} 10`, `${retention} 10`]);
  });

  test('are set by file and flag', () => {
    const tree = { limits: { max_label_value_length: 10, reject_older_than: '2h' } };
    const flags = parseFlags(schema, ['--validation.max-length-label-value=11']);
    const { limits } = loadConfig(schema, flags, { name: 'x', tree });
    expect([limits.maxLabelValueLength, limits.rejectOlderThanMs]).toEqual([11, 7_200_000]);
  });
});

describe('the rate', () => {
  const limits: Limits = { ...defaultLimits, ingestionRateMb: 1, ingestionBurstSizeMb: 2, maxProfileSizeBytes: MIB };
  const taken = (work: () => void): KilnError | undefined => {
    try {
      work();
      return undefined;
    } catch (error) {
      return error as KilnError;
    }
  };

  test('is unlimited unless set', () => {
    const limiter = new RateLimiter(new ManualClock(0));
    for (let i = 0; i < 100; i++) expect(taken(() => limiter.take(a, 1e9, defaultLimits))).toBe(undefined);
  });

  test('refuses above the burst, says when to come back, and is right about it', async () => {
    const clock = new ManualClock(0);
    const limiter = new RateLimiter(clock);
    limiter.take(a, 2 * MIB, limits);
    const refused = taken(() => limiter.take(a, MIB, limits));
    expect(refused).toMatchObject({ code: 'resource_exhausted', reason: 'rate_limited', retryAfterSeconds: 1 });
    expect(refused?.message).toContain('push rate limit (1 MiB/s) exceeded');
    expect(taken(() => limiter.take(b, MIB, limits))).toBe(undefined);
    await clock.advance(999);
    expect(taken(() => limiter.take(a, MIB, limits))).toBeInstanceOf(KilnError);
    await clock.advance(1);
    expect(taken(() => limiter.take(a, MIB, limits))).toBe(undefined);
  });

  test('lets one largest profile through whatever the burst, and a larger one with a debt', async () => {
    const clock = new ManualClock(0);
    const limiter = new RateLimiter(clock);
    const small: Limits = { ...limits, ingestionBurstSizeMb: 0, maxProfileSizeBytes: 4 * MIB };
    expect(taken(() => limiter.take(a, 4 * MIB, small))).toBe(undefined);
    expect(taken(() => limiter.take(b, 8 * MIB, small))).toBe(undefined);
    await clock.advance(7_000);
    expect(taken(() => limiter.take(b, 8 * MIB, small))).toMatchObject({ retryAfterSeconds: 1 });
    await clock.advance(1_000);
    expect(taken(() => limiter.take(b, 8 * MIB, small))).toBe(undefined);
  });

  test('holds for a new tenant however many others are in debt, and no debt is judged by the limits of another', async () => {
    const clock = new ManualClock(0);
    const limiter = new RateLimiter(clock);
    const slow: Limits = { ...limits, ingestionRateMb: 1 / 1024 };
    limiter.take(b, 2 * MIB, slow); // full after 2,048 s
    for (let i = 0; i < 9_999; i++) limiter.take(parseTenantId(`open-${i}`), 2 * MIB, limits);
    await clock.advance(3_000); // all others are full, by their own rate
    limiter.take(a, 2 * MIB, limits);
    expect(taken(() => limiter.take(a, MIB, limits))).toMatchObject({ reason: 'rate_limited' });
    expect(taken(() => limiter.take(b, MIB, slow))).toMatchObject({ reason: 'rate_limited' });
    for (let i = 0; i < 10_001; i++) limiter.take(parseTenantId(`open-${i}`), 2 * MIB, limits);
    limiter.take(parseTenantId('c'), 2 * MIB, limits);
    expect(taken(() => limiter.take(parseTenantId('c'), MIB, limits))).toMatchObject({ reason: 'rate_limited' });
    expect(taken(() => limiter.take(parseTenantId('open-0'), MIB, limits))).toMatchObject({ reason: 'rate_limited' });
  });
});

describe('tenants', () => {
  function resolver(multitenancy: boolean): { resolve: TenantResolver; warnings: string[]; count: () => number } {
    const warnings: string[] = [];
    let count = 0;
    const ignored = { warn: (message: string) => void warnings.push(message), count: () => void count++ };
    return {
      resolve: new TenantResolver({ multitenancyEnabled: multitenancy, maxTenantsPerRead: 3 }, ignored),
      warnings,
      count: () => count,
    };
  }

  test('off: everybody is anonymous; an ignored header is counted, and warned of once', () => {
    const { resolve, warnings, count } = resolver(false);
    expect(resolve.forWrite(undefined)).toBe('anonymous');
    expect(resolve.notes()).toEqual([]);
    expect([resolve.forWrite('a|b'), resolve.forRead('../x')]).toEqual(['anonymous', ['anonymous']]);
    expect([warnings.length, count()]).toEqual([1, 2]);
    expect(resolve.notes()[0]).toContain('ignored in 2 requests');
  });

  test('on: the header decides, and nothing else', () => {
    const { resolve } = resolver(true);
    expect([resolve.forWrite('a'), resolve.forRead('a|a:k=v')]).toEqual(['a', ['a']]);
    expect(resolve.forRead('b|a|b')).toEqual(['a', 'b']);
    const refused = (work: () => unknown, code: string) => expect(work).toThrow(expect.objectContaining({ code }));
    refused(() => resolve.forWrite(undefined), 'unauthenticated');
    refused(() => resolve.forWrite(''), 'unauthenticated');
    refused(() => resolve.forWrite('a|b'), 'invalid_argument');
    refused(() => resolve.forRead('a||b'), 'invalid_argument');
    refused(() => resolve.forRead('__x'), 'invalid_argument');
    refused(() => resolve.forRead(undefined), 'unauthenticated');
  });

  test('of one read are bounded, and the refusal names the setting', () => {
    const { resolve } = resolver(true);
    expect(resolve.forRead('a|b|c|a|b|c')).toEqual(['a', 'b', 'c']);
    expect(() => resolve.forRead('a|b|c|d')).toThrow(
      expect.objectContaining({
        code: 'invalid_argument',
        message: 'X-Scope-OrgID names 4 tenants, and a read may name 3 (auth.max-tenants-per-read)',
      }),
    );
  });
});
