import type { DatasetTables } from '@kiln/block';
import type { Query } from './query.ts';
import type { RunStats } from './run-stats.ts';

/** A piece that an answer may lack, and why. */
export type AnswerGap = LogGap | ObjectGap;

/** Offsets (after, upTo] of a log. */
export interface LogGap {
  readonly log: string;
  readonly after: number;
  readonly upTo: number;
  readonly reason: string;
}

/** Of an object what its reason says: all, a tenant's part, or one dataset. */
export interface ObjectGap {
  readonly object: string;
  readonly reason: string;
}

/** The partial of one query as it grows by disjoint rows. What is read in one thread is added and finished in place; bytes are for borders between threads. */
export interface QueryMerge {
  /**
   * Adds what the query selects of datasets of one tenant: all of it, or, when it throws CorruptDataError, nothing.
   * @param part of an object that they are of, where it is added in several pieces: it counts as one source.
   */
  addDatasets(datasets: Iterable<DatasetTables>, part?: object): void;
  /** @throws CorruptDataError for a damaged partial: the merge is then of no use. */
  addPartial(partial: Uint8Array): void;
  /** As `runQuery` and `mergePartials` give it. */
  toPartial(): Uint8Array;
  /** As `finishQuery` makes it of `toPartial()`. @param query the one that was merged, or another that differs in its range alone. */
  finish(query: Query): unknown;
}

/** A partial where it grew, or as bytes. */
export type Merged = Uint8Array | QueryMerge;

/** A partial for another thread, or to be merged with others. */
export function partialBytes(merged: Merged): Uint8Array {
  return merged instanceof Uint8Array ? merged : merged.toPartial();
}

/** The merged partial of a query, not yet truncated, and what may be missing from it. */
export interface Answer {
  readonly partial: Merged;
  /** Empty when the answer is whole. */
  readonly gaps: readonly AnswerGap[];
  readonly stats: AnswerStats;
}

/** What an answer took, also plans that had to be dropped. What heads hold is not counted: their owners answer with a partial. */
export interface AnswerStats extends Readonly<RunStats> {
  /** Parts of objects that were read. */
  readonly objects: number;
  /** Ranged reads of the store. */
  readonly requests: number;
  /** That those reads gave. */
  readonly bytes: number;
  /** Of the parts that were read, wanted or not. */
  readonly rows: number;
  readonly plans: number;
  /** Plans, reads and merges, ms. */
  readonly totalMs: number;
}
