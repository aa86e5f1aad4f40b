import { mergePage, type DatasetTables, type Page } from '@kiln/block';
import { ExactSums } from '@kiln/model';
import { keepCallSite } from './call-site.ts';
import { coverRange, isCovered, NO_COVER, type BucketPages, type Cover } from './roll-ups.ts';
import type { RunStats } from './run-stats.ts';
import { matchRows, matchSeries, matchTypes, type Selection } from './selection.ts';
import { sumSpans } from './span-sums.ts';
import type { StackValues } from './symbol-codec.ts';

/** Where the sums of a selection come from in one dataset: every wanted row once, in a bucket or by itself. */
export interface StackPlan<P extends Page> {
  /** Numbers of the value types. */
  readonly types: readonly number[];
  readonly buckets: readonly BucketPages[];
  /** Pages that have wanted rows. */
  readonly pages: readonly P[];
  /** A byte per row, not 0 where it is wanted; undefined when all are. */
  readonly wanted: Uint8Array | undefined;
}

/** Whether roll-ups hold all that a selection wants of a dataset: none of its rows is read. */
export function isRolledUp(tables: DatasetTables, selection: Selection): boolean {
  return isCovered(coverOf(tables, selection, matchSeries(tables, selection)), selection);
}

/** Whether the finer roll-ups of a dataset are read, those of an hour and more being at hand. */
export function needsFineRollups(tables: DatasetTables, selection: Selection): boolean {
  const mask = matchSeries(tables, selection);
  return asksForAll(selection, mask) && !isCovered(coarseCover(tables, selection), selection);
}

/** A roll-up sums all series, profiles and spans: it answers for nothing less. */
function asksForAll({ samples }: Selection, mask: Uint8Array | undefined): boolean {
  return mask === undefined && samples.profiles === undefined && samples.byId === undefined;
}

function coverOf(tables: DatasetTables, selection: Selection, mask: Uint8Array | undefined): Cover {
  if (!asksForAll(selection, mask)) return NO_COVER;
  const cover = coarseCover(tables, selection);
  if (isCovered(cover, selection)) return cover;
  const { rollups = [], fineRollups = [] } = tables;
  return coverRange({ rollups: [...rollups, ...fineRollups], minMs: tables.minMs, maxMs: tables.maxMs }, selection);
}

function coarseCover({ rollups, minMs, maxMs }: DatasetTables, selection: Selection): Cover {
  return coverRange({ rollups, minMs, maxMs }, selection);
}

/** What `sumByStack` reads; undefined when the selection wants nothing of the dataset. No sample page's bytes are asked for. */
export function planStacks<T extends DatasetTables>(
  tables: T,
  selection: Selection,
): StackPlan<T['pages'][number]> | undefined {
  const types = matchTypes(tables, selection);
  if (types.length === 0) return undefined;
  const mask = matchSeries(tables, selection);
  const cover = coverOf(tables, selection, mask);
  const { buckets } = cover;
  const wanted = matchRows(tables, selection, mask, cover);
  if (wanted === 'none') return buckets.length === 0 ? undefined : { types, buckets, pages: [], wanted: undefined };
  const pages = tables.pages.filter(({ firstRow, rows }) => wanted === undefined || anyWanted(wanted, firstRow, rows));
  return { types, buckets, pages, wanted };
}

/** Exact sums by stack row over the rows, value types and samples that a selection wants; undefined when it wants none of them. */
export function sumByStack(tables: DatasetTables, selection: Selection, stats?: RunStats): ExactSums | undefined {
  const { samples } = selection;
  const sums =
    samples.byId === undefined ? sumPages(tables, selection, stats) : sumSpans(tables, selection, samples.byId);
  if (sums !== undefined) keepCallSite(tables.symbols, samples.callSite, sums);
  return sums;
}

function sumPages(tables: DatasetTables, selection: Selection, stats?: RunStats): ExactSums | undefined {
  const plan = planStacks(tables, selection);
  if (plan === undefined) return undefined;
  const sums = new ExactSums(tables.symbols.stacks.length);
  for (const type of plan.types) {
    for (const page of plan.pages) mergePage(page, type, plan.wanted, sums);
    for (const { pages, wanted } of plan.buckets)
      for (const page of pages) if (anyWanted(wanted, page.firstRow, page.rows)) mergePage(page, type, wanted, sums);
  }
  if (stats !== undefined) count(stats, plan);
  return sums;
}

/**
 * The sums of some datasets, those that have any. All are read before the first is given, so that whoever adds them up adds all of them, or nothing
 * when one is damaged.
 */
export function sumAllByStack(
  datasets: Iterable<DatasetTables>,
  selection: Selection,
  stats?: RunStats,
): StackValues[] {
  const read: StackValues[] = [];
  for (const tables of datasets) {
    const values = sumByStack(tables, selection, stats);
    if (values !== undefined) read.push({ symbols: tables.symbols, values });
  }
  return read;
}

function count(stats: RunStats, { pages, buckets }: StackPlan<Page>): void {
  stats.pages += pages.length;
  for (const { wanted, lengthMs } of buckets) {
    for (let bucket = 0; bucket < wanted.length; bucket++) stats.buckets += wanted[bucket]!;
    stats.resolutionMs = Math.max(stats.resolutionMs, lengthMs);
  }
}

function anyWanted(wanted: Uint8Array, firstRow: number, rows: number): boolean {
  return wanted.subarray(firstRow, firstRow + rows).includes(1);
}
