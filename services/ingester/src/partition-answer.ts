import { partsAbove, type OwnerAnswer } from '@kiln/catalog';
import type { TenantId } from '@kiln/model';
import { rowRange, runQuery, type Query, type QueryLimits } from '@kiln/query';
import { gapsAbove } from './segment.ts';
import type { PartitionState } from './partition-state.ts';

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
export function answerFrom(state: PartitionState, { tenant, query, from, limits = {} }: Question): OwnerAnswer {
  const { chain, consumed, committed } = state;
  const { startMs, endMs } = rowRange(query);
  const manifests = chain!.manifests.filter(({ end }) => end > from);
  const after = Math.max(from, committed);
  return {
    logId: chain!.log,
    refs: partsAbove(manifests, tenant, from).filter(({ minMs, maxMs }) => minMs <= endMs && maxMs >= startMs),
    partial: runQuery(query, state.tables(tenant, after), limits),
    gaps: [...manifests.flatMap(({ gaps }) => gapsAbove(gaps, from)), ...gapsAbove(state.gaps(after), after)],
    E: committed,
    H: consumed,
  };
}
