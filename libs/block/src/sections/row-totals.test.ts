import { ByteReader, ByteWriter, CorruptDataError } from '@kiln/bytes';
import { exactFromBigInt, exactToBigInt, parseTenantId, type ExactColumn } from '@kiln/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeBlock } from '../block.ts';
import { mergeDatasets } from '../compact/merge-datasets.ts';
import { decodeContents, encodeContents, type SectionPlace } from '../contents.ts';
import { datasetContent, tablesOf } from '../dataset.test-support.ts';
import { PartBytes } from '../part-bytes.ts';
import { contentsPlace, openPart } from '../part.ts';
import { readRegion, writeRegion } from '../region.ts';
import type { RowColumns } from '../tables.ts';
import { codecs } from '../testing.test-support.ts';
import { verifyDataset } from '../verify.ts';
import { KIND, PART_MAGIC } from '../versions.ts';
import { decodeRowTotals, encodeRowTotals } from './row-totals.ts';

const tenant = parseTenantId('a');
const SERIES = 5;

interface PlainRow {
  readonly series: number;
  readonly timeMs: number;
  readonly totals: readonly bigint[];
}

function columnsOf(rows: readonly PlainRow[]): RowColumns {
  const column = (t: number): ExactColumn => {
    const values = rows.map(({ totals }) => exactFromBigInt(totals[t]!));
    return { lo: Float64Array.from(values, ({ lo }) => lo), hi: Float64Array.from(values, ({ hi }) => hi) };
  };
  return {
    length: rows.length,
    series: Uint32Array.from(rows, ({ series }) => series),
    timeMs: Float64Array.from(rows, ({ timeMs }) => timeMs),
    id: new Uint8Array(rows.length * 8),
    offset: undefined,
    totals: [column(0), column(1)],
  };
}

function rowsOf({ length, series, timeMs, totals }: RowColumns): PlainRow[] {
  const columns = totals.map(({ lo, hi }) => ({ lo, hi }));
  return Array.from({ length }, (_, row) => ({
    series: series[row]!,
    timeMs: timeMs[row]!,
    totals: columns.map(({ lo, hi }) => exactToBigInt(lo[row]!, hi?.[row] ?? 0)),
  }));
}

const noIds = (): never => {
  throw new Error('ids were asked for');
};
const decode = (payload: Uint8Array): RowColumns => decodeRowTotals(payload, SERIES, 2, noIds);

/** Multiples of a number, of any size; some rows have values of 2^52 and more. */
const rows: fc.Arbitrary<PlainRow[]> = fc
  .record({
    scale: fc.constantFrom(1n, 10n, 10_000_000n, 2n ** 40n),
    wide: fc.constantFrom(0n, 0n, 2n ** 60n + 1n),
    length: fc.constantFrom(0, 1, 7, 4095, 4096, 4097, 9000),
    seed: fc.nat(1000),
  })
  .map(({ scale, wide, length, seed }) =>
    Array.from({ length }, (_, i) => ({
      series: Math.floor((i * SERIES) / length),
      timeMs: 1_700_000_000_000 + ((i * 7919 * (seed + 1)) % 86_400_000),
      totals: [BigInt((i * seed) % 300), scale * BigInt((i * (seed + 3)) % 1000) + (i % 1999 === 1 ? wide : 0n)],
    })),
  );

describe('rows without ids', () => {
  it('come back as they were, of any number, scale and width', () => {
    fc.assert(
      fc.property(rows, (plain) => {
        expect(rowsOf(decode(encodeRowTotals(columnsOf(plain))))).toEqual(plain);
      }),
      { numRuns: 30 },
    );
  });

  it('are refused or decode whole when bytes of them change', () => {
    const payload = encodeRowTotals(
      columnsOf(
        Array.from({ length: 40 }, (_, i) => ({ series: 1, timeMs: i * 15_000, totals: [5n, BigInt(i) * 1000n] })),
      ),
    ).slice();
    let refused = 0;
    for (let at = 0; at < payload.length; at++)
      for (const byte of [0, 1, 127, 128, 255]) {
        const bytes = payload.slice();
        bytes[at] = byte;
        try {
          expect(rowsOf(decode(bytes)).every(({ totals }) => totals.every((total) => total < 2n ** 104n))).toBe(true);
        } catch (error) {
          if (!(error instanceof CorruptDataError)) throw error;
          refused++;
        }
      }
    for (let length = 0; length < payload.length; length++)
      expect(() => rowsOf(decode(payload.subarray(0, length)))).toThrow(CorruptDataError);
    expect(refused).toBeGreaterThan(100);
  });

  it('name a scale that makes more than a total may be', () => {
    const w = new ByteWriter();
    w.bytes(encodeRowTotals(columnsOf([{ series: 0, timeMs: 0, totals: [0n, 2n ** 40n] }])));
    const bytes = w.toBytes();
    const scale = bytes.length - 8;
    expect(new ByteReader(bytes, 'test', scale).varint()).toBe(2 ** 40);
    bytes[bytes.length - 1] = 127;
    expect(rowsOf(decode(bytes))[0]!.totals[1]).toBe(127n * 2n ** 40n);
    bytes.set([0xff, 0x7f], bytes.length - 3);
    expect(() => rowsOf(decode(bytes))).toThrow(CorruptDataError);
  });
});

describe('a block with TOTALS and finer roll-ups', () => {
  const profiles = Array.from({ length: 3000 }, (_, i) => ({
    service: 'api',
    name: 'cpu',
    types: ['samples', 'cpu'],
    timeMs: 1_700_000_000_000 + ((i * 7919) % 10_800) * 1000,
    groups: [
      {
        labels: { pod: `p-${i % 3}` },
        samples: [{ stack: [{ binary: 'b', address: 1n, lines: [] }], values: [BigInt(i % 9), BigInt(i % 9) * 1000n] }],
        spans: [],
      },
    ],
  }));
  const datasets = [...mergeDatasets(tablesOf(profiles, 500), () => 0, 7, codecs).windows.values()];
  const { bytes, entry } = writeBlock({ level: 1, blockId: new Uint8Array(16), tenant, datasets }, codecs);
  const part = bytes.subarray(entry.off, entry.off + entry.len);

  it('says the same to a reader of 1.1, which passes over both', () => {
    const [stored] = openPart(part, tenant, codecs).datasets;
    expect(stored!.sections.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining([KIND.rowTotals, KIND.fineRollup]) as number[],
    );
    const [older] = openPart(withoutKinds(part, [KIND.rowTotals, KIND.fineRollup]), tenant, codecs).datasets;
    expect(datasetContent(older!.tables())).toEqual(datasetContent(stored!.tables()));
    expect(older!.tables().rollups.map(({ stepMs }) => stepMs)).toEqual([0, 3_600_000]);
    expect(stored!.tables().fineRollups.map(({ stepMs }) => stepMs)).toEqual([300_000]);
    expect([...stored!.tables().rows.id]).toEqual([...older!.tables().rows.id]);
  });

  it('that tells of other times than the rows beside it is found by verification', () => {
    const [stored] = openPart(part, tenant, codecs).datasets;
    expect(verifyDataset(stored!)).toBeUndefined();
    const columns = stored!.tables().rows;
    const timeMs = columns.timeMs.slice();
    timeMs[1]! += 1;
    const [changed] = openPart(withTotals(part, encodeRowTotals({ ...columns, timeMs })), tenant, codecs).datasets;
    expect(verifyDataset(changed!)).toBe('row 1 differs in the two sections that have it');
  });
});

/** The part with another section TOTALS in its first dataset. */
function withTotals(part: Uint8Array, payload: Uint8Array): Uint8Array {
  return withSections(part, (w, sections) => {
    const owner = { kind: KIND.rowTotals, tenant: new TextEncoder().encode(tenant), dataset: 0 };
    const place = writeRegion(w, codecs, owner, payload);
    return sections.map((section) => (section.kind === KIND.rowTotals ? { kind: section.kind, ...place } : section));
  });
}

/** The part as one who does not know those kinds sees it. */
function withoutKinds(part: Uint8Array, kinds: readonly number[]): Uint8Array {
  return withSections(part, (_, sections) => sections.filter(({ kind }) => !kinds.includes(kind)));
}

/** The part with what `change`, which may write more, makes of each dataset's sections. */
function withSections(
  part: Uint8Array,
  change: (w: ByteWriter, sections: readonly SectionPlace[]) => readonly SectionPlace[],
): Uint8Array {
  const owner = { kind: KIND.contents, tenant: new TextEncoder().encode(tenant), dataset: 0 };
  const place = contentsPlace(PartBytes.whole(part));
  const w = new ByteWriter();
  w.bytes(part.subarray(0, place.off));
  const entries = decodeContents(readRegion(part, place, owner, codecs)).map((entry) => ({
    ...entry,
    sections: change(w, entry.sections),
  }));
  const { len } = writeRegion(w, codecs, owner, encodeContents(entries));
  w.u32(len);
  w.u32(PART_MAGIC);
  return w.toBytes();
}
