/*
 * What a sample costs in a page (design: engine.md §3.3, §8), CPU time, beside a plain loop over as many doubles:
 *
 *   node --conditions=source libs/block/src/page/page.bench.ts
 */
import { ExactSums } from '@kiln/model';
import { cpuMicros, cpuProfiles } from '../corpus.test-support.ts';
import { SampleSorter } from './sample-sorter.ts';
import { SymbolRemap } from '../symbols/symbol-remap.ts';
import { SymbolTable } from '../symbols/symbol-table.ts';
import { codecs } from '../testing.test-support.ts';
import { mergePage } from './merge-page.ts';
import { PageBuilder } from './page-builder.ts';
import { PageRows } from './page-rows.ts';

const table = new SymbolTable();
const rows = [...cpuProfiles(400)].map(({ symbols, groups }) => {
  const [group] = groups;
  const sorter = new SampleSorter();
  const numbers = sorter.numbers(group!.length);
  new SymbolRemap(symbols, table).stacks(group!.stack, group!.length, numbers);
  sorter.sort(numbers, group!.values, group!.length);
  return sorter;
});
const types = 2;
const page = new PageBuilder(types);
for (const { stack, values, length } of rows) page.add(stack, values, length);
const samples = rows.reduce((sum, { length }) => sum + length, 0);
const bytes = page.toBytes();
const packed = codecs.zstdCompress(bytes);
const sums = new ExactSums(table.symbols().stacks.length);
const none = new Uint8Array(rows.length);
const whole = { firstRow: 0, rows: rows.length, bytes };

const doubles = new Float64Array(sums.lo.length);
const stacks = Uint32Array.from({ length: samples }, (_, i) => (i * 7) % doubles.length);
const values = new Float64Array(samples).fill(3);

const append = new PageBuilder(types);
const cases: Record<string, () => void> = {
  'append (check, encode)': () => {
    append.clear();
    for (const { stack, values: own, length } of rows) append.add(stack, own, length);
  },
  'decode (PageRows)': () => {
    for (const decoded = new PageRows(whole, types); decoded.next(););
  },
  'merge, type 0': () => mergePage(whole, 0, undefined, sums),
  'merge, type 1': () => mergePage(whole, 1, undefined, sums),
  'merge of no row': () => mergePage(whole, 0, none, sums),
  'merge, zstd': () => mergePage({ ...whole, bytes: codecs.zstdDecompress(packed, bytes.length) }, 1, undefined, sums),
  'plain loop': () => {
    for (let i = 0; i < samples; i++) doubles[stacks[i]!] = doubles[stacks[i]!]! + values[i]!;
  },
};

const size = (length: number): string => (length / samples).toFixed(2);
console.log(
  `${samples} samples of ${rows.length} profiles; ${size(bytes.length)} B/sample, zstd ${size(packed.length)}`,
);
const results = new Map(Object.entries(cases).map(([name, run]) => [name, (cpuMicros(run) * 1000) / samples]));
const plain = results.get('plain loop')!;
for (const [name, ns] of results)
  console.log(
    `${name.padEnd(24)} ${ns.toFixed(2).padStart(7)} ns/sample ${(ns / plain).toFixed(1).padStart(6)} x plain`,
  );
