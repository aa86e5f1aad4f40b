import type { Gap, TenantPart } from '@kiln/catalog';
import type { LogId, TenantId } from '@kiln/model';
import { rowRange, runQuery, type Query, type QueryLimits } from '@kiln/query';
import { gapsAbove } from './segment.ts';
import type { PartitionState } from './partition-state.ts';

/** One tenant's part of a segment that is not in its index yet. */
export interface SegmentRef {
  readonly object: string;
  readonly off: number;
  readonly len: number;
  readonly rows: number;
  /** Both inclusive. */
  readonly minMs: number;
  readonly maxMs: number;
}

/** What an owner knows of a log above `from`: `refs` cover (from, E], `partial` covers the head's rows in (max(from, E), H]; disjoint by offset. */
export interface PartitionAnswer {
  readonly logId: LogId;
  readonly partition: number;
  readonly refs: readonly SegmentRef[];
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
  readonly limits: QueryLimits;
}

/** ANSWER, step 3, in one go: nothing may change between the parts. */
export function answerFrom(state: PartitionState, { tenant, query, from, limits }: Question): PartitionAnswer {
  const { chain, consumed, committed } = state;
  const { startMs, endMs } = rowRange(query);
  const refs: SegmentRef[] = [];
  const gaps: Gap[] = [];
  for (const manifest of chain?.manifests ?? []) {
    if (manifest.end <= from) continue;
    gaps.push(...gapsAbove(manifest.gaps, from));
    const part = partOf(manifest.tenants, tenant);
    if (manifest.object === undefined || part === undefined || part.maxMs < startMs || part.minMs > endMs) continue;
    const { off, len, rows, minMs, maxMs } = part;
    refs.push({ object: manifest.object, off, len, rows, minMs, maxMs });
  }
  const after = Math.max(from, committed);
  return {
    logId: chain!.log,
    partition: chain!.partition,
    refs,
    partial: runQuery(query, state.tables(tenant, after), limits),
    gaps: [...gaps, ...gapsAbove(state.gaps(after), after)],
    E: committed,
    H: consumed,
  };
}

/** Parts are sorted by tenant, each once. */
function partOf(parts: readonly TenantPart[], tenant: TenantId): TenantPart | undefined {
  let low = 0;
  let high = parts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (parts[middle]!.tenant < tenant) low = middle + 1;
    else high = middle;
  }
  return parts[low]?.tenant === tenant ? parts[low] : undefined;
}
