import type { DatasetTables } from '@kiln/block';
import { ByteReader, ByteWriter } from '@kiln/bytes';
import { labelValue, type Label } from '@kiln/model';
import { readExact, writeExact } from './exact-codec.ts';
import { GroupTable } from './group-table.ts';
import { readLabelLists, writeLabelLists } from './label-codec.ts';
import { virtualLabels } from './label-sets.ts';
import type { QueryLimits } from './limits.ts';
import { PointTable } from './point-table.ts';
import { rowRange, type SelectSeriesQuery } from './query.ts';
import { compileProfileSelection, isVirtualLabel, matchSeries, matchTypes, type Selection } from './selection.ts';
import { toTimeSeries, type TimeSeries } from './time-series.ts';

/*
 * partial := version u8 | label lists of groups | n | column group, zigzag delta | column bucket, zigzag delta
 *            | column sum, exact | column rows                      bucket b holds the rows of (start + (b - 1) * step, start + b * step]
 * No points are no bytes.
 */
const VERSION = 1;
const FORMAT = 'select series partial';

/** Sums of row totals by group and time step. */
export function runSelectSeries(
  query: SelectSeriesQuery,
  datasets: Iterable<DatasetTables>,
  limits: QueryLimits = {},
): Uint8Array {
  const selection = compileProfileSelection(query, rowRange(query));
  const groups = new GroupTable(limits);
  const points = new PointTable();
  for (const tables of datasets) {
    const types = matchTypes(tables, selection);
    const mask = types.length === 0 ? undefined : matchSeries(tables, selection);
    for (const type of types)
      addRows(points, tables, type, selection, new SeriesGroups(tables, type, mask, query.groupBy, groups), query);
  }
  return encode(groups, points);
}

export function mergeSelectSeries(
  query: SelectSeriesQuery,
  partials: readonly Uint8Array[],
  limits: QueryLimits = {},
): Uint8Array {
  const full = partials.filter((partial) => partial.length > 0);
  if (full.length <= 1) return full[0] ?? new Uint8Array(0);
  const groups = new GroupTable(limits);
  const points = new PointTable();
  for (const partial of full) decode(query, partial, groups, points);
  return encode(groups, points);
}

/** Largest total first, then by labels; points in order of time, none where there are no rows. */
export function finishSelectSeries(query: SelectSeriesQuery, partial: Uint8Array): TimeSeries[] {
  const groups = new GroupTable({});
  const points = new PointTable();
  decode(query, partial, groups, points);
  return toTimeSeries(query, groups.lists, points);
}

/** The groups of a dataset's series, found when a row asks for them, so that only groups with rows exist. */
class SeriesGroups {
  /** By series: a group, UNWANTED, or UNKNOWN so far. */
  readonly groupOf: Int32Array;
  readonly #tables: DatasetTables;
  readonly #virtual: readonly Label[];
  readonly #names: readonly string[];
  readonly #groups: GroupTable;

  constructor(
    tables: DatasetTables,
    type: number,
    mask: Uint8Array | undefined,
    groupBy: readonly string[],
    groups: GroupTable,
  ) {
    this.#tables = tables;
    this.#virtual = virtualLabels(tables, type);
    this.#names = [...new Set(groupBy)];
    this.#groups = groups;
    this.groupOf = new Int32Array(tables.series.length).fill(UNKNOWN);
    if (mask !== undefined)
      for (let ref = 0; ref < mask.length; ref++) if (mask[ref] === 0) this.groupOf[ref] = UNWANTED;
  }

  find(ref: number): number {
    const labels: Label[] = [];
    for (const name of this.#names) {
      const value = labelValue(isVirtualLabel(name) ? this.#virtual : this.#tables.series[ref]!, name);
      if (value !== '') labels.push({ name, value });
    }
    const group = this.#groups.number(labels);
    this.groupOf[ref] = group;
    return group;
  }
}

const UNKNOWN = -1;
const UNWANTED = -2;

/** Hot: once per row. */
function addRows(
  points: PointTable,
  { rows }: DatasetTables,
  type: number,
  selection: Selection,
  groups: SeriesGroups,
  query: SelectSeriesQuery,
): void {
  const { startMs, endMs } = selection;
  const { length, series, timeMs, totals } = rows;
  const { lo, hi } = totals[type]!;
  const groupOf = groups.groupOf;
  const firstMs = query.startMs;
  const stepMs = query.stepMs;
  for (let row = 0; row < length; row++) {
    const time = timeMs[row]!;
    if (time < startMs || time > endMs) continue;
    const low = lo[row]!;
    const high = hi === undefined ? 0 : hi[row]!;
    if (low === 0 && high === 0) continue;
    const ref = series[row]!;
    let group = groupOf[ref]!;
    if (group < 0) {
      if (group === UNWANTED) continue;
      group = groups.find(ref);
    }
    points.add(group, time <= firstMs ? 0 : Math.ceil((time - firstMs) / stepMs), low, high, 1);
  }
}

function encode(groups: GroupTable, points: PointTable): Uint8Array {
  const { length, group, bucket, sums, count } = points;
  if (length === 0) return new Uint8Array(0);
  const writer = new ByteWriter(64 + length * 8);
  writer.u8(VERSION);
  writeLabelLists(writer, groups.lists);
  writer.varint(length);
  for (let point = 0, before = 0; point < length; before = group[point++]!) writer.zigzag(group[point]! - before);
  for (let point = 0, before = 0; point < length; before = bucket[point++]!) writer.zigzag(bucket[point]! - before);
  for (let point = 0; point < length; point++) writeExact(writer, sums.lo[point]!, sums.hi[point]!);
  for (let point = 0; point < length; point++) writer.varint(count[point]!);
  return writer.toBytes();
}

/** Adds a partial to groups and points. */
function decode(query: SelectSeriesQuery, partial: Uint8Array, groups: GroupTable, points: PointTable): void {
  if (partial.length === 0) return;
  const reader = new ByteReader(partial, FORMAT);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version}, want ${VERSION}`);
  const target = readLabelLists(reader).map((labels) => groups.number(labels));
  const length = reader.count(4);
  const group = readDeltas(reader, length, target.length - 1, 'group');
  const bucket = readDeltas(reader, length, Math.floor((query.endMs - query.startMs) / query.stepMs), 'bucket');
  const lo = new Float64Array(length);
  const hi = new Float64Array(length);
  for (let point = 0; point < length; point++) readExact(reader, lo, hi, point);
  for (let point = 0; point < length; point++) {
    const count = reader.varint();
    if (count === 0) reader.fail('a point of no rows');
    points.add(target[group[point]!]!, bucket[point]!, lo[point]!, hi[point]!, count);
  }
  if (reader.left > 0) reader.fail(`${reader.left} bytes behind the end`);
}

function readDeltas(reader: ByteReader, length: number, max: number, what: string): Float64Array {
  const values = new Float64Array(length);
  let value = 0;
  for (let i = 0; i < length; i++) {
    value += reader.zigzag();
    if (value < 0 || value > max) reader.fail(`${what} ${value}, allowed are 0 to ${max}`);
    values[i] = value;
  }
  return values;
}
