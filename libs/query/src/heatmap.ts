import type { DatasetTables } from '@kiln/block';
import { ByteReader, ByteWriter } from '@kiln/bytes';
import { exactToBigInt, type Label } from '@kiln/model';
import type { QueryMerge } from './answer.ts';
import { collectValues, idsOf } from './collect-values.ts';
import { isLarger, rightEdge, toExemplar, type Exemplar } from './exemplars.ts';
import { compareLabelLists, readLabelLists, writeLabelLists } from './label-codec.ts';
import type { QueryLimits } from './limits.ts';
import { rowRange, type HeatmapQuery } from './query.ts';
import { rowTotals } from './row-totals.ts';
import { compileProfileSelection, matchSeries, matchTypes, type Selection } from './selection.ts';
import { SeriesGroups } from './series-groups.ts';
import { SeriesTable } from './series-table.ts';
import { ValueTable } from './value-table.ts';

/** How many values lie in each of some rows of cells, over time. */
export interface Heatmap {
  /** Where each row of cells begins, from below; the last one ends with the largest value. */
  readonly yMin: readonly bigint[];
  readonly series: readonly HeatmapSeries[];
}

export interface HeatmapSeries {
  /** In the order of `groupBy`. */
  readonly labels: readonly Label[];
  /** Those that have values, in order of time. */
  readonly slots: readonly HeatmapSlot[];
}

export interface HeatmapSlot {
  /** Right edge of the time step, Unix milliseconds. */
  readonly timeMs: number;
  /** Values by row of cells. */
  readonly counts: Uint32Array;
  /** The largest value of each cell that has one, where exemplars are asked for. */
  readonly exemplars: readonly Exemplar[];
}

/** Rows of cells (contract/pyroscope.md §5.13). */
const CELLS = 20;

/*
 * partial := version u8 | label lists of groups | values (value-table.ts)        No values are no bytes.
 *
 * Rows of cells depend on the smallest and the largest value of all, so values stay single until the end.
 */
const VERSION = 1;
const FORMAT = 'heatmap partial';

/** The single values that a query selects of some datasets. */
export function runHeatmap(
  query: HeatmapQuery,
  datasets: Iterable<DatasetTables>,
  limits: QueryLimits = {},
): Uint8Array {
  const merge = new HeatmapMerge(query, limits);
  for (const tables of datasets) merge.addDatasets([tables]); // what is decoded of one is let go of before the next
  return merge.toPartial();
}

export function mergeHeatmap(
  query: HeatmapQuery,
  partials: readonly Uint8Array[],
  limits: QueryLimits = {},
): Uint8Array {
  const merge = new HeatmapMerge(query, limits);
  for (const partial of partials) merge.addPartial(partial);
  return merge.toPartial();
}

/** One table of values of datasets and partials. */
export class HeatmapMerge implements QueryMerge {
  readonly #query: HeatmapQuery;
  readonly #selection: Selection;
  readonly #groups: SeriesTable;
  readonly #values: ValueTable;

  constructor(query: HeatmapQuery, limits: QueryLimits = {}) {
    this.#query = query;
    this.#selection = compileProfileSelection(query, rowRange(query));
    this.#groups = new SeriesTable(limits);
    this.#values = new ValueTable(query.of, limits);
  }

  addDatasets(datasets: Iterable<DatasetTables>): void {
    const selection = this.#selection;
    const read = [];
    for (const tables of datasets) {
      const types = matchTypes(tables, selection);
      if (types.length === 0) continue;
      const mask = matchSeries(tables, selection);
      // What a dataset decodes when it is asked for is asked for here, before the first value is added.
      const ids = idsOf(tables, this.#query.of, selection);
      for (const type of types) {
        const groups = new SeriesGroups(tables, type, mask, this.#query.groupBy, this.#groups);
        read.push({ source: { rows: tables.rows, sums: rowTotals(tables, type, selection), type, ...ids }, groups });
      }
    }
    for (const { source, groups } of read) collectValues(this.#values, source, selection, groups);
  }

  addPartial(partial: Uint8Array): void {
    decode(this.#query, partial, this.#groups, this.#values);
  }

  toPartial(): Uint8Array {
    return encode(this.#groups, this.#values);
  }

  finish(query: HeatmapQuery): Heatmap {
    return toHeatmap(query, this.#groups, this.#values);
  }
}

/** Series of the most values first, then by labels. @throws KilnError `out_of_range` for an exemplar above int64, CorruptDataError for a damaged partial. */
export function finishHeatmap(query: HeatmapQuery, partial: Uint8Array): Heatmap {
  const merge = new HeatmapMerge(query);
  merge.addPartial(partial);
  return merge.finish(query);
}

function toHeatmap(query: HeatmapQuery, groups: SeriesTable, values: ValueTable): Heatmap {
  if (values.length === 0) return { yMin: [], series: [] };
  const { min, span } = rangeOf(values);
  const cells = new Cells(query, values, min, span);
  const found = groups.lists.map((labels, group) => ({ labels, ...cells.ofGroup(group) }));
  const sorted = found
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => b.count - a.count || compareLabelLists(a.labels, b.labels));
  const kept = query.limit > 0 ? sorted.slice(0, query.limit) : sorted;
  return {
    yMin: Array.from({ length: CELLS }, (_, cell) => min + (BigInt(cell) * span) / BigInt(CELLS)),
    series: kept.map(({ labels, slots }) => ({ labels, slots })),
  };
}

/** The smallest value, and how far the largest lies above it: 1 where all are equal. */
function rangeOf({ length, lo, hi }: ValueTable): { min: bigint; span: bigint } {
  let least = 0;
  let most = 0;
  for (let entry = 1; entry < length; entry++) {
    if (hi[entry]! < hi[least]! || (hi[entry] === hi[least] && lo[entry]! < lo[least]!)) least = entry;
    if (hi[entry]! > hi[most]! || (hi[entry] === hi[most] && lo[entry]! > lo[most]!)) most = entry;
  }
  const min = exactToBigInt(lo[least]!, hi[least]!);
  const span = exactToBigInt(lo[most]!, hi[most]!) - min;
  return { min, span: span === 0n ? 1n : span };
}

interface Slot {
  readonly counts: Uint32Array;
  /** Entry of the largest value + 1, by cell. */
  readonly best: Uint32Array;
}

/** The values by group, time step and cell. */
class Cells {
  readonly #query: HeatmapQuery;
  readonly #values: ValueTable;
  readonly #groups = new Map<number, Map<number, Slot>>();

  constructor(query: HeatmapQuery, values: ValueTable, min: bigint, span: bigint) {
    this.#query = query;
    this.#values = values;
    const { group, timeMs, lo, hi } = values;
    // Below it, a difference times CELLS is a whole double.
    const isSmall = min + span < 2n ** 52n && span < 2n ** 48n;
    const [least, width] = [Number(min), Number(span)];
    for (let entry = 0; entry < values.length; entry++) {
      const cell = isSmall
        ? Math.floor(((lo[entry]! - least) * CELLS) / width)
        : Number(((exactToBigInt(lo[entry]!, hi[entry]!) - min) * BigInt(CELLS)) / span);
      this.#add(entry, this.#slot(group[entry]!, rightEdge(timeMs[entry]!, query)), Math.min(cell, CELLS - 1));
    }
  }

  #slot(group: number, timeMs: number): Slot {
    let slots = this.#groups.get(group);
    if (slots === undefined) this.#groups.set(group, (slots = new Map<number, Slot>()));
    let slot = slots.get(timeMs);
    if (slot === undefined)
      slots.set(timeMs, (slot = { counts: new Uint32Array(CELLS), best: new Uint32Array(CELLS) }));
    return slot;
  }

  #add(entry: number, { counts, best }: Slot, cell: number): void {
    counts[cell] = counts[cell]! + 1;
    if (best[cell] === 0 || isLarger(this.#values, entry, best[cell]! - 1)) best[cell] = entry + 1;
  }

  ofGroup(group: number): { count: number; slots: HeatmapSlot[] } {
    const slots = [...(this.#groups.get(group) ?? [])].toSorted(([a], [b]) => a - b);
    return {
      count: slots.reduce((sum, [, { counts }]) => sum + counts.reduce((all, one) => all + one, 0), 0),
      slots: slots.map(([timeMs, { counts, best }]) => ({ timeMs, counts, exemplars: this.#exemplars(best) })),
    };
  }

  #exemplars(best: Uint32Array): Exemplar[] {
    if (!this.#query.exemplars) return [];
    return [...best].filter((entry) => entry > 0).map((entry) => toExemplar(this.#values, entry - 1, this.#query));
  }
}

function encode(groups: SeriesTable, values: ValueTable): Uint8Array {
  if (values.length === 0) return new Uint8Array(0);
  const writer = new ByteWriter(64 + values.length * 24);
  writer.u8(VERSION);
  writeLabelLists(writer, groups.lists);
  values.write(writer);
  return writer.toBytes();
}

function decode(query: HeatmapQuery, partial: Uint8Array, groups: SeriesTable, values: ValueTable): void {
  if (partial.length === 0) return;
  const reader = new ByteReader(partial, FORMAT);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version}, want ${VERSION}`);
  const target = Uint32Array.from(readLabelLists(reader), (labels) => groups.number(labels));
  values.read(reader, target, rowRange(query));
  if (reader.left > 0) reader.fail(`${reader.left} bytes behind the end`);
}
