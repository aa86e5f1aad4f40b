import type { DatasetTables } from '@kiln/block';
import { labelValue } from '@kiln/model';
import { findSeries } from './label-sets.ts';
import type { QueryLimits } from './limits.ts';
import type { LabelValuesQuery } from './query.ts';
import { compileDiscovery, isVirtualLabel } from './selection.ts';
import { finishTexts, mergeTexts, TextSet } from './text-set.ts';

const WHAT = 'label values';

/** The values of one label in the series that a query selects; the partial is a set of texts. */
export function runLabelValues(
  query: LabelValuesQuery,
  datasets: Iterable<DatasetTables>,
  limits: QueryLimits = {},
): Uint8Array {
  const selection = compileDiscovery(query);
  const found = new TextSet(WHAT, limits);
  const add = (value: string): void => {
    if (value !== '') found.add(value);
  };
  for (const tables of datasets) {
    for (const { virtual, series } of findSeries(tables, selection)) {
      if (isVirtualLabel(query.name)) add(labelValue(virtual, query.name));
      else for (const ref of series) add(labelValue(tables.series[ref]!, query.name));
    }
  }
  return found.encode();
}

export function mergeLabelValues(partials: readonly Uint8Array[], limits: QueryLimits = {}): Uint8Array {
  return mergeTexts(WHAT, partials, limits);
}

/** Sorted. */
export function finishLabelValues(partial: Uint8Array): string[] {
  return finishTexts(WHAT, partial);
}
