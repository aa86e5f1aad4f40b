import { finishQuery, type FlameGraph, type StacktracesQuery, type StacktracesResult } from '@kiln/query';
import { ask, selectRange, type QueryContext } from './ask.ts';
import { checkSelection, type ClampedRange, type QueryFrontend } from './query-frontend.ts';
import { goPgoOf, rangeOf, sampleSelection, selection, type RangeMessage, type SampleFields } from './requests.ts';

/** A request for stacktraces, whichever method it belongs to. */
export type StacktracesMessage = SampleFields & {
  readonly profileTypeID: string;
  readonly labelSelector: string;
  readonly maxNodes?: bigint | undefined;
};

/** Functions of a call graph when none are asked for (contract/pyroscope.md §5.9). */
const DOT_NODES = 100;

/** Of no rows. */
export const EMPTY_FLAME_GRAPH: FlameGraph = {
  names: ['total'],
  levels: [new Float64Array(4)],
  total: 0n,
  maxSelf: 0n,
};

/** The merged stacktraces of a request; undefined when all of its range lies before the lookback. */
export async function mergeStacktraces(
  frontend: QueryFrontend,
  request: StacktracesMessage & RangeMessage,
  format: StacktracesQuery['format'],
  context: QueryContext,
): Promise<StacktracesResult | undefined> {
  const range = selectRange(frontend, context, rangeOf(request));
  if (range === undefined) return undefined;
  const query = stacktracesQuery(frontend, request, format, range, context);
  return finishQuery(query, (await ask(frontend, context, query)).partial);
}

export function stacktracesQuery(
  frontend: QueryFrontend,
  request: StacktracesMessage,
  format: StacktracesQuery['format'],
  range: ClampedRange,
  { tenants }: QueryContext,
): StacktracesQuery {
  checkSelection(request.profileTypeID, request.labelSelector);
  goPgoOf(request.stackTraceSelector, false);
  const maxNodes = frontend.maxNodes(tenants, request.maxNodes);
  return {
    kind: 'stacktraces',
    format,
    ...range,
    ...selection(request),
    ...sampleSelection(request),
    maxNodes: format === 'dot' && !request.maxNodes ? DOT_NODES : maxNodes,
  };
}
