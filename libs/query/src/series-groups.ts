import type { DatasetTables } from '@kiln/block';
import { labelValue, type Label } from '@kiln/model';
import { allLabels, virtualLabels } from './label-sets.ts';
import { NO_GROUP, UNKNOWN_GROUP } from './point-table.ts';
import { isVirtualLabel } from './selection.ts';
import type { SeriesTable } from './series-table.ts';

/** The groups of a dataset's series, found when a row asks for them, so that only groups with rows exist. */
export class SeriesGroups {
  /** By series: a group, NO_GROUP, or UNKNOWN_GROUP so far. */
  readonly groupOf: Int32Array;
  readonly #tables: DatasetTables;
  readonly #virtual: readonly Label[];
  readonly #names: ReadonlySet<string>;
  readonly #groups: SeriesTable;

  /** @param mask a byte per series, 0 where it is not wanted; undefined = all are. */
  constructor(
    tables: DatasetTables,
    type: number,
    mask: Uint8Array | undefined,
    groupBy: readonly string[],
    groups: SeriesTable,
  ) {
    this.#tables = tables;
    this.#virtual = virtualLabels(tables, type);
    this.#names = new Set(groupBy);
    this.#groups = groups;
    this.groupOf = new Int32Array(tables.series.length).fill(UNKNOWN_GROUP);
    if (mask !== undefined)
      for (let ref = 0; ref < mask.length; ref++) if (mask[ref] === 0) this.groupOf[ref] = NO_GROUP;
  }

  /** The group of a wanted series. */
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

  /** The labels of a series that its group does not tell. */
  otherLabels(ref: number): Label[] {
    return allLabels(this.#tables.series[ref]!, this.#virtual).filter(({ name }) => !this.#names.has(name));
  }
}
