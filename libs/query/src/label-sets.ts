import type { DatasetTables } from '@kiln/block';
import { labelSet, type Label, type LabelSet } from '@kiln/model';
import {
  isVirtualLabel,
  matchSeries,
  matchTypes,
  seriesWithValues,
  VIRTUAL_LABELS,
  virtualLabel,
  type Selection,
} from './selection.ts';

/** A value type of a dataset with the labels that follow from it, and the series that have it in the range. */
export interface TypedSeries {
  readonly virtual: readonly Label[];
  /** Series numbers, ascending; not empty. */
  readonly series: readonly number[];
}

/** What a selection finds in a dataset, value type by value type. */
export function* findSeries(tables: DatasetTables, selection: Selection): Generator<TypedSeries> {
  const types = matchTypes(tables, selection);
  if (types.length === 0) return;
  const mask = matchSeries(tables, selection);
  for (const type of types) {
    const seen = seriesWithValues(tables, type, mask, selection);
    const series: number[] = [];
    for (let ref = 0; ref < seen.length; ref++) if (seen[ref] !== 0) series.push(ref);
    if (series.length > 0) yield { virtual: virtualLabels(tables, type), series };
  }
}

/** The labels that follow from a value type, those without a value left out, in the order of names. */
export function virtualLabels(tables: DatasetTables, type: number): Label[] {
  const labels: Label[] = [];
  for (const name of VIRTUAL_LABELS) {
    const value = virtualLabel(tables, tables.types[type]!, name);
    if (value !== '') labels.push({ name, value });
  }
  return labels;
}

/** All labels of a series of one value type. A stored label never stands for a virtual one. */
export function allLabels(stored: LabelSet, virtual: readonly Label[]): LabelSet {
  return labelSet([...stored.filter(({ name }) => !isVirtualLabel(name)), ...virtual]);
}

/** Names that clients get without `allow-utf8-labelnames=true` (contract/pyroscope.md §5.2). */
export function isPlainName(name: string): boolean {
  return /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name);
}
