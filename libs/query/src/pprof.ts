import type { DatasetTables } from '@kiln/block';
import { ByteReader, ByteWriter } from '@kiln/bytes';
import { ExactSums, parseProfileTypeId, type ProfileType } from '@kiln/model';
import { cutStacks } from './cut-stacks.ts';
import { refuseAboveInt64 } from './int64.ts';
import { goPgo } from './go-pgo.ts';
import type { QueryLimits } from './limits.ts';
import { MergedStacks } from './merged-stacks.ts';
import type { PprofQuery } from './query.ts';
import type { RunStats } from './run-stats.ts';
import { compileProfileSelection, type Selection } from './selection.ts';
import { sumByStack } from './stack-sums.ts';
import { readSymbols, writeSymbols, type StackValues } from './symbol-codec.ts';

/** Merged stacktraces, for an encoder of pprof. */
export interface PprofResult extends StackValues {
  readonly type: ProfileType;
}

/*
 * partial := version u8 | symbols (symbol-codec.ts)        No stacktraces are no bytes.
 */
const VERSION = 1;
const FORMAT = 'pprof partial';

/** The stacktraces that a query selects of some datasets, with the symbols that they use. */
export function runPprof(
  query: PprofQuery,
  datasets: Iterable<DatasetTables>,
  limits: QueryLimits = {},
  stats?: RunStats,
): Uint8Array {
  const merge = new PprofMerge(query, limits, stats);
  for (const tables of datasets) merge.add(tables);
  return merge.toPartial();
}

/** The stacktraces of a query as datasets are added. */
export class PprofMerge {
  readonly #selection: Selection;
  readonly #merged: MergedStacks;
  readonly #stats: RunStats | undefined;

  constructor(query: PprofQuery, limits: QueryLimits, stats: RunStats | undefined) {
    this.#selection = compileProfileSelection(query, query);
    this.#merged = new MergedStacks(limits);
    this.#stats = stats;
  }

  add(tables: DatasetTables): void {
    const sums = sumByStack(tables, this.#selection, this.#stats);
    if (sums !== undefined) this.#merged.add({ symbols: tables.symbols, values: sums });
  }

  toPartial(): Uint8Array {
    return encode(this.#merged.build());
  }
}

export function mergePprof(partials: readonly Uint8Array[], limits: QueryLimits = {}): Uint8Array {
  const full = partials.filter((partial) => partial.length > 0);
  if (full.length <= 1) return full[0] ?? new Uint8Array(0);
  const merged = new MergedStacks(limits);
  for (const partial of full) merged.add(decode(partial));
  return encode(merged.build());
}

/** Reduces it for PGO, then truncates, once. @throws KilnError `out_of_range` when the sum is above int64, CorruptDataError for a damaged partial. */
export function finishPprof(query: PprofQuery, partial: Uint8Array): PprofResult {
  const merged = partial.length === 0 ? new MergedStacks().build() : decode(partial);
  const sum = new ExactSums(1);
  const { lo, hi } = merged.values;
  for (let stack = 0; stack < merged.symbols.stacks.length; stack++) sum.add(0, lo[stack]!, hi?.[stack] ?? 0);
  refuseAboveInt64(sum.lo[0]!, sum.hi[0]!, query);
  const reduced = query.goPgo === undefined ? merged : goPgo(merged, query.goPgo);
  return { type: parseProfileTypeId(query.profileType), ...cutStacks(reduced, query.maxNodes) };
}

function encode(stacks: StackValues): Uint8Array {
  if (stacks.symbols.stacks.length === 0) return new Uint8Array(0);
  const writer = new ByteWriter(1024);
  writer.u8(VERSION);
  writeSymbols(writer, stacks);
  return writer.toBytes();
}

function decode(partial: Uint8Array): StackValues {
  const reader = new ByteReader(partial, FORMAT);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version}, want ${VERSION}`);
  const decoded = readSymbols(reader);
  if (reader.left > 0) reader.fail(`${reader.left} bytes behind the end`);
  return decoded;
}
