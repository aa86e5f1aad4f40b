import { SymbolRemap, SymbolTable, type DatasetTables } from '@kiln/block';
import { ByteReader, ByteWriter } from '@kiln/bytes';
import { ExactSums, type Symbols } from '@kiln/model';
import type { QueryLimits } from './limits.ts';
import { finishPprof, mergePprof, PprofMerge, type PprofResult } from './pprof.ts';
import { pprofQueries, type PprofTypesQuery } from './query.ts';
import type { RunStats } from './run-stats.ts';

/*
 * partial := version u8 | per type of the query: length varint | its partial (pprof.ts)        No stacktraces of any type are no bytes.
 */
const VERSION = 1;
const FORMAT = 'pprof types partial';

/** The stacktraces of every type that a query selects of some datasets: of each dataset, all types before the next one. */
export function runPprofTypes(
  query: PprofTypesQuery,
  datasets: Iterable<DatasetTables>,
  limits: QueryLimits = {},
  stats?: RunStats,
): Uint8Array {
  const merges = pprofQueries(query).map((one) => new PprofMerge(one, limits, stats));
  for (const tables of datasets) for (const merge of merges) merge.add(tables);
  return encode(merges.map((merge) => merge.toPartial()));
}

export function mergePprofTypes(
  query: PprofTypesQuery,
  partials: readonly Uint8Array[],
  limits: QueryLimits = {},
): Uint8Array {
  const full = partials.filter((partial) => partial.length > 0);
  if (full.length <= 1) return full[0] ?? new Uint8Array(0);
  const decoded = full.map((partial) => decode(partial, query));
  const ofType = (type: number): Uint8Array[] => decoded.map((partial) => partial[type]!);
  return encode(query.profileTypes.map((_, type) => mergePprof(ofType(type), limits)));
}

/** @throws KilnError and CorruptDataError as `finishPprof`. */
export function finishPprofTypes(query: PprofTypesQuery, partial: Uint8Array): PprofResult[] {
  const partials = decode(partial, query);
  return pprofQueries(query).map((one, type) => finishPprof(one, partials[type]!));
}

function encode(partials: readonly Uint8Array[]): Uint8Array {
  if (partials.every(({ length }) => length === 0)) return new Uint8Array(0);
  const writer = new ByteWriter(partials.reduce((sum, { length }) => sum + length + 10, 1));
  writer.u8(VERSION);
  for (const partial of partials) {
    writer.varint(partial.length);
    writer.bytes(partial);
  }
  return writer.toBytes();
}

/** A partial of each type. */
function decode(partial: Uint8Array, { profileTypes }: PprofTypesQuery): Uint8Array[] {
  if (partial.length === 0) return profileTypes.map(() => partial);
  const reader = new ByteReader(partial, FORMAT);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version}, want ${VERSION}`);
  const partials = profileTypes.map(() => reader.take(reader.count()));
  if (reader.left > 0) reader.fail(`${reader.left} bytes behind the end`);
  return partials;
}

/** Several value types over one table of symbols: row i of its stacks has value i of each. */
export interface PprofTypes {
  readonly symbols: Symbols;
  /** In the order of the results. */
  readonly values: readonly ExactSums[];
}

/** Results of several value types as one, equal stacktraces as one. Hot: once per stack of each. */
export function joinPprofTypes(results: readonly PprofResult[]): PprofTypes {
  const table = new SymbolTable();
  const most = results.reduce((sum, { symbols }) => sum + symbols.stacks.length, 0);
  const columns = results.map(({ symbols, values: { lo, hi } }) => {
    const remap = new SymbolRemap(symbols, table);
    const sums = new ExactSums(most);
    for (let stack = 0; stack < symbols.stacks.length; stack++) {
      const high = hi === undefined ? 0 : hi[stack]!;
      if (lo[stack] !== 0 || high !== 0) sums.add(remap.stack(stack), lo[stack]!, high);
    }
    return sums;
  });
  return { symbols: table.symbols(), values: columns };
}
