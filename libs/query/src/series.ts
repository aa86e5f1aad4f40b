import type { DatasetTables } from '@kiln/block';
import { ByteReader, ByteWriter } from '@kiln/bytes';
import type { Label, LabelSet } from '@kiln/model';
import { compareLabelLists, readLabelLists, writeLabelLists } from './label-codec.ts';
import { allLabels, findSeries, isPlainName } from './label-sets.ts';
import type { QueryLimits } from './limits.ts';
import type { SeriesQuery } from './query.ts';
import { compileDiscovery } from './selection.ts';
import { SeriesTable } from './series-table.ts';

/*
 * partial := version u8 | label lists (label-codec.ts)        No label sets are no bytes.
 */
const VERSION = 1;
const FORMAT = 'series partial';

/** The distinct label sets that a query selects, cut to the labels asked for. */
export function runSeries(query: SeriesQuery, datasets: Iterable<DatasetTables>, limits: QueryLimits = {}): Uint8Array {
  const selection = compileDiscovery(query);
  const asked = new Set(query.labelNames);
  const isWanted = ({ name }: Label): boolean =>
    (asked.size === 0 || asked.has(name)) && (query.utf8 || isPlainName(name));
  const sets = new SeriesTable(limits);
  for (const tables of datasets) {
    for (const { virtual, series } of findSeries(tables, selection)) {
      const wantedVirtual = virtual.filter(isWanted);
      for (const ref of series) {
        const stored = tables.series[ref]!.filter(isWanted);
        sets.number(allLabels(stored, wantedVirtual));
      }
    }
  }
  return encode(sets);
}

export function mergeSeries(partials: readonly Uint8Array[], limits: QueryLimits = {}): Uint8Array {
  const sets = new SeriesTable(limits);
  for (const partial of partials) for (const labels of decode(partial)) sets.number(labels);
  return encode(sets);
}

/** In the order of their labels. */
export function finishSeries(partial: Uint8Array): LabelSet[] {
  return decode(partial).toSorted(compareLabelLists);
}

function encode({ lists }: SeriesTable): Uint8Array {
  if (lists.length === 0) return new Uint8Array(0);
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writeLabelLists(writer, lists.toSorted(compareLabelLists));
  return writer.toBytes();
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
