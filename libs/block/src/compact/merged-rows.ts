import { labelSetKey, type LabelSet } from '@kiln/model';
import { hourOf } from '../row-order.ts';
import type { DatasetTables } from '../tables.ts';

/** The rows of one window of time: entries from .. to of `MergedRows.order`. */
export interface RowWindow {
  readonly startMs: number;
  readonly from: number;
  readonly to: number;
}

/**
 * The rows of several datasets of one key, without their samples: numbered source by source, sorted by (window, hour, series, time, id,
 * totals), copies dropped.
 *
 * What is a copy: a profile's id says which content it has, and a profile is split by labels into series, so (series, time, id) names one row. Two
 * rows of that name with the same totals are one row that was written twice, and one counts. With other totals they are not the same content: the
 * eight bytes of the id met by chance, or two versions of the normaliser read one push differently. Then nobody can tell which of the two is wrong.
 * Both are kept, so that nothing that was acknowledged disappears and an answer does not change by a merge, and they are counted as conflicts, so
 * that somebody hears of them.
 */
export class MergedRows {
  /** Distinct series of all sources, sorted. */
  readonly series: LabelSet[];
  /** Rows that are kept, sorted. */
  readonly order: Uint32Array;
  readonly windows: readonly RowWindow[];
  readonly copies: number;
  readonly conflicts: number;
  /** By row: the source, and columns that are compared. */
  readonly sourceOf: Uint32Array;
  readonly seriesOf: Uint32Array;
  readonly timeMs: Float64Array;
  readonly #sources: readonly DatasetTables[];
  readonly #columns: readonly (readonly number[])[];
  readonly #firsts: number[] = [];
  readonly #id: Uint32Array;
  readonly #kept: Uint8Array;

  /** @param columns by source: for each value type of the merged dataset, its number in the source. */
  constructor(
    sources: readonly DatasetTables[],
    columns: readonly (readonly number[])[],
    windowOf: (timeMs: number) => number,
  ) {
    this.#sources = sources;
    this.#columns = columns;
    const length = sources.reduce((sum, { rows }) => sum + rows.length, 0);
    const numbered = numberSeries(sources);
    this.series = numbered.sets;
    this.sourceOf = new Uint32Array(length);
    this.seriesOf = new Uint32Array(length);
    this.timeMs = new Float64Array(length);
    this.#id = new Uint32Array(length * 2);
    const window = new Float64Array(length);
    const hour = new Float64Array(length);
    let at = 0;
    for (const [s, { rows }] of sources.entries()) {
      this.#firsts.push(at);
      const ids = new DataView(rows.id.buffer, rows.id.byteOffset, rows.length * 8);
      const numbers = numbered.numbers[s]!;
      for (let row = 0; row < rows.length; row++, at++) {
        this.sourceOf[at] = s;
        this.seriesOf[at] = numbers[rows.series[row]!]!;
        this.timeMs[at] = rows.timeMs[row]!;
        this.#id[at * 2] = ids.getUint32(row * 8);
        this.#id[at * 2 + 1] = ids.getUint32(row * 8 + 4);
        window[at] = windowOf(rows.timeMs[row]!);
        hour[at] = hourOf(rows.timeMs[row]!);
      }
    }
    const sorted = Uint32Array.from({ length }, (_, row) => row);
    sorted.sort(
      (a, b) =>
        window[a]! - window[b]! ||
        hour[a]! - hour[b]! ||
        this.#compareNames(a, b) ||
        this.#compareTotals(a, b) ||
        a - b,
    );
    let kept = 0;
    let conflicts = 0;
    this.#kept = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      const row = sorted[i]!;
      const named = kept > 0 && this.#compareNames(sorted[kept - 1]!, row) === 0;
      if (named && this.#compareTotals(sorted[kept - 1]!, row) === 0) continue;
      if (named) conflicts++;
      this.#kept[row] = 1;
      sorted[kept++] = row;
    }
    this.order = sorted.subarray(0, kept);
    this.copies = length - kept;
    this.conflicts = conflicts;
    this.windows = windowsOf(this.order, window);
  }

  /** Rows that are kept. */
  get length(): number {
    return this.order.length;
  }

  /** The number of a source's first row. */
  first(source: number): number {
    return this.#firsts[source]!;
  }

  columns(source: number): readonly number[] {
    return this.#columns[source]!;
  }

  isKept(row: number): boolean {
    return this.#kept[row] !== 0;
  }

  /** Rows of equal series and time lie in one window and hour. */
  #compareNames(a: number, b: number): number {
    const id = this.#id;
    return (
      this.seriesOf[a]! - this.seriesOf[b]! ||
      this.timeMs[a]! - this.timeMs[b]! ||
      id[a * 2]! - id[b * 2]! ||
      id[a * 2 + 1]! - id[b * 2 + 1]!
    );
  }

  #compareTotals(a: number, b: number): number {
    const [s, t] = [this.sourceOf[a]!, this.sourceOf[b]!];
    const [own, other] = [this.#columns[s]!, this.#columns[t]!];
    const [rowA, rowB] = [a - this.#firsts[s]!, b - this.#firsts[t]!];
    for (let type = 0; type < own.length; type++) {
      const x = this.#sources[s]!.rows.totals[own[type]!]!;
      const y = this.#sources[t]!.rows.totals[other[type]!]!;
      const order = (x.hi?.[rowA] ?? 0) - (y.hi?.[rowB] ?? 0) || x.lo[rowA]! - y.lo[rowB]!;
      if (order !== 0) return order;
    }
    return 0;
  }
}

/** Distinct label sets, sorted, and the number of each source's. Identity is the labels. */
function numberSeries(sources: readonly DatasetTables[]): { sets: LabelSet[]; numbers: Uint32Array[] } {
  const known = new Map<string, LabelSet>();
  const keys = sources.map(({ series }) =>
    series.map((labels) => {
      const key = labelSetKey(labels);
      if (!known.has(key)) known.set(key, labels);
      return key;
    }),
  );
  const sorted = [...known].toSorted(([, a], [, b]) => compareLabels(a, b));
  const numbers = new Map(sorted.map(([key], number) => [key, number]));
  return {
    sets: sorted.map(([, labels]) => labels),
    numbers: keys.map((own) => Uint32Array.from(own, (key) => numbers.get(key)!)),
  };
}

/** By name and value, label by label. */
function compareLabels(a: LabelSet, b: LabelSet): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    if (x.name !== y.name) return x.name < y.name ? -1 : 1;
    if (x.value !== y.value) return x.value < y.value ? -1 : 1;
  }
  return a.length - b.length;
}

function windowsOf(order: Uint32Array, window: Float64Array): RowWindow[] {
  const windows: RowWindow[] = [];
  let from = 0;
  for (let to = 1; to <= order.length; to++) {
    const startMs = window[order[from]!]!;
    if (to < order.length && window[order[to]!] === startMs) continue;
    windows.push({ startMs, from, to });
    from = to;
  }
  return windows;
}
