import { isDeepStrictEqual } from 'node:util';
import { ByteWriter, CorruptDataError } from '@kiln/bytes';
import { ExactSums, KilnError, parseLogId, parseTenantId, type TenantId } from '@kiln/model';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { decodeContents, encodeContents } from './contents.ts';
import { datasetContent, tablesOf } from './dataset.test-support.ts';
import { FOOTER_BYTES, neededTailBytes, readDirectory, readFooter } from './directory.ts';
import { mergePage } from './page/merge-page.ts';
import { PageBuilder } from './page/page-builder.ts';
import { openPart } from './part.ts';
import { readRegion, writeRegion } from './region.ts';
import { readIds } from './sections/kept-ids.ts';
import { writeSegment, type Segment } from './segment.ts';
import type { DatasetTables, KeptIds } from './tables.ts';
import { codecs, plainProfile, type PlainProfile } from './testing.test-support.ts';
import { verifyObject } from './verify.ts';
import { KIND } from './versions.ts';

// The long forms take minutes.
vi.setConfig({ testTimeout: 600_000 });

vi.setConfig({ testTimeout: 60_000 });

const logId = parseLogId('0123456789abcdef-3');
const blockId = Uint8Array.from({ length: 16 }, (_, i) => i * 3);
const a: TenantId = parseTenantId('a');
const b: TenantId = parseTenantId("Team-B!*'()");

const idsOf = (count: number): KeptIds => ({
  length: count,
  id: Uint8Array.from({ length: count * 16 }, (_, i) => (i * 7) % 251),
  appendMs: Float64Array.from({ length: count }, (_, i) => 1_700_000_000_000 + i * i),
  windowMs: Float64Array.from({ length: count }, (_, i) => (i % 3) * 1000),
});

const segmentOf = (
  tenants: readonly { tenant: TenantId; datasets: readonly DatasetTables[] }[],
  ids = idsOf(3),
): Segment => writeSegment({ logId, start: 4, end: 90, blockId, tenants, ids }, codecs);

const partOf = (segment: { bytes: Uint8Array; entries: Segment['entries'] }, tenant: TenantId): Uint8Array => {
  const { off, len } = segment.entries.find((entry) => entry.tenant === tenant)!;
  return segment.bytes.subarray(off, off + len);
};

const contents = (part: Uint8Array, tenant: TenantId): unknown[] =>
  openPart(part, tenant, codecs).datasets.map((dataset) => datasetContent(dataset.tables()));

const profiles = fc
  .constantFrom(['cpu'], ['samples', 'cpu'], ['a', 'b', 'c', 'd'])
  .chain((types) =>
    fc.array(fc.oneof(plainProfile(types), plainProfile(['samples', 'cpu'])), { minLength: 1, maxLength: 5 }),
  );

describe('a segment', () => {
  test('gives back the datasets of each tenant', () => {
    fc.assert(
      fc.property(profiles, profiles, fc.integer({ min: 1, max: 4 }), (ofA, ofB, pageRows) => {
        const tenants = [
          { tenant: b, datasets: tablesOf(ofB, pageRows) },
          { tenant: a, datasets: tablesOf(ofA, pageRows) },
        ];
        const segment = segmentOf(tenants);
        const held = tenants.filter(({ datasets }) => datasets.length > 0);
        expect(segment.entries.map(({ tenant }) => tenant)).toEqual(held.map(({ tenant }) => tenant).toSorted());
        for (const { tenant, datasets } of held) {
          expect(contents(partOf(segment, tenant), tenant)).toEqual(datasets.map(datasetContent));
          const entry = segment.entries.find((found) => found.tenant === tenant)!;
          expect(entry.rows).toBe(datasets.reduce((sum, { rows }) => sum + rows.length, 0));
          expect(entry.minMs).toBe(Math.min(...datasets.map(({ minMs }) => minMs)));
          expect(entry.maxMs).toBe(Math.max(...datasets.map(({ maxMs }) => maxMs)));
        }
        expect(verifyObject(segment.bytes, codecs)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test('says in its directory what its manifest says', () => {
    const segment = segmentOf([{ tenant: a, datasets: tablesOf([example], 2) }]);
    const { bytes, entries, idsOff, idsLen } = segment;
    const want = { level: 0, blockId, logId, start: 4, end: 90, idsOff, idsLen, entries };
    expect(readDirectory(bytes, codecs)).toEqual(want);
    const footer = readFooter(bytes.subarray(-FOOTER_BYTES), codecs, bytes.length);
    expect(footer.objectLength).toBe(bytes.length);
    const needed = neededTailBytes(footer);
    expect(readDirectory(bytes.subarray(-needed), codecs, bytes.length)).toEqual(want);
    expect(() => readDirectory(bytes.subarray(-(needed - 1)), codecs)).toThrow(CorruptDataError);
    expect(() => readDirectory(bytes, codecs, bytes.length + 1)).toThrow(CorruptDataError);
  });

  test('is read from a Buffer as from plain bytes, and left as it was', () => {
    const { bytes } = segmentOf([{ tenant: a, datasets: tablesOf([example], 2) }]);
    const buffer = Buffer.from(bytes);
    expect(everything(buffer)).toEqual(everything(bytes));
    expect(verifyObject(buffer, codecs)).toEqual([]);
    expect(new Uint8Array(buffer)).toEqual(bytes);
  });

  test('keeps its ids, and may have none of anything', () => {
    const { bytes, idsOff, idsLen } = segmentOf([], idsOf(700));
    expect(readIds(bytes.subarray(idsOff, idsOff + idsLen), codecs)).toEqual(idsOf(700));
    const empty = segmentOf([{ tenant: a, datasets: [] }], idsOf(0));
    expect([empty.entries, empty.idsLen]).toEqual([[], 0]);
    expect(verifyObject(empty.bytes, codecs)).toEqual([]);
  });

  test('takes more rows than a row group and more values than int64', () => {
    const count = 10_000;
    const page = new PageBuilder(1);
    for (let i = 0; i < count; i++) page.add(Uint32Array.of(0), [{ lo: Float64Array.of(i), hi: undefined }], 1);
    const [first] = tablesOf([example], 1);
    const tables: DatasetTables = {
      ...first!,
      types: first!.types.slice(0, 1),
      minMs: 0,
      maxMs: count * 15_000,
      rows: {
        length: count,
        series: Uint32Array.from({ length: count }, (_, i) => Number(i > 5000) + Number(i % 7 === 0)).map((s) => s % 2),
        timeMs: Float64Array.from({ length: count }, (_, i) => (i * i) % (count * 15_000)),
        id: Uint8Array.from({ length: count * 8 }, (_, i) => i % 256),
        offset: Float64Array.from({ length: count }, (_, i) => i * 3),
        totals: [
          {
            lo: Float64Array.from({ length: count }, (_, i) => i),
            hi: Float64Array.from({ length: count }, (_, i) => (i === 9000 ? 2 ** 40 : 0)),
          },
        ],
      },
      pages: [{ firstRow: 0, rows: count, bytes: page.toBytes() }],
      spans: undefined,
    };
    const read = openPart(partOf(segmentOf([{ tenant: a, datasets: [tables] }]), a), a, codecs).datasets[0]!.tables();
    expect(read.rows.series).toEqual(tables.rows.series);
    expect(read.rows.timeMs).toEqual(tables.rows.timeMs);
    expect(read.rows.id).toEqual(tables.rows.id);
    expect(read.rows.offset).toEqual(tables.rows.offset);
    expect(read.rows.totals).toEqual(tables.rows.totals);
    const [stored] = read.pages;
    expect([stored!.minSeries, stored!.maxSeries, stored!.minMs]).toEqual([0, 1, 0]);
    const sums = new ExactSums(1);
    mergePage(stored!, 0, undefined, sums);
    expect(sums.get(0)).toBe(BigInt((count * (count - 1)) / 2));
  });

  test('of a newer major version is refused in a sentence', () => {
    const { bytes } = segmentOf([{ tenant: a, datasets: tablesOf([example], 2) }]);
    const newer = bytes.slice();
    const view = new DataView(newer.buffer);
    view.setUint16(newer.length - 20, 2, true);
    view.setUint32(newer.length - 8, codecs.crc32(newer.subarray(-FOOTER_BYTES, -8)), true);
    expect(() => readDirectory(newer, codecs)).toThrow(KilnError);
    expect(() => readDirectory(newer, codecs)).toThrow(/version 2\.\d, supported is 1/);
    expect(() => decodeContents(Uint8Array.of(2, 0, 200, 1))).toThrow(/version 2\.\d, supported is 1/);
  });

  test('with sections of kinds that are not known yet is read without them', () => {
    const datasets = tablesOf([example], 2);
    const part = partOf(segmentOf([{ tenant: a, datasets }]), a);
    const owner = new TextEncoder().encode(a);
    const { entries, body } = takenApart(part, owner);
    const w = new ByteWriter(1024);
    w.bytes(body);
    const extended = entries.map((entry, dataset) => {
      const { off, len } = writeRegion(w, codecs, { kind: 77, tenant: owner, dataset }, new Uint8Array(300).fill(7));
      return { ...entry, sections: [{ kind: 77, off, len }, ...entry.sections, { kind: 5, off, len }] };
    });
    const bytes = withContents(w, owner, extended);
    expect(contents(bytes, a)).toEqual(datasets.map(datasetContent));
  });
});

describe("another's region", () => {
  test('a part is opened by its own tenant only', () => {
    const segment = segmentOf([
      { tenant: a, datasets: tablesOf([example], 2) },
      { tenant: b, datasets: tablesOf([example], 2) },
    ]);
    expect(() => openPart(partOf(segment, b), a, codecs)).toThrow(CorruptDataError);
    expect(() => openPart(partOf(segment, a), b, codecs)).toThrow(CorruptDataError);
    expect(contents(partOf(segment, a), a)).toEqual(contents(partOf(segment, b), b));
  });

  test('offsets that are swapped in a table of contents, in any way, are an error, never data', () => {
    const datasets = tablesOf([example, { ...example, service: 'db' }, { ...example, name: 'memory' }], 2);
    const part = partOf(segmentOf([{ tenant: a, datasets }]), a);
    const owner = new TextEncoder().encode(a);
    const { entries, body } = takenApart(part, owner);
    const places = entries.flatMap(({ sections }) => sections);
    let swaps = 0;
    entries.forEach((_, dataset) => {
      for (const section of entries[dataset]!.sections)
        for (const place of places) {
          if (place.off === section.off) continue;
          const changed = entries.map((entry, i) => ({
            ...entry,
            sections: entry.sections.map((own) =>
              i === dataset && own.off === section.off ? { ...own, off: place.off, len: place.len } : own,
            ),
          }));
          const w = new ByteWriter(1024);
          w.bytes(body);
          const bytes = withContents(w, owner, changed);
          const tables = openPart(bytes, a, codecs).datasets[dataset]!.tables();
          expect(() => datasetContent(tables), `section ${section.kind}`).toThrow(CorruptDataError);
          swaps++;
        }
    });
    expect(swaps).toBeGreaterThan(200);
  });

  test("another tenant's regions inside a part are an error, never data", () => {
    const one = partOf(segmentOf([{ tenant: a, datasets: tablesOf([example], 2) }]), a);
    const two = partOf(segmentOf([{ tenant: b, datasets: tablesOf([example], 2) }]), b);
    const [ownerA, ownerB] = [new TextEncoder().encode(a), new TextEncoder().encode(b)];
    const mine = takenApart(one, ownerA);
    const theirs = takenApart(two, ownerB);
    mine.entries[0]!.sections.forEach((section, i) => {
      const w = new ByteWriter(1024);
      w.bytes(mine.body);
      w.align(8);
      const base = w.length;
      w.bytes(theirs.body);
      const place = theirs.entries[0]!.sections[i]!;
      const sections = mine.entries[0]!.sections.map((own) =>
        own.kind === section.kind ? { ...place, off: base + place.off } : own,
      );
      const bytes = withContents(w, ownerA, [{ ...mine.entries[0]!, sections }]);
      expect(() => contents(bytes, a), `section ${section.kind}`).toThrow(CorruptDataError);
    });
  });

  test('pages that change places are found by their checksums', () => {
    const datasets = tablesOf([example, { ...example, service: 'db' }], 1);
    const part = partOf(segmentOf([{ tenant: a, datasets }]), a);
    const owner = new TextEncoder().encode(a);
    const { entries } = takenApart(part, owner);
    const bytes = part.slice();
    const samples = (i: number): Uint8Array => {
      const { off, len } = entries[i]!.sections.find(({ kind }) => kind === KIND.samples)!;
      return bytes.subarray(off + 32, off + len);
    };
    expect(samples(0)).toEqual(samples(1));
    const { off, len } = entries[1]!.sections.find(({ kind }) => kind === KIND.pageDirectory)!;
    const from = entries[0]!.sections.find(({ kind }) => kind === KIND.pageDirectory)!;
    const directory = readRegion(bytes, from, { kind: KIND.pageDirectory, tenant: owner, dataset: 0 }, codecs);
    const w = new ByteWriter(1024);
    writeRegion(w, codecs, { kind: KIND.pageDirectory, tenant: owner, dataset: 1 }, directory);
    expect(w.length).toBe(len);
    bytes.set(w.view(), off);
    const [first, second] = openPart(bytes, a, codecs).datasets;
    datasetContent(first!.tables());
    expect(() => datasetContent(second!.tables())).toThrow(/checksum/);
  });
});

describe('a damaged segment', () => {
  const segment = segmentOf([
    { tenant: b, datasets: tablesOf([{ ...example, service: 'b' }], 1) },
    { tenant: a, datasets: tablesOf([example, { ...example, timeMs: 7 }], 2) },
  ]);

  test('with any bit flipped is refused or means the same', () => {
    const wanted = everything(segment.bytes);
    let same = 0;
    for (let bit = 0; bit < segment.bytes.length * 8; bit++) {
      const bytes = segment.bytes.slice();
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const found = attempt(bytes);
      if (found === undefined) continue;
      expect(found, `bit ${bit}`).toEqual(wanted);
      same++;
    }
    expect(same, 'header').toBeLessThan(segment.bytes.length);
  });

  test('cut at any byte has no directory', () => {
    for (let end = 0; end < segment.bytes.length; end++)
      expect(() => readDirectory(segment.bytes.subarray(0, end), codecs)).toThrow(CorruptDataError);
  });

  test('verification finds a total that its samples do not sum to', () => {
    const [tables] = tablesOf([example], 2);
    const lo = tables!.rows.totals[0]!.lo.slice();
    lo[1]! += 1;
    const rows = { ...tables!.rows, totals: [{ lo, hi: undefined }, ...tables!.rows.totals.slice(1)] };
    const { bytes } = segmentOf([{ tenant: a, datasets: [{ ...tables!, rows }] }]);
    expect(verifyObject(bytes, codecs).map(({ where }) => where)).toEqual(['tenant a, dataset 0 (api, process_cpu)']);
    expect(verifyObject(segment.bytes, codecs)).toEqual([]);
  });

  test('verification names every damaged section of a dataset, not only the one that it reads first', () => {
    const part = partOf(segment, a);
    const [dataset] = openPart(part, a, codecs).datasets;
    const flipped = dataset!.sections.filter(({ kind }) => kind !== KIND.samples).slice(0, 3);
    expect(flipped).toHaveLength(3);
    const { off } = readDirectory(segment.bytes, codecs).entries.find(({ tenant }) => tenant === a)!;
    const bytes = segment.bytes.slice();
    for (const section of flipped) bytes[off + section.off + section.len - 9]! ^= 1;
    expect(verifyObject(bytes, codecs)).toEqual(
      flipped.map(({ kind }) => ({
        where: 'tenant a, dataset 0 (api, process_cpu)',
        found: expect.stringContaining(`corrupt section ${kind} at byte `),
      })),
    );
  });

  test('a damaged name of the tenant is told as what it is, not as the region of another', () => {
    const { off } = readDirectory(segment.bytes, codecs).entries.find(({ tenant }) => tenant === a)!;
    const bytes = segment.bytes.slice();
    bytes[off + 24]! ^= 1;
    expect(verifyObject(bytes, codecs).map(({ found }) => found)).toEqual([
      expect.stringMatching(/: the tenant in its head is not "a": 1 of 1 bytes differ$/),
    ]);
  });

  test('verification finds every flipped bit, also of the zeros between regions', () => {
    const missed: number[] = [];
    for (let at = 0; at < segment.bytes.length; at++) {
      const bytes = segment.bytes.slice();
      bytes[at]! ^= 16;
      if (verifyObject(bytes, codecs).length === 0) missed.push(at);
    }
    expect(missed).toEqual([]);
  });

  test('footers and directories of random mutations are refused or say the same', () => {
    const runs = process.env['KILN_LONG'] === '1' ? 10_000 : 1_000;
    const { bytes } = segment;
    const tailBytes = neededTailBytes(readFooter(bytes, codecs));
    const want = readDirectory(bytes, codecs);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(tailBytes - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        (edits, mend) => {
          const tail = bytes.slice(-tailBytes);
          for (const [at, byte] of edits) tail[at] = byte;
          if (mend) mendTail(tail);
          try {
            const found = readDirectory(tail, codecs, bytes.length);
            if (!mend && !isDeepStrictEqual(found, want)) throw new Error('another directory under a right checksum');
            if (found.entries.some(({ off, len }) => off + len > bytes.length))
              throw new Error('a part behind the end');
          } catch (error) {
            if (
              !(error instanceof CorruptDataError) &&
              !(error instanceof KilnError && error.code === 'failed_precondition')
            )
              throw error;
          }
        },
      ),
      { numRuns: runs },
    );
  });

  test('sections of random mutations under a right checksum are refused or decode whole', () => {
    const runs = process.env['KILN_LONG'] === '1' ? 10_000 : 1_000;
    const part = partOf(segment, a);
    const owner = new TextEncoder().encode(a);
    const { entries } = takenApart(part, owner);
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.nat(entries[0]!.sections.length - 1),
        fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.boolean()), { minLength: 1, maxLength: 3 }),
        (which, edits) => {
          const sections = [...entries[0]!.sections];
          const section = sections[which]!;
          const regionOwner = { kind: section.kind, tenant: owner, dataset: 0 };
          let payload = [...readRegion(part, section, regionOwner, codecs)];
          for (const [where, byte, insert] of edits) {
            const at = where % payload.length;
            if (insert) payload = payload.toSpliced(at, 0, byte);
            else payload[at] = byte;
          }
          const w = new ByteWriter(part.length * 2);
          w.bytes(part);
          sections[which] = { kind: section.kind, ...writeRegion(w, codecs, regionOwner, Uint8Array.from(payload)) };
          try {
            contents(withContents(w, owner, [{ ...entries[0]!, sections }]), a);
            accepted++;
          } catch (error) {
            if (!(error instanceof CorruptDataError)) throw error;
          }
        },
      ),
      { numRuns: runs },
    );
    expect(accepted).toBeGreaterThan(runs / 20);
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

/** Everything that can be read of an object. */
function everything(bytes: Uint8Array): unknown {
  const directory = readDirectory(bytes, codecs, bytes.length);
  const { idsOff, idsLen, entries } = directory;
  return {
    directory,
    ids: readIds(bytes.subarray(idsOff, idsOff + idsLen), codecs),
    parts: entries.map(({ tenant, off, len }) => contents(bytes.subarray(off, off + len), tenant)),
  };
}

function attempt(bytes: Uint8Array): unknown {
  try {
    return everything(bytes);
  } catch (error) {
    if (error instanceof CorruptDataError) return undefined;
    throw error;
  }
}

function takenApart(
  part: Uint8Array,
  tenant: Uint8Array,
): { entries: ReturnType<typeof decodeContents>; body: Uint8Array } {
  const len = new DataView(part.buffer, part.byteOffset + part.length - 8).getUint32(0, true);
  const off = part.length - 8 - len;
  const payload = readRegion(part, { off, len }, { kind: KIND.contents, tenant, dataset: 0 }, codecs);
  return { entries: decodeContents(payload), body: part.subarray(0, off) };
}

function withContents(w: ByteWriter, tenant: Uint8Array, entries: ReturnType<typeof decodeContents>): Uint8Array {
  const { len } = writeRegion(w, codecs, { kind: KIND.contents, tenant, dataset: 0 }, encodeContents(entries));
  w.u32(len);
  w.u32(0x544b4250);
  return w.toBytes();
}

/** Sets the checksums of directory and footer right. */
function mendTail(tail: Uint8Array): void {
  const view = new DataView(tail.buffer, tail.byteOffset);
  const end = tail.length - FOOTER_BYTES;
  const stored = view.getUint32(12, true);
  if (24 + stored <= end) {
    view.setUint32(20, 0, true);
    view.setUint32(20, codecs.crc32(tail.subarray(24, 24 + stored), codecs.crc32(tail.subarray(0, 24))), true);
  }
  view.setUint32(tail.length - 8, codecs.crc32(tail.subarray(end, tail.length - 8)), true);
}
