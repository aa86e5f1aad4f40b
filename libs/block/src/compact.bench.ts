/*
 * What a profile costs when it is compacted, CPU time, beside zstd over its sample pages (G is measured by `./kiln bench`):
 *
 *   node --conditions=source libs/block/src/compact.bench.ts
 */
import { parseLogId, parseTenantId } from '@kiln/model';
import { writeBlock } from './block.ts';
import { mergeDatasets } from './compact/merge-datasets.ts';
import { cpuMicros, cpuProfiles } from './corpus.test-support.ts';
import { PageBuilder } from './page/page-builder.ts';
import { RowReader } from './page/row-reader.ts';
import { SampleSorter } from './page/sample-sorter.ts';
import { openPart } from './part.ts';
import { writeSegment } from './segment.ts';
import { SymbolRemap } from './symbols/symbol-remap.ts';
import { SymbolTable } from './symbols/symbol-table.ts';
import type { DatasetTables } from './tables.ts';
import { codecs } from './testing.test-support.ts';

const SEGMENTS = 12;
const PROFILES = 80;
const HOUR = 3_600_000;
const tenant = parseTenantId('bench');
const blockId = new Uint8Array(16);
const ids = { length: 0, id: new Uint8Array(0), appendMs: new Float64Array(0), windowMs: new Float64Array(0) };

const everyProfile = [...cpuProfiles(PROFILES * SEGMENTS)];

/** A segment of five minutes: 20 pods, a profile each 75 s. */
const segment = (number: number): Uint8Array => {
  const profiles = everyProfile.slice(number * PROFILES, (number + 1) * PROFILES);
  const table = new SymbolTable();
  const page = new PageBuilder(2);
  const sorter = new SampleSorter();
  for (const { symbols, groups } of profiles) {
    const [group] = groups;
    const numbers = sorter.numbers(group!.length);
    new SymbolRemap(symbols, table).stacks(group!.stack, group!.length, numbers);
    sorter.sort(numbers, group!.values, group!.length);
    page.add(sorter.stack, sorter.values, sorter.length);
  }
  const startMs = 472_000 * HOUR + (number * HOUR) / SEGMENTS;
  const rows = Array.from({ length: PROFILES }, (_, row) => row);
  const tables: DatasetTables = {
    service: 'checkout',
    name: 'process_cpu',
    types: profiles[0]!.types,
    minMs: startMs,
    maxMs: startMs + 300_000 - 1,
    series: profiles.slice(0, 20).map(({ groups }) => groups[0]!.series),
    rows: {
      length: PROFILES,
      series: Uint32Array.from(rows, (row) => row % 20),
      timeMs: Float64Array.from(rows, (row) => startMs + row * 3_750),
      id: Uint8Array.from({ length: PROFILES * 8 }, (_, i) => (i * 89 * (number + 1)) % 251),
      offset: Float64Array.from(rows),
      totals: [1, 10_000_000].map((scale) => ({ lo: new Float64Array(PROFILES).fill(2_200 * scale), hi: undefined })),
    },
    pages: [{ firstRow: 0, rows: PROFILES, bytes: page.toBytes() }],
    symbols: table.symbols(),
    spans: undefined,
  };
  const { bytes, entries } = writeSegment(
    {
      logId: parseLogId('0123456789abcdef-0'),
      start: -1,
      end: PROFILES,
      blockId,
      tenants: [{ tenant, datasets: [tables] }],
      ids,
    },
    codecs,
  );
  return bytes.subarray(entries[0]!.off, entries[0]!.off + entries[0]!.len);
};

const open = (parts: readonly Uint8Array[]): DatasetTables[] =>
  parts.flatMap((part) => openPart(part, tenant, codecs).datasets.map((dataset) => dataset.tables()));
/** Windows of one length. */
const every =
  (lengthMs: number) =>
  (timeMs: number): number =>
    Math.floor(timeMs / lengthMs) * lengthMs;

const compact = (parts: readonly Uint8Array[], level: 1 | 2, windowMs: number): Uint8Array => {
  const { windows } = mergeDatasets(open(parts), every(windowMs), 7, codecs);
  const { bytes, entry } = writeBlock({ level, blockId, tenant, datasets: windows.values() }, codecs);
  return bytes.subarray(entry.off, entry.off + entry.len);
};

const segments = Array.from({ length: SEGMENTS }, (_, i) => segment(i));
const hour = compact(segments, 1, HOUR);
const pages = open(segments).flatMap((tables) => tables.pages.map(({ bytes }) => bytes));
const small = segments.slice(0, 2);
const profiles = PROFILES * SEGMENTS;
const readAll = (): void => {
  for (const tables of open(segments)) {
    const reader = new RowReader(tables, tables.rows.length, tables.symbols.stacks.length);
    while (reader.next());
  }
};

const cases: Record<string, () => unknown> = {
  'zstd of the pages': () => pages.map((bytes) => codecs.zstdCompress(bytes)),
  'open, decompress and decode all rows': readAll,
  '12 segments to an hour, not written': () => mergeDatasets(open(segments), every(HOUR), 7, codecs),
  '12 segments to an hour': () => compact(segments, 1, HOUR),
  'an hour to a day': () => compact([hour], 2, 24 * HOUR),
  '2 segments to 12 windows': () => compact(small, 1, HOUR / 72),
};
const sum = (all: readonly Uint8Array[]): number => all.reduce((total, { length }) => total + length, 0);
console.log(
  `${profiles} profiles; pages ${Math.round(sum(pages) / profiles)} B a profile, segments ${Math.round(sum(segments) / profiles)} B, block of the hour ${Math.round(hour.length / profiles)} B`,
);
const results = Object.entries(cases).map(
  ([name, run]) =>
    [name, cpuMicros(run, 5) / (run === cases['2 segments to 12 windows'] ? PROFILES * 2 : profiles)] as const,
);
const unit = results[0]![1];
for (const [name, us] of results)
  console.log(
    `${name.padEnd(42)} ${us.toFixed(1).padStart(7)} µs/profile ${(us / unit).toFixed(2).padStart(6)} x zstd`,
  );
