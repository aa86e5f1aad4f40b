import { CorruptDataError } from '@kiln/bytes';
import { KilnError, parseTenantId, type TenantId } from '@kiln/model';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { PageRows } from '../page/page-rows.ts';
import {
  buildProfile,
  codecs,
  idOf,
  labelsOf,
  plainProfile,
  plainSamplesText,
  plainStackText,
  samplesText,
  spansText,
  type PlainProfile,
} from '../testing.test-support.ts';
import type { Codecs } from '../tables.ts';
import { decodeRecord, type LogRecord } from './record.ts';
import { RecordBuilder } from './record-builder.ts';
import { RECORD_CRC_AT } from './record-layout.ts';

// The long forms take minutes.
vi.setConfig({ testTimeout: 600_000 });

const tenant: TenantId = parseTenantId('team-a');
const options = { tenant, receivedMs: 1_700_000_000_123, windowMs: 71 * 60_000 };

const encode = (profiles: readonly PlainProfile[]): Uint8Array => {
  const builder = new RecordBuilder(options);
  profiles.forEach((profile, i) => builder.add(buildProfile(profile), idOf(i)));
  expect(builder.profiles).toBe(profiles.length);
  return builder.finish(codecs);
};

/** All that a record says, as text. */
const content = (record: LogRecord): unknown => ({
  head: [record.tenant, record.receivedMs, record.windowMs],
  datasets: record.datasets
    .map((dataset) => {
      const samples = new PageRows(dataset.page, dataset.types.length);
      const rows: unknown[] = [];
      for (let row = 0; samples.next(); row++) {
        const profile = dataset.rows.profile[row]!;
        rows.push({
          id: [...dataset.profiles.id.subarray(profile * 16, profile * 16 + 16)],
          timeMs: dataset.profiles.timeMs[profile],
          labels: labelsOf(dataset.series[dataset.rows.series[row]!]!),
          samples: samplesText(record.symbols, samples),
        });
      }
      return {
        key: [dataset.service, dataset.name, dataset.types],
        profiles: dataset.profiles.length,
        rows,
        spans: spansText(record.symbols, dataset.spans),
      };
    })
    .toSorted((a, b) => (JSON.stringify(a.key) < JSON.stringify(b.key) ? -1 : 1)),
});

const plainContent = (profiles: readonly PlainProfile[]): unknown => {
  const keys = new Map<string, number[]>();
  profiles.forEach((profile, i) => {
    const { service, name, types } = buildProfile({ ...profile, groups: [] });
    const key = JSON.stringify([service, name, types]);
    keys.set(key, [...(keys.get(key) ?? []), i]);
  });
  return {
    head: [tenant, options.receivedMs, options.windowMs],
    datasets: [...keys]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, numbers]) => {
        const rows = numbers.flatMap((i) =>
          profiles[i]!.groups.map(({ labels, samples, spans }) => ({
            id: [...idOf(i)],
            timeMs: profiles[i]!.timeMs,
            labels,
            samples: plainSamplesText(samples),
            spans,
          })),
        );
        return {
          key: JSON.parse(key) as unknown,
          profiles: numbers.length,
          rows: rows.map(({ id, timeMs, labels, samples }) => ({ id, timeMs, labels, samples })),
          spans: rows
            .flatMap(({ spans }, row) =>
              spans.map(
                ({ span, trace, stack, values }) =>
                  `${row}: ${span} ${trace} ${plainStackText(stack)} = ${values.join(',')}`,
              ),
            )
            .toSorted(),
        };
      }),
  };
};

const profiles = fc
  .constantFrom(['cpu'], ['samples', 'cpu'], ['a', 'b', 'c', 'd'])
  .chain((types) => fc.array(fc.oneof(plainProfile(types), plainProfile(['samples', 'cpu'])), { maxLength: 4 }));

describe('a record', () => {
  test('gives back every profile: symbols, values, labels, ids, spans', () => {
    fc.assert(
      fc.property(profiles, (plain) => {
        expect(content(decodeRecord(encode(plain), codecs))).toEqual(plainContent(plain));
      }),
    );
  });

  test('says before it is finished about how long its body will be', () => {
    fc.assert(
      fc.property(profiles, (plain) => {
        const builder = new RecordBuilder(options);
        plain.forEach((profile, i) => builder.add(buildProfile(profile), idOf(i)));
        const estimate = builder.byteLength;
        const rawLength = new DataView(builder.finish(codecs).buffer).getUint32(12, true);
        expect(estimate).toBeGreaterThanOrEqual(rawLength * 0.95 - 64);
      }),
    );
  });

  test('written without compression is larger and says the same', () => {
    const builder = (): RecordBuilder => {
      const made = new RecordBuilder(options);
      fc.sample(profiles, { seed: 5, numRuns: 20 })
        .flat()
        .forEach((plain, i) => made.add(buildProfile(plain), idOf(i)));
      return made;
    };
    const [packed, plain] = [builder().finish(codecs, 'zstd'), builder().finish(codecs, 'none')];
    expect([packed[3], plain[3]]).toEqual([1, 0]);
    expect(plain.length).toBeGreaterThan(packed.length);
    expect(content(decodeRecord(plain, codecs))).toEqual(content(decodeRecord(packed, codecs)));
  });

  test('is not called damaged when there is no memory to decompress it', () => {
    const bytes = encode(fc.sample(profiles, { seed: 5, numRuns: 20 }).flat());
    const failing = (error: Error): Codecs => ({
      ...codecs,
      zstdDecompress: () => {
        throw error;
      },
    });
    const withCode = (error: Error, code: string): Error => Object.assign(error, { code });
    for (const error of [
      new RangeError('Array buffer allocation failed'),
      withCode(new Error('allocation'), 'ERR_MEMORY_ALLOCATION_FAILED'),
      withCode(new Error('allocation'), 'ZSTD_error_memory_allocation'),
    ])
      expect(() => decodeRecord(bytes, failing(error))).toThrow(error);
    for (const error of [
      withCode(new RangeError('too large'), 'ERR_BUFFER_TOO_LARGE'),
      withCode(new Error('bad'), 'ZSTD_error_corruption_detected'),
    ])
      expect(() => decodeRecord(bytes, failing(error))).toThrow(CorruptDataError);
  });

  test('carries a trace context when there is one', () => {
    const traceparent = Uint8Array.from({ length: 25 }, (_, i) => i);
    const record = decodeRecord(new RecordBuilder({ ...options, traceparent }).finish(codecs), codecs);
    expect(record.traceparent).toEqual(traceparent);
    expect(decodeRecord(encode([]), codecs).traceparent).toBeUndefined();
  });

  test('of a newer major version is refused in a sentence', () => {
    const bytes = encode([]);
    bytes[2] = 2;
    expect(() => decodeRecord(bytes, codecs)).toThrow(KilnError);
    expect(() => decodeRecord(bytes, codecs)).toThrow(/version 2 .* supported is 1/);
  });

  test('above the limit is refused before it is decompressed', () => {
    const bytes = encode([]);
    const without = { ...codecs, zstdDecompress: () => expect.unreachable() };
    expect(() => decodeRecord(bytes, without, 3)).toThrow(/limit 3/);
  });
});

const example: PlainProfile = {
  service: 'api',
  name: 'process_cpu',
  types: ['samples', 'cpu'],
  timeMs: 1_700_000_000_000,
  groups: [
    {
      labels: { service_name: 'api', pod: 'p-1' },
      samples: [
        { stack: [frame('main', 10), frame('work', 20)], values: [3n, 30n] },
        { stack: [frame('main', 10), frame('idle', 7)], values: [1n, 10n] },
        { stack: [], values: [2n, 20n] },
      ],
      spans: [{ stack: [frame('main', 10)], values: [1n, 10n], span: 77n, trace: 2n ** 100n }],
    },
    {
      labels: { service_name: 'api', pod: 'p-2' },
      samples: [{ stack: [frame('main', 11)], values: [1n, 2n ** 60n] }],
      spans: [],
    },
  ],
};

function frame(fn: string, line: number): PlainProfile['groups'][number]['samples'][number]['stack'][number] {
  return { binary: '/app', address: BigInt(line), lines: fn === 'idle' ? [] : [{ fn, file: 'main.go', line }] };
}

/** Sets the checksum right, so that what lies below it is tested. */
const mended = (bytes: Uint8Array): Uint8Array => {
  if (bytes.length < 20) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(RECORD_CRC_AT, 0, true);
  view.setUint32(RECORD_CRC_AT, codecs.crc32(bytes), true);
  return bytes;
};

const survives = (bytes: Uint8Array): LogRecord | undefined => {
  try {
    const record = decodeRecord(bytes, codecs);
    content(record);
    return record;
  } catch (error) {
    const refused =
      error instanceof CorruptDataError || (error instanceof KilnError && error.code === 'failed_precondition');
    if (!refused) throw error;
    return undefined;
  }
};

describe('a damaged record', () => {
  const raw = encode([example]);
  const packed = encode([example, { ...example, timeMs: 5 }, { ...example, service: 'db' }]);

  test('with any bit flipped is refused', () => {
    for (const bytes of [raw, packed])
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const broken = bytes.slice();
        broken[bit >> 3]! ^= 1 << (bit & 7);
        expect(survives(broken), `bit ${bit}`).toBeUndefined();
      }
  });

  test('cut at any byte, or longer, is refused', () => {
    for (const bytes of [raw, packed]) {
      for (let end = 0; end < bytes.length; end++) expect(survives(bytes.slice(0, end))).toBeUndefined();
      expect(survives(Uint8Array.from([...bytes, 0]))).toBeUndefined();
    }
  });

  test('with a right checksum over a changed body is refused or has all its row numbers in range', () => {
    const body = uncompressed(raw);
    let accepted = 0;
    for (let at = 20; at < body.length; at++)
      for (const byte of [0, 1, 2, 127, 128, 255, body[at]! + 1]) {
        const broken = body.slice();
        broken[at] = byte;
        if (survives(mended(broken)) !== undefined) accepted++;
      }
    expect(accepted).toBeGreaterThan(body.length);
  });

  test('of random mutations is refused or decodes whole', () => {
    const bases = [uncompressed(raw), uncompressed(packed), packed];
    const runs = process.env['KILN_LONG'] === '1' ? 10_000 : 1_000;
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.nat(2),
        fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('set', 'insert', 'delete')), {
          minLength: 1,
          maxLength: 4,
        }),
        (base, edits) => {
          let bytes = [...bases[base]!];
          for (const [where, byte, how] of edits) {
            const at = where % bytes.length;
            if (how === 'set') bytes[at] = byte;
            else bytes = how === 'insert' ? bytes.toSpliced(at, 0, byte) : bytes.toSpliced(at, 1);
          }
          const broken = Uint8Array.from(bytes);
          if (broken.length >= 20 && edits.every(([where]) => where % bytes.length >= 20)) {
            const view = new DataView(broken.buffer);
            view.setUint32(8, broken.length - 20 - broken[4]!, true);
            if (base < 2) view.setUint32(12, broken.length - 20 - broken[4]!, true);
          }
          if (survives(mended(broken)) !== undefined) accepted++;
        },
      ),
      { numRuns: runs },
    );
    expect(accepted).toBeGreaterThan(runs / 50);
  });
});

/** The same record with codec none. */
function uncompressed(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const head = 20 + bytes[4]!;
  if (bytes[3] === 0) return bytes;
  const body = codecs.zstdDecompress(bytes.subarray(head), view.getUint32(12, true));
  const out = new Uint8Array(head + body.length);
  out.set(bytes.subarray(0, head));
  out.set(body, head);
  out[3] = 0;
  new DataView(out.buffer).setUint32(8, body.length, true);
  return mended(out);
}
