import { KilnError } from '@kiln/model';
import {
  diffGraph,
  finishQuery,
  type DiffGraph,
  type FlameGraph,
  type Merged,
  type QueryRange,
  type StacktracesQuery,
  type StacktracesResult,
} from '@kiln/query';
import type { DiffRequest } from '@kiln/rpc';
import { ask, askAll, selectRange, type QueryContext } from './ask.ts';
import { checkSelection, type ClampedRange, type QueryFrontend } from './query-frontend.ts';
import { goPgoOf, rangeOf, sampleSelection, selection, type RangeMessage, type SampleFields } from './requests.ts';

/** A request for stacktraces, whichever method it belongs to. */
type StacktracesMessage = SampleFields & {
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

/** The difference of two sides. @throws KilnError that names the side. */
export async function diffStacktraces(
  frontend: QueryFrontend,
  request: Pick<DiffRequest, 'left' | 'right'>,
  context: QueryContext,
): Promise<DiffGraph> {
  const left = sideOf(frontend, 'left', request.left, context);
  const right = sideOf(frontend, 'right', request.right, context);
  const queries = [left.query, right.query].filter((query) => query !== undefined);
  const answers = await askAll(frontend, context, queries);
  const partialOf = (query: StacktracesQuery | undefined): Merged =>
    query === undefined ? new Uint8Array(0) : answers[queries.indexOf(query)]!.partial;
  const [l, r] = [left, right].map(({ query, range }) => ({ range, partial: partialOf(query) }));
  return diffGraph(l!, r!, Math.max(left.maxNodes, right.maxNodes));
}

/** One side of a diff, checked by itself; no query when all of it lies before the lookback. @throws KilnError that names the side. */
function sideOf(
  frontend: QueryFrontend,
  name: 'left' | 'right',
  request: (StacktracesMessage & RangeMessage) | undefined,
  context: QueryContext,
): { query: StacktracesQuery | undefined; range: QueryRange; maxNodes: number } {
  try {
    if (request === undefined) throw new KilnError('invalid_argument', 'missing: a diff has two sides');
    const range = selectRange(frontend, context, rangeOf(request));
    if (range === undefined) return { query: undefined, range: rangeOf(request), maxNodes: 0 };
    const query = stacktracesQuery(frontend, request, 'flamegraph', range, context);
    return { query, range, maxNodes: query.maxNodes };
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    const { code, reason, message } = error;
    throw new KilnError(code, `${name}: ${message}`, { cause: error, ...(reason === undefined ? {} : { reason }) });
  }
}

function stacktracesQuery(
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
