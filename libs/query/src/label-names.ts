import type { DatasetTables } from '@kiln/block';
import { isPlainName, findSeries } from './label-sets.ts';
import type { QueryLimits } from './limits.ts';
import type { LabelNamesQuery } from './query.ts';
import { compileDiscovery, isVirtualLabel } from './selection.ts';
import { finishTexts, mergeTexts, TextSet } from './text-set.ts';

const WHAT = 'label names';

/** The label names of the series that a query selects, those of value types among them; the partial is a set of texts. */
export function runLabelNames(
  query: LabelNamesQuery,
  datasets: Iterable<DatasetTables>,
  limits: QueryLimits = {},
): Uint8Array {
  const selection = compileDiscovery(query);
  const found = new TextSet(WHAT, limits);
  for (const tables of datasets) {
    for (const { virtual, series } of findSeries(tables, selection)) {
      for (const { name } of virtual) found.add(name);
      for (const ref of series) for (const { name } of tables.series[ref]!) if (!isVirtualLabel(name)) found.add(name);
    }
  }
  return found.encode();
}

export function mergeLabelNames(partials: readonly Uint8Array[], limits: QueryLimits = {}): Uint8Array {
  return mergeTexts(WHAT, partials, limits);
}

/** Sorted. */
export function finishLabelNames(query: LabelNamesQuery, partial: Uint8Array): string[] {
  const names = finishTexts(WHAT, partial);
  return query.utf8 ? names : names.filter(isPlainName);
}
