import type { CommittedPart, Gap } from '@kiln/catalog';
import type { LogId, TenantId } from '@kiln/model';
import type { Query, QueryLimits } from '@kiln/query';

/** From where a log is wanted: above max(W, T). */
export interface LogFrom {
  readonly partition: number;
  readonly logId: LogId;
  readonly from: number;
}

/** Where a part lies, and the times of its rows. */
export type PartRef = Omit<CommittedPart, 'tenant'>;

/** What the owner of a partition knows of one of its logs above `from`. Refs and partial are disjoint by offset. */
export interface OwnerAnswer {
  readonly logId: LogId;
  /** The tenant's parts in the manifests of (from, E]; those without a row in the query's range may be left out. */
  readonly refs: readonly PartRef[];
  /** The head's rows in (max(from, E), H], run and merged (@kiln/query). */
  readonly partial: Uint8Array;
  /** In (from, H]. */
  readonly gaps: readonly Gap[];
  /** Marks: the end of the newest manifest, and the last offset consumed. */
  readonly E: number;
  readonly H: number;
}

/** The owners of the partitions, as a reader sees them: ANSWER of distributed.md §1.10. */
export interface Owners {
  /**
   * Answers with everything that the logs held when the call came: what is acknowledged before a query is in its answer.
   * @param from every log of one or more partitions that the reader knows.
   * @param limits that hold for the partial already.
   * @throws KilnError with reason `not_owner` when a partition has no owner, `stale_index` when the reader must plan anew, `behind` when an owner
   * has not read its log that far.
   */
  answer(
    tenant: TenantId,
    query: Query,
    from: readonly LogFrom[],
    limits: QueryLimits,
  ): Promise<readonly OwnerAnswer[]>;
}
