import { KilnError } from '@kiln/model';

/** Bounds on what a query may hold in memory; absent means unlimited. */
export interface QueryLimits {
  /** Nodes of a merged tree (function tree or location tree). */
  readonly maxResultNodes?: number;
  /** Groups of SelectSeries, label sets of Series, values of a discovery answer. */
  readonly maxResultSeries?: number;
}

/** @throws KilnError `resource_exhausted` naming the limit. */
export function refuseNodes(limit: number): never {
  throw new KilnError(
    'resource_exhausted',
    `query result too large: more than ${limit} tree nodes before truncation, limit ${limit} (max_result_nodes); narrow the selector or the time range`,
  );
}

/** @throws KilnError `resource_exhausted` naming the limit. */
export function refuseSeries(limit: number): never {
  throw new KilnError(
    'resource_exhausted',
    `query result too large: more than ${limit} series, limit ${limit} (max_result_series); narrow the selector, the group-by or the time range`,
  );
}
