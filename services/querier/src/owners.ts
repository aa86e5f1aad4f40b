import type { LogFrom, OwnerAnswer } from '@kiln/catalog';
import type { TenantId } from '@kiln/model';
import type { Query, QueryLimits } from '@kiln/query';

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
