/*
 * What a profile costs on its way through this package, CPU time, beside zstd over the same record (G is measured by `./kiln bench`):
 *
 *   node --conditions=source libs/block/src/segment.bench.ts
 */
import { parseLogId, parseTenantId } from '@kiln/model';
import { cpuMicros, cpuProfiles } from './corpus.test-support.ts';
import { PageBuilder } from './page/page-builder.ts';
import { PageRows } from './page/page-rows.ts';
import { openPart } from './part.ts';
import { decodeRecord, type LogRecord } from './record/record.ts';
import { RecordBuilder } from './record/record-builder.ts';
import { SampleSorter } from './page/sample-sorter.ts';
import { writeSegment } from './segment.ts';
import { SymbolRemap } from './symbols/symbol-remap.ts';
import { SymbolTable } from './symbols/symbol-table.ts';
import type { DatasetTables } from './tables.ts';
import { codecs, idOf } from './testing.test-support.ts';

const tenant = parseTenantId('bench');
const profiles = [...cpuProfiles(20)];
const encode = (): Uint8Array[] =>
  profiles.map((profile, i) => {
    const record = new RecordBuilder({ tenant, receivedMs: 1, windowMs: 1 });
    record.add(profile, idOf(i));
    return record.finish(codecs);
  });
const records = encode();
const decoded = records.map((bytes) => decodeRecord(bytes, codecs));
const sorter = new SampleSorter();

const append = (table: SymbolTable, page: PageBuilder, { symbols, datasets }: LogRecord): void => {
  const [dataset] = datasets;
  const remap = new SymbolRemap(symbols, table);
  for (const rows = new PageRows(dataset!.page, 2); rows.next();) {
    const numbers = sorter.numbers(rows.length);
    remap.stacks(rows.stack, rows.length, numbers);
    sorter.sort(numbers, rows.values, rows.length);
    page.add(sorter.stack, sorter.values, sorter.length);
  }
};

const table = new SymbolTable();
const page = new PageBuilder(2);
for (const record of decoded) append(table, page, record);
const series = profiles.map(({ groups }) => groups[0]!.series);
const tables: DatasetTables = {
  service: 'checkout',
  name: 'process_cpu',
  types: profiles[0]!.types,
  minMs: 0,
  maxMs: 20_000,
  series,
  rows: {
    length: series.length,
    series: Uint32Array.from(series.keys()),
    timeMs: Float64Array.from(series.keys(), (i) => i * 731),
    id: Uint8Array.from({ length: series.length * 8 }, (_, i) => (i * 89) % 251),
    offset: Float64Array.from(series.keys()),
    totals: [0, 1].map(() => ({ lo: Float64Array.from(series.keys(), (i) => 2200 + i), hi: undefined })),
  },
  pages: [{ firstRow: 0, rows: series.length, bytes: page.toBytes() }],
  symbols: table.symbols(),
  spans: undefined,
};
const ids = { length: 0, id: new Uint8Array(0), appendMs: new Float64Array(0), windowMs: new Float64Array(0) };
const seal = (): ReturnType<typeof writeSegment> =>
  writeSegment(
    {
      logId: parseLogId('0123456789abcdef-0'),
      start: -1,
      end: 20,
      blockId: new Uint8Array(16),
      tenants: [{ tenant, datasets: [tables] }],
      ids,
    },
    codecs,
  );
const segment = seal();
const { off, len } = segment.entries[0]!;
const part = segment.bytes.subarray(off, off + len);
const bodies = records.map((bytes) => bytes.subarray(20 + tenant.length));
const rawLength = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(12, true);
const raw = records.map((bytes, i) => codecs.zstdDecompress(bodies[i]!, rawLength(bytes)));

const cases: Record<string, () => unknown> = {
  'zstd of the record': () => raw.map((body) => codecs.zstdCompress(body)),
  'zstd back': () => records.map((bytes, i) => codecs.zstdDecompress(bodies[i]!, rawLength(bytes))),
  'encode record': encode,
  'decode record': () => records.map((bytes) => decodeRecord(bytes, codecs)),
  'append to a new head': () => {
    const own = new SymbolTable();
    const rows = new PageBuilder(2);
    for (const record of decoded) append(own, rows, record);
  },
  'append to a head that knows the symbols': () => {
    page.clear();
    for (const record of decoded) append(table, page, record);
  },
  'seal 20 profiles of 15 s': seal,
  'open and decode': () => {
    const read = openPart(part, tenant, codecs).datasets[0]!.tables();
    return [read.rows.length, read.symbols.tree.length, read.pages.map(({ bytes }) => bytes.length)];
  },
};

const { strings, functions, tree } = table.symbols();
const bytesOf = (all: readonly Uint8Array[]): number =>
  Math.round(all.reduce((sum, { length }) => sum + length, 0) / all.length);
console.log(
  `${profiles.length} profiles: ${strings.length} strings, ${functions.length} functions, ${tree.length} nodes; record ${bytesOf(raw)} B, zstd ${bytesOf(records)} B; segment ${Math.round(segment.bytes.length / profiles.length)} B a profile; head ${table.byteLength + page.heldBytes} B`,
);
const results = new Map(Object.entries(cases).map(([name, run]) => [name, cpuMicros(run) / profiles.length]));
const unit = results.get('zstd of the record')!;
for (const [name, us] of results)
  console.log(
    `${name.padEnd(42)} ${us.toFixed(1).padStart(7)} µs/profile ${(us / unit).toFixed(2).padStart(6)} x zstd`,
  );
