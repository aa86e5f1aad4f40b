import type { DatasetTables } from '@kiln/block';
import { ByteReader, ByteWriter } from '@kiln/bytes';
import type { QueryMerge } from './answer.ts';
import { findSeries } from './label-sets.ts';
import { readLabelLists, writeLabelLists } from './label-codec.ts';
import type { QueryLimits } from './limits.ts';
import type { AnalyzeQuery } from './query.ts';
import { compileDiscovery, matchRows, matchSeries, matchTypes } from './selection.ts';
import { SeriesTable } from './series-table.ts';

/** What a query of that selection has to look at, in heads or in stored objects. */
export interface AnalyzedScope {
  /** Heads, or parts of objects, that have some of it. */
  readonly sources: number;
  /** Of each source by itself. */
  readonly series: number;
  readonly rows: number;
  /** The rest is of the datasets that hold them, as they are stored; 0 for heads. */
  readonly samples: number;
  readonly indexBytes: number;
  readonly sampleBytes: number;
  readonly symbolBytes: number;
}

export interface Analysis {
  readonly heads: AnalyzedScope;
  readonly objects: AnalyzedScope;
  /** Distinct label sets of both. */
  readonly series: number;
}

/*
 * partial := version u8 | label lists | 2 * scope: heads, objects        scope := seven varints in the order of COUNTS
 * Nothing found is no bytes.
 */
const VERSION = 1;
const FORMAT = 'analyze partial';
const COUNTS = ['sources', 'series', 'rows', 'samples', 'indexBytes', 'sampleBytes', 'symbolBytes'] as const;

type Scope = { -readonly [K in keyof AnalyzedScope]: number };

/** @param datasets of one head, or of one part or a piece of it. No sample is read. */
export function runAnalyze(
  query: AnalyzeQuery,
  datasets: Iterable<DatasetTables>,
  limits: QueryLimits = {},
): Uint8Array {
  const selection = compileDiscovery(query);
  const sets = new SeriesTable(limits);
  const scopes = { heads: emptyScope(), objects: emptyScope() };
  for (const tables of datasets) {
    const wanted =
      matchTypes(tables, selection).length === 0
        ? 'none'
        : matchRows(tables, selection, matchSeries(tables, selection));
    if (wanted === 'none') continue;
    const scope = tables.stored === undefined ? scopes.heads : scopes.objects;
    const refs = new Set([...findSeries(tables, selection)].flatMap(({ series }) => series));
    for (const ref of refs) sets.number(tables.series[ref]!);
    scope.sources = 1;
    scope.series += refs.size;
    scope.rows += wanted === undefined ? tables.rows.length : wanted.reduce((sum, one) => sum + one, 0);
    scope.samples += tables.stored?.samples ?? 0;
    scope.indexBytes += tables.stored?.indexBytes ?? 0;
    scope.sampleBytes += tables.stored?.sampleBytes ?? 0;
    scope.symbolBytes += tables.stored?.symbolBytes ?? 0;
  }
  return encode(sets, scopes);
}

export function mergeAnalyze(partials: readonly Uint8Array[], limits: QueryLimits = {}): Uint8Array {
  const sets = new SeriesTable(limits);
  const scopes = { heads: emptyScope(), objects: emptyScope() };
  for (const partial of partials) decode(partial, sets, scopes);
  return encode(sets, scopes);
}

/** One analysis of datasets and partials. */
export class AnalyzeMerge implements QueryMerge {
  readonly #query: AnalyzeQuery;
  readonly #limits: QueryLimits;
  readonly #sets: SeriesTable;
  readonly #scopes = { heads: emptyScope(), objects: emptyScope() };
  /** Parts that are counted: more pieces of them are no more sources. */
  readonly #parts = new Set<object>();

  constructor(query: AnalyzeQuery, limits: QueryLimits = {}) {
    this.#query = query;
    this.#limits = limits;
    this.#sets = new SeriesTable(limits);
  }

  addDatasets(datasets: Iterable<DatasetTables>, part?: object): void {
    const partial = runAnalyze(this.#query, datasets, this.#limits);
    if (partial.length === 0) return;
    this.addPartial(partial);
    if (part === undefined) return;
    if (this.#parts.has(part)) this.#scopes.objects.sources--;
    this.#parts.add(part);
  }

  addPartial(partial: Uint8Array): void {
    decode(partial, this.#sets, this.#scopes);
  }

  toPartial(): Uint8Array {
    return encode(this.#sets, this.#scopes);
  }

  finish(): Analysis {
    return finishAnalyze(this.toPartial());
  }
}

/** @throws CorruptDataError for a damaged partial. */
export function finishAnalyze(partial: Uint8Array): Analysis {
  const sets = new SeriesTable({});
  const scopes = { heads: emptyScope(), objects: emptyScope() };
  decode(partial, sets, scopes);
  return { ...scopes, series: sets.lists.length };
}

function emptyScope(): Scope {
  return { sources: 0, series: 0, rows: 0, samples: 0, indexBytes: 0, sampleBytes: 0, symbolBytes: 0 };
}

function encode(sets: SeriesTable, { heads, objects }: { heads: Scope; objects: Scope }): Uint8Array {
  if (heads.sources + objects.sources === 0) return new Uint8Array(0);
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writeLabelLists(writer, sets.lists);
  for (const scope of [heads, objects]) for (const count of COUNTS) writer.varint(scope[count]);
  return writer.toBytes();
}

function decode(partial: Uint8Array, sets: SeriesTable, { heads, objects }: { heads: Scope; objects: Scope }): void {
  if (partial.length === 0) return;
  const reader = new ByteReader(partial, FORMAT);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version}, want ${VERSION}`);
  for (const labels of readLabelLists(reader)) sets.number(labels);
  for (const scope of [heads, objects])
    for (const count of COUNTS) {
      scope[count] += reader.varint();
      if (!Number.isSafeInteger(scope[count])) reader.fail(`${scope[count]} ${count}`);
    }
  if (reader.left > 0) reader.fail(`${reader.left} bytes behind the end`);
}
