import type { DatasetTables, RowColumns } from '@kiln/block';
import { ByteReader, ByteWriter } from '@kiln/bytes';
import { markOf, type ExactColumn } from '@kiln/model';
import type { QueryMerge } from './answer.ts';
import { readHigh, readLow, writeHigh } from './exact-codec.ts';
import { readLabelLists, writeLabelLists } from './label-codec.ts';
import type { QueryLimits } from './limits.ts';
import { PointAnnotations } from './point-annotations.ts';
import { type CHUNK, NO_GROUP, PointTable, UNKNOWN_GROUP } from './point-table.ts';
import { rowRange, type SelectSeriesQuery } from './query.ts';
import { rowTotals } from './row-totals.ts';
import { compileProfileSelection, matchSeries, matchTypes, type Selection } from './selection.ts';
import { SeriesGroups } from './series-groups.ts';
import { SeriesTable } from './series-table.ts';
import { toTimeSeries, type TimeSeries } from './time-series.ts';
import { collectValues, idsOf } from './collect-values.ts';
import { ValueTable } from './value-table.ts';

/*
 * partial := version u8 | label lists of groups | n | n * chunk
 * chunk   := group, zigzag delta | chunk number, zigzag delta | mask u8 | high mask u8 | low part f64 per bit of the mask
 *            | high part varint per bit of the high mask | for averages: rows varint per bit of the mask
 * Annotations (point-annotations.ts) follow, and with exemplars values (value-table.ts).
 *
 * Bit i of the masks of chunk c stands for bucket 8 * c + i. Bucket b holds the rows of (start + (b - 1) * step, start + b * step].
 * A sum is high * 2^52 + low; the low part is a double as it is, because a varint of most sums is not shorter and takes longer.
 * No points are no bytes.
 */
const VERSION = 3;
/** For the loops of this module: a constant that is imported is not part of the compiled code but looked up and checked at each use. */
const STEPS = 8 satisfies typeof CHUNK;
const FORMAT = 'select series partial';

/** Sums of row totals by group and time step. */
export function runSelectSeries(
  query: SelectSeriesQuery,
  datasets: Iterable<DatasetTables>,
  limits: QueryLimits = {},
): Uint8Array {
  const merge = new SelectSeriesMerge(query, limits);
  for (const tables of datasets) merge.addDatasets([tables]); // what is decoded of one is let go of before the next
  return merge.toPartial();
}

export function mergeSelectSeries(
  query: SelectSeriesQuery,
  partials: readonly Uint8Array[],
  limits: QueryLimits = {},
): Uint8Array {
  const full = partials.filter((partial) => partial.length > 0);
  if (full.length <= 1) return full[0] ?? new Uint8Array(0);
  const merge = new SelectSeriesMerge(query, limits);
  for (const partial of full) merge.addPartial(partial);
  return merge.toPartial();
}

/** One table of points of datasets and partials. */
export class SelectSeriesMerge implements QueryMerge {
  readonly #query: SelectSeriesQuery;
  readonly #selection: Selection;
  readonly #groups: SeriesTable;
  readonly #points: PointTable;
  readonly #annotations: PointAnnotations;
  readonly #values: ValueTable | undefined;

  constructor(query: SelectSeriesQuery, limits: QueryLimits = {}) {
    this.#query = query;
    this.#selection = compileProfileSelection(query, rowRange(query));
    this.#groups = new SeriesTable(limits);
    this.#points = new PointTable(query.aggregation === 'average', limits);
    this.#annotations = new PointAnnotations(limits);
    this.#values = valuesOf(query, limits);
  }

  addDatasets(datasets: Iterable<DatasetTables>): void {
    const selection = this.#selection;
    const read = [];
    for (const tables of datasets) {
      const types = matchTypes(tables, selection);
      if (types.length === 0) continue;
      const mask = matchSeries(tables, selection);
      const { rows } = tables;
      const { annotations } = markOf(tables.name);
      // What a dataset decodes when it is asked for is asked for here, before the first row is added.
      const carried = this.#values === undefined ? undefined : idsOf(tables, this.#values.of, selection);
      for (const type of types) {
        const { lo, hi } = rowTotals(tables, type, selection);
        const groups = new SeriesGroups(tables, type, mask, this.#query.groupBy, this.#groups);
        read.push({ rows, sums: { lo, hi }, groups, carried, type, annotations });
      }
    }
    for (const { rows, sums, groups, carried, type, annotations } of read) {
      addRows(this.#points, rows, sums, selection, groups, this.#query);
      for (const annotation of annotations)
        addRows(this.#annotations.pointsOf(annotation), rows, sums, selection, groups, this.#query);
      if (carried !== undefined) collectValues(this.#values!, { rows, sums, type, ...carried }, selection, groups);
    }
  }

  addPartial(partial: Uint8Array): void {
    decode(this.#query, partial, this.#groups, this.#points, this.#annotations, this.#values);
  }

  toPartial(): Uint8Array {
    return encode(this.#groups, this.#points, this.#annotations, this.#values);
  }

  finish(query: SelectSeriesQuery): TimeSeries[] {
    return toTimeSeries(query, this.#groups.lists, this.#points, this.#annotations, this.#values);
  }
}

/** Largest total first, then by labels; points in order of time, none where there are no rows. */
export function finishSelectSeries(query: SelectSeriesQuery, partial: Uint8Array): TimeSeries[] {
  const merge = new SelectSeriesMerge(query);
  merge.addPartial(partial);
  return merge.finish(query);
}

/** The values that exemplars are chosen from. */
function valuesOf({ exemplars }: SelectSeriesQuery, limits: QueryLimits): ValueTable | undefined {
  return exemplars === undefined ? undefined : new ValueTable(exemplars, limits);
}

/** Hot: once per row, most of them in `PointTable.addRows`. */
function addRows(
  points: PointTable,
  { length, series, timeMs }: RowColumns,
  { lo, hi }: ExactColumn,
  { startMs, endMs }: Selection,
  groups: SeriesGroups,
  query: SelectSeriesQuery,
): void {
  const { groupOf } = groups;
  const span = Float64Array.of(startMs, endMs, query.startMs, query.stepMs);
  const source = { length, series, timeMs, lo, groupOf, span };
  for (let row = 0; row < length; row++) {
    if (hi === undefined) row = points.addRows(source, row);
    if (row === length) return;
    const time = timeMs[row]!;
    if (time < startMs || time > endMs) continue;
    const low = lo[row]!;
    const high = hi === undefined ? 0 : hi[row]!;
    if (low === 0 && high === 0) continue;
    const ref = series[row]!;
    let group = groupOf[ref]!;
    if (group === NO_GROUP) continue;
    if (group === UNKNOWN_GROUP) group = groups.find(ref);
    points.add(group, time <= query.startMs ? 0 : Math.ceil((time - query.startMs) / query.stepMs), low, high);
  }
}

function encode(
  groups: SeriesTable,
  points: PointTable,
  annotations: PointAnnotations,
  values: ValueTable | undefined,
): Uint8Array {
  const { chunks, chunkGroup, chunkNumber, mask } = points;
  if (chunks === 0) return new Uint8Array(0);
  const writer = new ByteWriter(64 + chunks * (STEPS * 8 + 8));
  writer.u8(VERSION);
  writeLabelLists(writer, groups.lists);
  writer.varint(chunks);
  for (let chunk = 0, group = 0, number = 0; chunk < chunks; chunk++) {
    writer.zigzag(chunkGroup[chunk]! - group);
    writer.zigzag(chunkNumber[chunk]! - number);
    group = chunkGroup[chunk]!;
    number = chunkNumber[chunk]!;
    writeChunk(writer, points, chunk * STEPS, mask[chunk]!);
  }
  annotations.write(writer);
  values?.write(writer);
  return writer.toBytes();
}

/** Hot: once per point. The sums and rows of the bits of a mask in the entries from `first` on. */
function writeChunk(writer: ByteWriter, { lo, hi, rows }: PointTable, first: number, mask: number): void {
  let highMask = 0;
  if (hi !== undefined) for (let i = 0; i < STEPS; i++) if (hi[first + i]! > 0) highMask |= 1 << i;
  writer.u8(mask);
  writer.u8(highMask);
  for (let i = 0; i < STEPS; i++) if ((mask & (1 << i)) !== 0) writer.f64(lo[first + i]!);
  if (highMask !== 0)
    for (let i = 0; i < STEPS; i++) if ((highMask & (1 << i)) !== 0) writeHigh(writer, hi![first + i]!);
  if (rows !== undefined) for (let i = 0; i < STEPS; i++) if ((mask & (1 << i)) !== 0) writer.varint(rows[first + i]!);
}

/** Adds a partial to groups, points, annotations and values. */
function decode(
  query: SelectSeriesQuery,
  partial: Uint8Array,
  groups: SeriesTable,
  points: PointTable,
  annotations: PointAnnotations,
  values: ValueTable | undefined,
): void {
  if (partial.length === 0) return;
  const reader = new ByteReader(partial, FORMAT);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version}, want ${VERSION}`);
  const target = Uint32Array.from(readLabelLists(reader), (labels) => groups.number(labels));
  const lastBucket = Math.floor((query.endMs - query.startMs) / query.stepMs);
  const chunks = reader.count(CHUNK_BYTES);
  points.reserve(chunks);
  for (let i = 0, group = 0, number = 0; i < chunks; i++) {
    group += reader.zigzag();
    number += reader.zigzag();
    const mask = reader.u8();
    const highMask = reader.u8();
    if (group < 0 || group >= target.length) reader.fail(`group ${group} of ${target.length}`);
    if (number < 0 || mask === 0 || number * STEPS + (31 - Math.clz32(mask)) > lastBucket) {
      reader.fail(`time steps ${mask} of chunk ${number}, the last step is ${lastBucket}`);
    }
    if ((highMask & ~mask) !== 0) reader.fail(`high parts ${highMask} of time steps ${mask}`);
    readChunk(reader, points, points.chunk(target[group]!, number), mask, highMask);
  }
  annotations.read(reader, target, lastBucket);
  values?.read(reader, target, rowRange(query));
  if (reader.left > 0) reader.fail(`${reader.left} bytes behind the end`);
}

/** Hot: once per point. Adds the sums and rows of the bits of a mask to a chunk. */
function readChunk(reader: ByteReader, points: PointTable, chunk: number, mask: number, highMask: number): void {
  const countsRows = points.rows !== undefined;
  for (let i = 0; i < STEPS; i++) if ((mask & (1 << i)) !== 0) points.addTo(chunk, i, readLow(reader), 0, 0);
  for (let i = 0; i < STEPS; i++) if ((highMask & (1 << i)) !== 0) points.addTo(chunk, i, 0, readHigh(reader), 0);
  if (!countsRows) return;
  for (let i = 0; i < STEPS; i++) {
    if ((mask & (1 << i)) === 0) continue;
    const rows = reader.varint();
    if (rows === 0) reader.fail('a point of no rows');
    points.addTo(chunk, i, 0, 0, rows);
  }
}

/** A chunk of one point: two deltas, two masks, a low part. */
const CHUNK_BYTES = 12;
