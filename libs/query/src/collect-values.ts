import type { DatasetSpans, DatasetTables, RowColumns } from '@kiln/block';
import type { ExactColumn } from '@kiln/model';
import { matchStacks } from './call-site.ts';
import { HIGH_WORD, wordsOf } from './id-set.ts';
import { NO_GROUP } from './point-table.ts';
import { idWord } from './sample-conditions.ts';
import type { Selection } from './selection.ts';
import type { SeriesGroups } from './series-groups.ts';
import type { ValueTable } from './value-table.ts';

/** What values are collected from: one value type of a dataset. */
export interface ValueSource {
  readonly rows: RowColumns;
  /** Totals of rows. */
  readonly sums: ExactColumn;
  readonly type: number;
  /** As `idsOf` gives them. */
  readonly ids: Uint8Array | undefined;
  readonly spans: SpanEntries | undefined;
}

/** The samples of a dataset that carry ids; `kept` is a byte per stack row, 0 where the selection leaves it out; undefined = it wants all. */
export interface SpanEntries {
  readonly spans: DatasetSpans;
  readonly kept: Uint8Array | undefined;
}

/** Reads what tells values apart: the ids of rows, or the samples that carry span and trace ids. */
export function idsOf(
  tables: DatasetTables,
  of: ValueTable['of'],
  selection: Selection,
): Pick<ValueSource, 'ids' | 'spans'> {
  return of === 'profiles'
    ? { ids: tables.rows.id, spans: undefined }
    : { ids: undefined, spans: spanEntries(tables, selection) };
}

function spanEntries(tables: DatasetTables, { samples }: Selection): SpanEntries | undefined {
  const { spans } = tables;
  if (spans === undefined) return undefined;
  return { spans, kept: samples.callSite.length === 0 ? undefined : matchStacks(tables.symbols, samples.callSite) };
}

/** Adds the values of the rows, or of their spans, that a selection wants. None is 0. */
export function collectValues(
  values: ValueTable,
  { rows, sums, type, ids, spans }: ValueSource,
  selection: Selection,
  groups: SeriesGroups,
): void {
  const labelsOf = new Int32Array(groups.groupOf.length).fill(-1);
  if (ids !== undefined) addProfiles(values, rows, ids, sums, selection, groups, labelsOf);
  else if (spans !== undefined) addSpans(values, rows, spans, type, selection, groups, labelsOf);
}

/** Hot: once per row. */
function addProfiles(
  values: ValueTable,
  { length, series, timeMs }: RowColumns,
  id: Uint8Array,
  { lo, hi }: ExactColumn,
  { startMs, endMs }: Selection,
  groups: SeriesGroups,
  labelsOf: Int32Array,
): void {
  const words = new Uint32Array(2);
  for (let row = 0; row < length; row++) {
    const time = timeMs[row]!;
    if (time < startMs || time > endMs) continue;
    const low = lo[row]!;
    const high = hi === undefined ? 0 : hi[row]!;
    if (low === 0 && high === 0) continue;
    const ref = series[row]!;
    if (groups.groupOf[ref] === NO_GROUP) continue;
    words[0] = idWord(id, row * 8);
    words[1] = idWord(id, row * 8 + 4);
    values.add(groupOf(groups, ref), labels(values, groups, labelsOf, ref), time, low, high, words, 0);
  }
}

/** Hot: once per sample that has an id. */
function addSpans(
  values: ValueTable,
  { series, timeMs }: RowColumns,
  { spans, kept }: SpanEntries,
  type: number,
  { startMs, endMs }: Selection,
  groups: SeriesGroups,
  labelsOf: Int32Array,
): void {
  const { lo, hi } = spans.values[type]!;
  const columns = [wordsOf(spans.spanId), wordsOf(spans.traceIdHi), wordsOf(spans.traceIdLo)] as const;
  const words = new Uint32Array(6);
  for (let entry = 0; entry < spans.length; entry++) {
    const row = spans.row[entry]!;
    const time = timeMs[row]!;
    if (time < startMs || time > endMs) continue;
    const low = lo[entry]!;
    const high = hi === undefined ? 0 : hi[entry]!;
    if (low === 0 && high === 0) continue;
    const ref = series[row]!;
    if (groups.groupOf[ref] === NO_GROUP || (kept !== undefined && kept[spans.stack[entry]!] === 0)) continue;
    for (let i = 0; i < 6; i++) words[i] = columns[i >> 1]![entry * 2 + (i & 1 ? 1 - HIGH_WORD : HIGH_WORD)]!;
    if (words[0] === 0 && words[1] === 0) continue;
    values.add(groupOf(groups, ref), labels(values, groups, labelsOf, ref), time, low, high, words, 0);
  }
}

function groupOf(groups: SeriesGroups, ref: number): number {
  const known = groups.groupOf[ref]!;
  return known >= 0 ? known : groups.find(ref);
}

function labels(values: ValueTable, groups: SeriesGroups, labelsOf: Int32Array, ref: number): number {
  if (labelsOf[ref]! < 0) labelsOf[ref] = values.labelLists.number(groups.otherLabels(ref));
  return labelsOf[ref]!;
}
