import { ByteWriter, CorruptDataError } from '@kiln/bytes';
import { exactToBigInt, parseTenantId } from '@kiln/model';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { writeBlock } from '../block.ts';
import { datasetContent, tablesOf } from '../dataset.test-support.ts';
import { PageRows } from '../page/page-rows.ts';
import { openPart } from '../part.ts';
import type { StoredTables } from '../stored-tables.ts';
import { decodeRollups, encodeRollups } from '../sections/rollup.ts';
import type { DatasetTables, Rollup } from '../tables.ts';
import { codecs, plainStackText, stackText, type PlainLocation, type PlainProfile } from '../testing.test-support.ts';
import { verifyObject } from '../verify.ts';
import { mergeDatasets } from './merge-datasets.ts';
import { rollUp } from './roll-up.ts';

vi.setConfig({ testTimeout: 60_000 });

const tenant = parseTenantId('a');
const LONG = process.env['KILN_LONG'] === '1';
const HOUR = 3_600_000;
const START = 472_222 * HOUR + 7;

const frame = (fn: string): PlainLocation => ({ binary: 'b', address: 0n, lines: [{ fn, file: 'f', line: 1 }] });
const stacks = [[frame('main')], [frame('main'), frame('work')], []];

/** Profiles at given times; every value is that of its number. */
const profilesAt = (times: readonly number[], valueOf: (i: number) => bigint): PlainProfile[] =>
  times.map((timeMs, i) => ({
    service: 'api',
    name: 'cpu',
    types: ['samples', 'cpu'],
    timeMs,
    groups: [
      {
        labels: { pod: `p-${i % 3}` },
        samples: stacks.slice(i % 2).map((stack, s) => ({ stack, values: [BigInt(s + 1), valueOf(i)] })),
        spans: [],
      },
    ],
  }));

const mergedOf = (profiles: readonly PlainProfile[]): DatasetTables =>
  [...mergeDatasets(tablesOf(profiles, 50), () => 0, 7, codecs).windows.values()][0]!;

const blockOf = (tables: DatasetTables): Uint8Array =>
  writeBlock({ level: 1, blockId: new Uint8Array(16), tenant, datasets: [tables] }, codecs).bytes;

const storedOf = (profiles: readonly PlainProfile[]): StoredTables => {
  const { bytes, entry } = writeBlock(
    { level: 1, blockId: new Uint8Array(16), tenant, datasets: [mergedOf(profiles)] },
    codecs,
  );
  expect(verifyObject(bytes, codecs)).toEqual([]);
  return openPart(bytes.subarray(entry.off, entry.off + entry.len), tenant, codecs).datasets[0]!.tables();
};

/** The sums of each bucket, from the profiles: bucket and stack to values. */
const expected = (profiles: readonly PlainProfile[], stepMs: number): Map<string, string> => {
  const sums = new Map<string, bigint[]>();
  for (const { timeMs, groups } of profiles)
    for (const { stack, values } of groups.flatMap(({ samples }) => samples)) {
      const key = `${stepMs === 0 ? 0 : Math.floor(timeMs / stepMs) * stepMs} ${plainStackText(stack)}`;
      const before = sums.get(key) ?? values.map(() => 0n);
      sums.set(
        key,
        before.map((value, t) => value + values[t]!),
      );
    }
  return new Map([...sums].map(([key, values]) => [key, values.join()]));
};

const found = ({ symbols, types }: DatasetTables, { startMs, pages }: Rollup): Map<string, string> => {
  const sums = new Map<string, string>();
  for (const page of pages)
    for (const rows = new PageRows(page, types.length), at = { bucket: page.firstRow }; rows.next(); at.bucket++)
      for (let i = 0; i < rows.length; i++)
        sums.set(
          `${startMs[at.bucket]} ${stackText(symbols, rows.stack[i]!)}`,
          rows.values.map(({ lo, hi }) => exactToBigInt(lo[i]!, hi?.[i] ?? 0)).join(),
        );
  return sums;
};

/** Even times over a span. */
const spread = (count: number, spanMs: number): number[] =>
  Array.from({ length: count }, (_, i) => START + (Math.floor((i * 7919 * spanMs) / count) % spanMs));

describe('roll-ups', () => {
  test.each([
    [3000, 10 * 60_000, [0, 15_000]],
    [3000, 3 * HOUR, [0, HOUR, 300_000]],
    [300, 3 * HOUR, [0, HOUR]],
    [40, 30 * 24 * HOUR, [0]],
    [1, HOUR, []],
  ])('of %i profiles over %i ms are of steps %j and sum exactly what falls in each bucket', (count, spanMs, steps) => {
    const profiles = profilesAt(spread(count, spanMs), (i) => (i % 500 === 3 ? 2n ** 57n + 1n : BigInt(i)));
    const tables = storedOf(profiles);
    const { rollups, fineRollups } = tables;
    expect([...rollups, ...fineRollups].map(({ stepMs }) => stepMs)).toEqual(steps);
    expect(rollups.filter(({ stepMs }) => stepMs > 0 && stepMs < HOUR)).toEqual([]);
    for (const rollup of [...rollups, ...fineRollups])
      expect(found(tables, rollup)).toEqual(expected(profiles, rollup.stepMs));
  });

  test('with a sum that a page does not hold are left out, the others stay', () => {
    // Four of 2^62 make 2^64: seven lie in the block, three at most in an hour.
    const profiles = profilesAt(spread(400, 3 * HOUR), (i) => (i % 60 === 0 ? 2n ** 62n : 1n));
    const tables = storedOf(profiles);
    expect([...tables.rollups, ...tables.fineRollups].map(({ stepMs }) => stepMs)).toEqual([HOUR]);
    expect(found(tables, tables.rollups[0]!)).toEqual(expected(profiles, HOUR));
  });

  test('of more stacks than their sums may take memory are left out, the finest first; the others are exact', () => {
    const profiles = profilesAt(spread(3000, 3 * HOUR), BigInt);
    const tables = mergedOf(profiles);
    const rawBytes = tables.pages.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const step = 3 * (5 + 2 * 16);
    const made = [6, 3, 2, 1, 0].map((steps) => {
      const { coarse, fine } = rollUp(tables, rawBytes, steps * step);
      return [...coarse, ...fine];
    });
    expect(made.map((rollups) => rollups.map(({ stepMs }) => stepMs))).toEqual([
      [0, HOUR, 300_000],
      [0, HOUR, 900_000],
      [0, HOUR],
      [0],
      [],
    ]);
    for (const rollup of made.flat()) expect(found(tables, rollup)).toEqual(expected(profiles, rollup.stepMs));
  });

  test('that do not sum to their rows are found by verification', () => {
    const tables = mergedOf(profilesAt(spread(300, 2 * HOUR), BigInt));
    const changed = mergedOf(profilesAt(spread(300, 2 * HOUR), (i) => BigInt(i === 7 ? 8 : i)));
    expect(verifyObject(blockOf(tables), codecs)).toEqual([]);
    let reads = 0;
    const lying = {
      ...tables,
      /** The samples that are stored, then those that roll-ups are made from. */
      get pages(): DatasetTables['pages'] {
        return reads++ === 0 ? tables.pages : changed.pages;
      },
    };
    expect(verifyObject(blockOf(lying), codecs)).toEqual([
      {
        where: 'tenant a, dataset 0 (api, cpu)',
        found: expect.stringMatching(/^roll-up of 0 ms, bucket 0, value type 1/) as string,
      },
    ]);
  });

  test('change nothing else that a dataset says, so a reader of 1.0 loses nothing by skipping them', () => {
    const tables = storedOf(profilesAt(spread(300, 2 * HOUR), BigInt));
    expect(tables.rollups.length).toBeGreaterThan(0);
    expect(datasetContent(tables)).toEqual(datasetContent(mergedOf(profilesAt(spread(300, 2 * HOUR), BigInt))));
  });
});

describe('a damaged section of roll-ups', () => {
  const { rollups } = storedOf(profilesAt(spread(200, 3 * HOUR), (i) => BigInt(i)));
  const payload = encodeRollups(rollups, codecs, 5).slice();
  const plain = (all: readonly Rollup[]): unknown =>
    all.map(({ stepMs, startMs, pages }) => [stepMs, [...startMs], pages.map(({ bytes }) => [...bytes])]);

  test('is refused, or decodes whole', () => {
    const runs = LONG ? 100_000 : 10_000;
    let accepted = 0;
    let refused = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.nat(2)), { minLength: 1, maxLength: 3 }),
        fc.nat(payload.length),
        (edits, cut) => {
          let bytes = [...payload];
          for (const [where, byte, how] of edits) {
            const at = where % bytes.length;
            if (how === 0) bytes = bytes.toSpliced(at, 0, byte);
            else if (how === 1) bytes[at] = byte;
            else bytes = bytes.slice(0, Math.max(1, cut));
          }
          try {
            const decoded = decodeRollups(Uint8Array.from(bytes), codecs, 5);
            for (const { startMs, pages } of decoded) {
              const rows = pages.reduce((sum, page) => {
                for (const samples = new PageRows(page, 2, 3); samples.next(););
                return sum + page.rows;
              }, 0);
              if (rows !== startMs.length) throw new Error(`${rows} rows of ${startMs.length} buckets`);
            }
            accepted++;
          } catch (error) {
            if (!(error instanceof CorruptDataError)) throw error;
            refused++;
          }
        },
      ),
      { numRuns: runs },
    );
    expect(refused).toBeGreaterThan(runs / 2);
    expect(accepted).toBeGreaterThan(0);
    expect(plain(decodeRollups(payload, codecs, 5))).toEqual(plain(rollups));
  });

  test('with another seed has no page that reads', () => {
    const [first] = decodeRollups(payload, codecs, 6);
    expect(() => first!.pages[0]!.bytes).toThrow('checksum');
  });

  test('names the step or bucket that is out of order', () => {
    const [whole] = rollups;
    const section = (...all: Rollup[]): Uint8Array => encodeRollups(all, codecs, 5);
    const hour = (startMs: number[]): Rollup => ({ stepMs: HOUR, startMs: Float64Array.from(startMs), pages: [] });
    const f = (bytes: Uint8Array, message: string): void => {
      expect(() => decodeRollups(bytes, codecs, 5)).toThrow(message);
    };
    f(section(whole!, whole!), 'step of 0 ms behind one of 0');
    f(section(hour([]), { ...hour([]), stepMs: 7_000 }), 'step of 7000 ms behind one of 3600000');
    expect(() => decodeRollups(section(hour([])), codecs, 5, [{ ...hour([]), stepMs: 5_000_000 }])).toThrow(
      'step of 3600000 ms behind one of 5000000',
    );
    f(section(hour([HOUR, HOUR])), 'bucket 1 behind bucket 1');
    f(section(hour([HOUR])), 'pages of 0 bytes and 0 rows where 0 and 1 are stored');
    f(section({ ...whole!, startMs: new Float64Array(0), pages: [] }), 'all rows in other than bucket 0');
    const w = new ByteWriter();
    w.bytes(payload);
    w.u8(0);
    f(w.view(), '1 bytes behind the last roll-up');
  });
});
