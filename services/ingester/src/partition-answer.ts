import { partsAbove, type CommittedPart, type Gap } from '@kiln/catalog';
import type { LogId, TenantId } from '@kiln/model';
import { rowRange, runQuery, type Query, type QueryLimits } from '@kiln/query';
import { gapsAbove } from './segment.ts';
import type { PartitionState } from './partition-state.ts';

/** What an owner knows of a log above `from`: `refs` cover (from, E], `partial` covers the head's rows in (max(from, E), H]; disjoint by offset. */
export interface PartitionAnswer {
  readonly logId: LogId;
  readonly partition: number;
  readonly refs: readonly CommittedPart[];
  /** A partial of @kiln/query; no bytes for no rows. */
  readonly partial: Uint8Array;
  /** Offsets in (from, H] that were lost or could not be decoded. */
  readonly gaps: readonly Gap[];
  readonly E: number;
  readonly H: number;
}

/** What an owner is asked. */
export interface Question {
  readonly tenant: TenantId;
  readonly query: Query;
  /** max(W, T) as the reader knows them. */
  readonly from: number;
  /** The log's end after the query came: the answer holds everything up to here, or there is none. */
  readonly upTo: number;
  readonly limits?: QueryLimits;
}

/** ANSWER, step 3, in one go: nothing may change between the parts. */
export function answerFrom(state: PartitionState, { tenant, query, from, limits = {} }: Question): PartitionAnswer {
  const { chain, consumed, committed } = state;
  const { startMs, endMs } = rowRange(query);
  const manifests = chain!.manifests.filter(({ end }) => end > from);
  const after = Math.max(from, committed);
  return {
    logId: chain!.log,
    partition: chain!.partition,
    refs: partsAbove(manifests, tenant, from).filter(({ minMs, maxMs }) => minMs <= endMs && maxMs >= startMs),
    partial: runQuery(query, state.tables(tenant, after), limits),
    gaps: [...manifests.flatMap(({ gaps }) => gapsAbove(gaps, from)), ...gapsAbove(state.gaps(after), after)],
    E: committed,
    H: consumed,
  };
}
