import { CorruptDataError } from '@kiln/bytes';
import { makeLogId, type TenantId } from '@kiln/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeJsonObject } from './json-object.ts';
import { manifestKey, quarantineKey, segmentKey, tenantIndexKey } from './keys.ts';
import { decodeManifest, encodeManifest, type ManifestBody } from './manifest.ts';
import { partsAbove } from './parts.ts';
import { MapStore, testCatalog } from './test-support/store.ts';

const log = makeLogId('00112233445566778899aabbccddeeff', 2);
const catalog = testCatalog(new MapStore());

const whole = fc.nat({ max: 2 ** 40 });
const bodies = fc
  .record({
    start: whole,
    length: fc.integer({ min: 1, max: 100_000 }),
    aMax: whole,
    names: fc.uniqueArray(fc.stringMatching(/^[a-zA-Z0-9*'()!-][a-zA-Z0-9_.]{1,20}$/), { maxLength: 20 }),
    numbers: fc.array(fc.tuple(whole, fc.integer({ min: 1, max: 1000 })), { minLength: 20, maxLength: 20 }),
    ids: fc.tuple(whole, whole),
    gaps: fc.uniqueArray(fc.nat({ max: 99 }), { maxLength: 5 }),
    final: fc.boolean(),
    writer: fc.string(),
  })
  .map(({ start, length, aMax, names, numbers, ids, gaps, final, writer }): ManifestBody => ({
    start,
    end: start + 100 + length,
    aMax,
    tenants: names
      .toSorted((a, b) => (a < b ? -1 : 1))
      .map((name, i) => {
        const [off, rows] = numbers[i]!;
        return { tenant: name as TenantId, off, len: rows * 7, rows, minMs: off - 5, maxMs: off + rows };
      }),
    object: segmentKey(log, start, start + 100 + length, 'abcdef0123'),
    idsOff: ids[0],
    idsLen: ids[1],
    gaps: gaps
      .toSorted((a, b) => a - b)
      .map((at) => ({ after: start + at, upTo: start + at + 1, reason: 'lost', fromMs: 1, toMs: 2 })),
    final,
    writer,
    prevDigest: '0'.repeat(32),
  }));

describe('manifest', () => {
  test('reads back as it was written', () => {
    fc.assert(
      fc.property(bodies, fc.integer({ min: 1, max: 1e9 }), (body, seq) => {
        const { bytes, manifest } = encodeManifest(catalog, log, seq, body);
        expect(manifest).toEqual({ ...body, log, seq, digest: manifest.digest });
        expect(decodeManifest(catalog, log, seq, bytes)).toEqual(manifest);
      }),
      { numRuns: 200 },
    );
  });

  test('what breaks a rule is refused by name', () => {
    const good = {
      start: 9,
      end: 20,
      aMax: 5,
      tenants: [
        { tenant: 'a', off: 0, len: 8, rows: 1, minMs: 1, maxMs: 1 },
        { tenant: 'b', off: 8, len: 8, rows: 1, minMs: 1, maxMs: 1 },
      ],
      object: segmentKey(log, 9, 20, 'abcdef01'),
      idsOff: 16,
      idsLen: 4,
      gaps: [{ after: 10, upTo: 11, reason: '', fromMs: 0, toMs: 0 }],
      writer: 'w',
      prevDigest: 'x',
    };
    const read = (change: object, seq = 7) =>
      decodeManifest(catalog, log, seq, encodeJsonObject(catalog.crc32, { version: 1, ...good, ...change }));
    expect(read({}).final).toBe(false);
    const f = (change: object, found: RegExp, seq = 7) => {
      expect(() => read(change, seq)).toThrow(CorruptDataError);
      expect(() => read(change, seq)).toThrow(found);
    };
    f({ end: 9 }, /end is 9/);
    f({ start: -2 }, /start is -2/);
    f({}, /start is 9, the first manifest starts at -1/, 0);
    f({ tenants: good.tenants.toReversed() }, /tenants\[1\] a is out of order/);
    f({ tenants: [good.tenants[0], good.tenants[0]] }, /out of order/);
    f({ tenants: [{ ...good.tenants[0], tenant: '../x' }] }, /tenants\[0\]\.tenant invalid org id/);
    f({ tenants: [{ ...good.tenants[0], tenant: 'a:k=v' }] }, /tenants\[0\]\.tenant is not a tenant/);
    f({ tenants: [{ ...good.tenants[0], tenant: 'a|b' }] }, /tenants\[0\]\.tenant/);
    f({ tenants: [{ ...good.tenants[0], maxMs: 0 }] }, /maxMs is 0/);
    f({ object: undefined }, /object is missing/);
    f({ object: segmentKey(log, 9, 21, 'abcdef01') }, /is not the segment of \(9, 20\]/);
    f({ object: segmentKey(makeLogId('f'.repeat(16), 2), 9, 20, 'abcdef01') }, /of this log/);
    f({ gaps: [{ ...good.gaps[0], after: 8 }] }, /gaps \(8, 11\] is out of order or outside/);
    f({ gaps: [good.gaps[0], good.gaps[0]] }, /gaps/);
    f({ gaps: [{ ...good.gaps[0], upTo: 21 }] }, /gaps/);
  });
});

test('the parts of a tenant are found in every manifest above an offset', () => {
  fc.assert(
    fc.property(fc.array(bodies, { maxLength: 5 }), fc.nat({ max: 2 ** 40 }), (list, from) => {
      const manifests = list.map((body, i) => encodeManifest(catalog, log, i + 1, body).manifest);
      const tenants = new Set(list.flatMap((body) => body.tenants.map(({ tenant }) => tenant)));
      for (const tenant of [...tenants, 'nobody-here-at-all' as TenantId]) {
        const want = manifests
          .filter(({ end }) => end > from)
          .flatMap((one) =>
            one.tenants.filter((part) => part.tenant === tenant).map((part) => ({ ...part, object: one.object })),
          );
        expect(partsAbove(manifests, tenant, from)).toEqual(want);
      }
    }),
    { numRuns: 50 },
  );
});

describe('keys', () => {
  test('follow the layout', () => {
    expect(manifestKey(log, 123)).toBe(`log/${log}/m/000000000123`);
    expect(segmentKey(log, -1, 9, '0123abcd')).toBe(`log/${log}/s/-1-9-0123abcd`);
    expect(quarantineKey(log, 7)).toBe(`log/${log}/q/7`);
    expect(tenantIndexKey('Team' as TenantId)).toBe('tenants/team~1/index');
  });

  test('no key is made of what is not a number or a nonce', () => {
    expect(() => manifestKey(log, 1.5)).toThrow(RangeError);
    expect(() => quarantineKey(log, Number.NaN)).toThrow(RangeError);
    expect(() => segmentKey(log, 5, 4, '0123abcd')).toThrow(RangeError);
    expect(() => segmentKey(log, 4, 5, '../..')).toThrow(RangeError);
  });
});
