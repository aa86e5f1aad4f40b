import { CorruptDataError } from '@kiln/bytes';
import { parseTenantId } from '@kiln/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { writeBlock } from './block.ts';
import { mergeDatasets } from './compact/merge-datasets.ts';
import { datasetContent, tablesOf } from './dataset.test-support.ts';
import { missingContents, missingPages, missingSections } from './fetch.ts';
import { PartBytes } from './part-bytes.ts';
import { openPart } from './part.ts';
import { codecs, type PlainProfile } from './testing.test-support.ts';

const tenant = parseTenantId('a');

describe('bytes of a part', () => {
  const LENGTH = 60;
  const all = Uint8Array.from({ length: LENGTH }, (_, i) => i + 1);
  const place = fc.tuple(fc.nat(LENGTH), fc.nat(20)).map(([off, len]) => ({ off, len: Math.min(len, LENGTH - off) }));

  test('that are missing are exactly those not fetched, but for gaps; then every place reads as the part does', () => {
    fc.assert(
      fc.property(fc.array(fc.array(place, { maxLength: 4 }), { maxLength: 5 }), fc.nat(8), (steps, gap) => {
        const bytes = new PartBytes(LENGTH);
        const held = new Set<number>();
        for (const places of steps) {
          const numbers = ({ off, len }: { off: number; len: number }) =>
            Array.from({ length: len }, (_, i) => off + i);
          const wanted = new Set(places.flatMap(numbers).filter((at) => !held.has(at)));
          const ranges = bytes.missing(places, gap);
          const fetched = ranges.flatMap(numbers);
          expect(new Set(fetched).size).toBe(fetched.length);
          expect(fetched.filter((at) => held.has(at))).toEqual([]);
          expect([...wanted].filter((at) => !fetched.includes(at))).toEqual([]);
          for (const { off, len } of ranges) {
            expect(wanted.has(off) && wanted.has(off + len - 1)).toBe(true);
            let run = 0;
            for (const at of numbers({ off, len }))
              expect((run = wanted.has(at) ? 0 : run + 1)).toBeLessThanOrEqual(gap);
            bytes.add(off, all.slice(off, off + len));
          }
          for (const at of fetched) held.add(at);
          for (const own of places) {
            expect(bytes.has(own)).toBe(true);
            expect(bytes.take(own)).toEqual(all.subarray(own.off, own.off + own.len));
          }
        }
      }),
    );
  });

  test('that were not fetched are an error of the caller, those behind the end of the part one of the data', () => {
    const bytes = new PartBytes(10);
    bytes.add(4, new Uint8Array(3));
    expect(() => bytes.take({ off: 3, len: 2 })).toThrow('bytes 3 to 5 of a part were not fetched');
    expect(() => bytes.take({ off: 6, len: 2 })).toThrow('bytes 7 to 8 of a part were not fetched');
    expect(() => bytes.take({ off: 6, len: 5 })).toThrow(CorruptDataError);
    expect(() => bytes.add(8, new Uint8Array(3))).toThrow(CorruptDataError);
  });
});

test('a dataset reads the same from what was fetched of its part, and no other one is at hand', () => {
  const profile = (service: string, timeMs: number): PlainProfile => ({
    service,
    name: 'cpu',
    types: ['samples', 'cpu'],
    timeMs,
    groups: ['p-1', 'p-2'].map((pod) => ({
      labels: { pod },
      samples: [
        { stack: [{ binary: 'b', address: 1n, lines: [] }], values: [BigInt(timeMs), 2n ** 60n] },
        { stack: [], values: [1n, 1n] },
      ],
      spans: [],
    })),
  });
  const services = Array.from({ length: 300 }, (_, i) => `service-${i}`);
  const datasets = services.flatMap((service) => [
    ...mergeDatasets(tablesOf([profile(service, 5), profile(service, 6)], 2), () => 0, 7, codecs).windows.values(),
  ]);
  const { bytes, entry } = writeBlock({ level: 1, blockId: new Uint8Array(16), tenant, datasets }, codecs);
  const part = bytes.subarray(entry.off, entry.off + entry.len);
  expect(part.length).toBeGreaterThan(100_000);
  const partly = new PartBytes(part.length);
  let fetched = 0;
  const fetch = (places: readonly { off: number; len: number }[]): void => {
    for (const { off, len } of places) {
      partly.add(off, part.slice(off, off + len));
      fetched += len;
    }
  };
  for (let place = missingContents(partly); place !== undefined; place = missingContents(partly)) fetch([place]);
  const opened = openPart(partly, tenant, codecs);
  const [first, second] = opened.datasets;
  fetch(missingSections(partly, [first!], 'stacks'));
  fetch(missingSections(partly, [first!], 'rows'));
  const tables = first!.tables();
  expect(tables.rows.length).toBe(4);
  expect(() => tables.pages.map((page) => page.bytes)).toThrow('were not fetched');
  fetch(missingPages(partly, tables.pages));
  expect(datasetContent(tables)).toEqual(datasetContent(datasets[0]!));
  expect(() => second!.tables().rows).toThrow('were not fetched');
  expect(fetched).toBeLessThan(part.length);
});
