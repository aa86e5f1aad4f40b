import { ByteReader } from '@kiln/bytes';
import { ExactSums, exactToBigInt, KilnError, type ExactColumn } from '@kiln/model';
import { readDirectory, type Directory, type TenantEntry } from './directory.ts';
import { mergePage } from './page/merge-page.ts';
import { PageRows } from './page/page-rows.ts';
import { openPart, type PartDataset } from './part.ts';
import { hourOf } from './row-order.ts';
import type { StoredTables } from './stored-tables.ts';
import { readIds } from './sections/kept-ids.ts';
import type { Codecs, DatasetTables, Page, Rollup, RowColumns } from './tables.ts';
import { checkVersion, MINOR, MINOR_BY_HOUR, OBJECT_MAGIC } from './versions.ts';

/** One thing that is wrong with an object. */
export interface Problem {
  /** For example `tenant a, dataset 3 (api, process_cpu)`. */
  readonly where: string;
  readonly found: string;
}

/** Reads all of an object: every region, checksum, count and row number, and every total against its samples. Empty when all is well. */
export function verifyObject(bytes: Uint8Array, codecs: Codecs): Problem[] {
  const problems: Problem[] = [];
  const check = <T>(where: string, run: () => T): T | undefined => {
    try {
      return run();
    } catch (error) {
      problems.push({ where, found: KilnError.from(error).message });
      return undefined;
    }
  };
  const minor = check('header', () => readHeader(bytes)) ?? MINOR;
  const directory = check('directory', () => readDirectory(bytes, codecs, bytes.length));
  if (directory === undefined) return problems;
  if (directory.idsLen > 0) check('ids', () => readIds(slice(bytes, directory.idsOff, directory.idsLen), codecs));
  for (const found of [...checkPlaces(directory), ...checkLevel(directory)])
    problems.push({ where: 'directory', found });
  for (const entry of directory.entries) {
    const where = `tenant ${entry.tenant}`;
    const part = check(where, () => openPart(slice(bytes, entry.off, entry.len), entry.tenant, codecs));
    if (part === undefined) continue;
    check(where, () => compareEntry(entry, part.datasets));
    part.datasets.forEach((dataset, i) => {
      const tables = dataset.tables();
      const ofDataset = `${where}, dataset ${i} (${dataset.service}, ${dataset.name})`;
      // All of them, because a query may meet another than what is read first here.
      const damaged = tables.damaged();
      for (const found of damaged) problems.push({ where: ofDataset, found });
      if (damaged.length > 0) return;
      check(ofDataset, () => {
        verifyTables(tables, dataset);
        if (directory.level > 0) verifyOrder(tables.rows, minor >= MINOR_BY_HOUR ? hourOf : () => 0);
        for (const rollup of [...tables.rollups, ...tables.fineRollups]) verifyRollup(tables, rollup);
      });
    });
  }
  return problems;
}

/** What is wrong with one dataset of a part, in words; undefined when every byte of it can be read and its totals are those of its samples. */
export function verifyDataset(dataset: PartDataset): string | undefined {
  try {
    verifyTables(dataset.tables(), dataset);
    return undefined;
  } catch (error) {
    return KilnError.from(error).message;
  }
}

/** @returns the minor version. */
function readHeader(bytes: Uint8Array): number {
  const r = new ByteReader(bytes, 'object');
  if (r.u32() !== OBJECT_MAGIC) r.fail('no object begins here');
  const version = [r.u16(), r.u16()] as const;
  checkVersion(...version, 'object');
  const footer = new ByteReader(bytes, 'object', Math.max(8, bytes.length - FOOTER_VERSION_FROM_END));
  if (footer.u16() !== version[0] || footer.u16() !== version[1]) footer.fail('header and footer name two versions');
  return version[1];
}

const FOOTER_VERSION_FROM_END = 20;

/** Parts and ids lie side by side and fill the object up to its directory. */
function checkPlaces({ idsOff, idsLen, entries }: Directory): string[] {
  const places = entries.map(({ off, len }) => ({ off, len }));
  if (idsLen > 0) places.push({ off: idsOff, len: idsLen });
  places.sort((a, b) => a.off - b.off);
  const found: string[] = [];
  let end = 8;
  for (const { off, len } of places) {
    if (off !== end) found.push(`a part or the ids begin at ${off}, expected at ${end}`);
    end = off + len;
  }
  return found;
}

/** A block of level 1 or 2 holds one tenant and no ids. */
function checkLevel({ level, idsLen, entries }: Directory): string[] {
  if (level === 0) return [];
  const found: string[] = [];
  if (level > 2) found.push(`level ${level}, known are 0 to 2`);
  if (entries.length !== 1) found.push(`${entries.length} tenants in a block, one is expected`);
  if (idsLen > 0) found.push('a block with ids');
  return found;
}

/** Rows of a block rise by (stretch of time, series, time, id); only rows with other totals may share all of these. */
function verifyOrder(
  { length, series, timeMs, id, offset, totals }: RowColumns,
  stretchOf: (timeMs: number) => number,
): void {
  if (offset !== undefined) throw new KilnError('data_loss', 'rows of a block with log offsets');
  for (let row = 1; row < length; row++) {
    const order =
      stretchOf(timeMs[row]!) - stretchOf(timeMs[row - 1]!) ||
      series[row]! - series[row - 1]! ||
      timeMs[row]! - timeMs[row - 1]! ||
      compareBytes(id.subarray(row * 8, row * 8 + 8), id.subarray(row * 8 - 8, row * 8));
    if (order < 0) throw new KilnError('data_loss', `row ${row} belongs before row ${row - 1}`);
    const same = ({ lo, hi }: ExactColumn): boolean =>
      lo[row] === lo[row - 1] && (hi?.[row] ?? 0) === (hi?.[row - 1] ?? 0);
    if (order === 0 && totals.every(same)) throw new KilnError('data_loss', `row ${row} is a copy of row ${row - 1}`);
  }
}

/** Each bucket sums to the totals of its rows, and each stack over all buckets to what it has in all rows. */
function verifyRollup({ types, rows, pages, symbols }: DatasetTables, { stepMs, startMs, pages: own }: Rollup): void {
  const what = `roll-up of ${stepMs} ms`;
  const numbers = new Map(Array.from(startMs, (start, bucket) => [start, bucket]));
  const buckets = Uint32Array.from({ length: rows.length }, (_, row) => {
    const bucket = numbers.get(stepMs === 0 ? 0 : Math.floor(rows.timeMs[row]! / stepMs) * stepMs);
    if (bucket === undefined) throw new KilnError('data_loss', `${what} has no bucket for row ${row}`);
    return bucket;
  });
  for (let type = 0; type < types.length; type++) {
    const wanted = new ExactSums(startMs.length);
    const { lo, hi } = rows.totals[type]!;
    for (let row = 0; row < rows.length; row++) wanted.add(buckets[row]!, lo[row]!, hi === undefined ? 0 : hi[row]!);
    const found = new ExactSums(startMs.length);
    for (const page of own) addPage(found, page, new PageRows(page, types.length, symbols.stacks.length), type);
    for (let bucket = 0; bucket < startMs.length; bucket++)
      if (found.get(bucket) !== wanted.get(bucket))
        throw new KilnError(
          'data_loss',
          `${what}, bucket ${bucket}, value type ${type}: ${found.get(bucket)} where its rows sum to ${wanted.get(bucket)}`,
        );
    const [byBucket, byRow] = [own, pages].map((all) => {
      const sums = new ExactSums(symbols.stacks.length);
      for (const page of all) mergePage(page, type, undefined, sums);
      return sums;
    });
    for (let stack = 0; stack < symbols.stacks.length; stack++)
      if (byBucket!.get(stack) !== byRow!.get(stack))
        throw new KilnError(
          'data_loss',
          `${what}, stack ${stack}, value type ${type}: ${byBucket!.get(stack)} where its rows sum to ${byRow!.get(stack)}`,
        );
  }
}

function addPage(sums: ExactSums, { firstRow }: Page, samples: PageRows, type: number): void {
  for (let row = firstRow; samples.next(); row++) addAll(sums, row, samples.values[type]!, samples.length);
}

function addAll(sums: ExactSums, row: number, { lo, hi }: ExactColumn, length: number): void {
  for (let i = 0; i < length; i++) sums.add(row, lo[i]!, hi === undefined ? 0 : hi[i]!);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

function compareEntry({ rows, minMs, maxMs }: TenantEntry, datasets: readonly PartDataset[]): void {
  const found = {
    rows: datasets.reduce((sum, { counts }) => sum + counts.rows, 0),
    minMs: datasets.reduce((least, dataset) => Math.min(least, dataset.minMs), Infinity),
    maxMs: datasets.reduce((most, dataset) => Math.max(most, dataset.maxMs), -Infinity),
  };
  expectEqual('rows', found.rows, rows);
  expectEqual('first time', found.minMs, minMs);
  expectEqual('last time', found.maxMs, maxMs);
}

function verifyTables(tables: StoredTables, { counts, minMs, maxMs }: PartDataset): void {
  const { types, rows, pages, symbols, spans, series } = tables;
  expectEqual('series', series.length, counts.series);
  expectEqual('stacks', symbols.stacks.length, counts.stacks);
  for (let row = 0; row < rows.length; row++)
    if (rows.timeMs[row]! < minMs || rows.timeMs[row]! > maxMs)
      throw new KilnError('data_loss', `row ${row} of ${rows.timeMs[row]} ms, outside ${minMs} to ${maxMs}`);
  const index = tables.rowIndex;
  if (index !== rows) compareRows(index, rows);
  let samples = 0;
  for (const page of pages) {
    const decoded = new PageRows(
      { firstRow: page.firstRow, rows: page.rows, bytes: page.bytes },
      types.length,
      counts.stacks,
    );
    for (let row = page.firstRow; decoded.next(); row++) {
      samples += decoded.length;
      for (let t = 0; t < types.length; t++) compareTotal(tables, row, t, decoded);
    }
  }
  expectEqual('samples', samples, counts.samples);
  if (spans !== undefined && spans.length === 0) throw new KilnError('data_loss', 'a section of spans without any');
}

/** TOTALS repeats PINDEX. */
function compareRows(index: RowColumns, rows: RowColumns): void {
  const total = ({ lo, hi }: ExactColumn, row: number): bigint => exactToBigInt(lo[row]!, hi?.[row] ?? 0);
  for (let row = 0; row < rows.length; row++) {
    const same =
      rows.series[row] === index.series[row] &&
      rows.timeMs[row] === index.timeMs[row] &&
      rows.totals.every((column, t) => total(column, row) === total(index.totals[t]!, row));
    if (!same) throw new KilnError('data_loss', `row ${row} differs in the two sections that have it`);
  }
}

function compareTotal({ rows }: DatasetTables, row: number, type: number, samples: PageRows): void {
  const sum = new ExactSums(1);
  addAll(sum, 0, samples.values[type]!, samples.length);
  const total = rows.totals[type]!;
  const stated = exactToBigInt(total.lo[row]!, total.hi === undefined ? 0 : total.hi[row]!);
  if (sum.get(0) !== stated)
    throw new KilnError(
      'data_loss',
      `total ${stated} of row ${row}, value type ${type}, where the samples sum to ${sum.get(0)}`,
    );
}

function expectEqual(what: string, found: number, stated: number): void {
  if (found !== stated) throw new KilnError('data_loss', `${found} ${what} where ${stated} are stated`);
}

function slice(bytes: Uint8Array, off: number, len: number): Uint8Array {
  return bytes.subarray(off, off + len);
}
