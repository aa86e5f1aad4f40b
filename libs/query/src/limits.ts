import { KilnError } from '@kiln/model';

/** Bounds on what the answer of a query may hold, kept while it is run and merged; 0 or absent = unlimited. */
export interface QueryLimits {
  /** Nodes of a merged tree (functions by path for flame graph and tree, locations by path for pprof), before truncation. */
  readonly maxResultNodes?: number;
  /** Series of SelectSeries and Series; names, values or types of the other discovery queries. */
  readonly maxResultSeries?: number;
  /** Points of SelectSeries, of all its series together. */
  readonly maxResultPoints?: number;
}

/** A limit as a number to compare with. */
export function atMost(limit: number | undefined): number {
  return limit === undefined || limit === 0 ? Number.POSITIVE_INFINITY : limit;
}

/** @throws KilnError `resource_exhausted` naming the limit. */
export function refuseNodes(limit: number): never {
  refuse('tree nodes before truncation', limit, 'max_result_nodes', 'the selector or the time range');
}

/** @throws KilnError `resource_exhausted` naming the limit. */
export function refuseSeries(limit: number, found = 'series'): never {
  refuse(found, limit, 'max_result_series', 'the selector, the labels asked for or the time range');
}

/** @throws KilnError `resource_exhausted` naming the limit. */
export function refusePoints(limit: number): never {
  refuse('points', limit, 'max_result_points', 'the selector, the group-by or the time range, or lengthen the step');
}

function refuse(found: string, limit: number, name: string, narrow: string): never {
  throw new KilnError(
    'resource_exhausted',
    `the answer has more than ${limit} ${found}, allowed are ${limit} (${name}, flag --querier.${name.replaceAll('_', '-')}): narrow ${narrow}`,
    { reason: 'query_limit' },
  );
}
