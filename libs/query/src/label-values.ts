import type { DatasetTables } from '@kiln/block';
import { labelValue } from '@kiln/model';
import { findSeries } from './label-sets.ts';
import type { QueryLimits } from './limits.ts';
import type { LabelValuesQuery } from './query.ts';
import { compileDiscovery, isVirtualLabel } from './selection.ts';
import { encodeTexts, finishTexts, mergeTexts } from './text-set.ts';

const FORMAT = 'label values partial';

/** The values of one label in the series that a query selects; the partial is a set of texts. */
export function runLabelValues(
  query: LabelValuesQuery,
  datasets: Iterable<DatasetTables>,
  limits: QueryLimits = {},
): Uint8Array {
  const selection = compileDiscovery(query);
  const found = new Set<string>();
  for (const tables of datasets) {
    for (const { virtual, series } of findSeries(tables, selection)) {
      if (isVirtualLabel(query.name)) found.add(labelValue(virtual, query.name));
      else for (const ref of series) found.add(labelValue(tables.series[ref]!, query.name));
    }
  }
  found.delete('');
  return encodeTexts(found, limits);
}

export function mergeLabelValues(partials: readonly Uint8Array[], limits: QueryLimits = {}): Uint8Array {
  return mergeTexts(partials, FORMAT, limits);
}

/** Sorted. */
export function finishLabelValues(partial: Uint8Array): string[] {
  return finishTexts(partial, FORMAT);
}
