import type { DatasetTables } from '@kiln/block';
import { ByteReader, ByteWriter } from '@kiln/bytes';
import { labelSetKey, type LabelSet } from '@kiln/model';
import { compareLabelLists, readLabelLists, writeLabelLists } from './label-codec.ts';
import { allLabels, findSeries, isPlainName } from './label-sets.ts';
import { refuseSeries, type QueryLimits } from './limits.ts';
import type { SeriesQuery } from './query.ts';
import { compileDiscovery } from './selection.ts';

/*
 * partial := version u8 | label lists (label-codec.ts)        No label sets are no bytes.
 */
const VERSION = 1;
const FORMAT = 'series partial';

/** The distinct label sets that a query selects, cut to the labels asked for. */
export function runSeries(query: SeriesQuery, datasets: Iterable<DatasetTables>, limits: QueryLimits = {}): Uint8Array {
  const selection = compileDiscovery(query);
  const wanted = new Set(query.labelNames);
  const isWanted = (name: string): boolean =>
    (wanted.size === 0 || wanted.has(name)) && (query.utf8 || isPlainName(name));
  const sets = new LabelSets(limits);
  for (const tables of datasets) {
    for (const { virtual, series } of findSeries(tables, selection)) {
      const wantedVirtual = virtual.filter(({ name }) => isWanted(name));
      for (const ref of series) {
        const stored = tables.series[ref]!.filter(({ name }) => isWanted(name));
        sets.add(allLabels(stored, wantedVirtual));
      }
    }
  }
  return sets.encode();
}

export function mergeSeries(partials: readonly Uint8Array[], limits: QueryLimits = {}): Uint8Array {
  const sets = new LabelSets(limits);
  for (const partial of partials) for (const labels of decode(partial)) sets.add(labels);
  return sets.encode();
}

/** In the order of their labels. */
export function finishSeries(partial: Uint8Array): LabelSet[] {
  return decode(partial).toSorted(compareLabelLists);
}

class LabelSets {
  readonly #sets = new Map<string, LabelSet>();
  readonly #limits: QueryLimits;

  constructor(limits: QueryLimits) {
    this.#limits = limits;
  }

  add(labels: LabelSet): void {
    const { maxResultSeries } = this.#limits;
    this.#sets.set(labelSetKey(labels), labels);
    if (maxResultSeries !== undefined && this.#sets.size > maxResultSeries) refuseSeries(maxResultSeries);
  }

  encode(): Uint8Array {
    if (this.#sets.size === 0) return new Uint8Array(0);
    const writer = new ByteWriter();
    writer.u8(VERSION);
    writeLabelLists(writer, [...this.#sets.values()].toSorted(compareLabelLists));
    return writer.toBytes();
  }
}

function decode(partial: Uint8Array): LabelSet[] {
  if (partial.length === 0) return [];
  const reader = new ByteReader(partial, FORMAT);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version}, want ${VERSION}`);
  const lists = readLabelLists(reader);
  if (reader.left > 0) reader.fail(`${reader.left} bytes behind the end`);
  return lists;
}
