import { finishQuery, type FlameGraph, type StacktracesQuery, type StacktracesResult } from '@kiln/query';
import {
  DiffResponseSchema,
  EncodedBytes,
  EncodedMessage,
  PprofProfileSchema,
  ProfileFormat,
  ProfileSchema,
  SelectMergeSpanProfileResponseSchema,
  SelectMergeStacktracesResponseSchema,
  type QuerierService,
  type SelectMergeProfileRequest,
  type SelectMergeStacktracesRequest,
  type UnaryMethods,
} from '@kiln/rpc';
import { ask, selectRange, type QueryContext } from './ask.ts';
import { FlameGraphAnswer } from './flame-graph-answer.ts';
import { mergedPprof } from './merged-pprof.ts';
import { checkSelection, type QueryFrontend } from './query-frontend.ts';
import { goPgoOf, rangeOf, sampleSelection, selection } from './requests.ts';
import { diffStacktraces, EMPTY_FLAME_GRAPH, mergeStacktraces } from './stacktraces.ts';

const { flamegraph, tree, pprof } = SelectMergeStacktracesResponseSchema.field;
const ofSpans = SelectMergeSpanProfileResponseSchema.field;

const formats: { readonly [format in ProfileFormat]?: StacktracesQuery['format'] } = {
  [ProfileFormat.TREE]: 'tree',
  [ProfileFormat.DOT]: 'dot',
};

/**
 * The methods of querier.v1.QuerierService that answer merged stacktraces. These may be large, so all are encoded here: by the generic encoder a pprof of a
 * million stacks would take a gigabyte, a tree of as many nodes three as JSON, and a flame graph half a one.
 */
export function stacktracesMethods(
  frontend: QueryFrontend,
): Pick<
  UnaryMethods<typeof QuerierService, QueryContext>,
  'selectMergeProfile' | 'selectMergeStacktraces' | 'selectMergeSpanProfile' | 'diff'
> {
  async function profileOf(
    request: SelectMergeProfileRequest | SelectMergeStacktracesRequest,
    context: QueryContext,
  ): Promise<Uint8Array> {
    const range = selectRange(frontend, context, rangeOf(request));
    if (range === undefined) return new Uint8Array(0); // a new one each time: what is answered moves to another thread
    checkSelection(request.profileTypeID, request.labelSelector);
    const query = {
      kind: 'pprof',
      ...range,
      ...selection(request),
      ...sampleSelection(request),
      ...goPgoOf(request.stackTraceSelector, true),
      maxNodes: frontend.pprofNodes(context.tenants, request.maxNodes),
    } as const;
    const result = finishQuery(query, (await ask(frontend, context, query)).partial);
    return result.symbols.stacks.length === 0 ? new Uint8Array(0) : mergedPprof([result], range.endMs);
  }

  return {
    selectMergeProfile: async (request, context) =>
      new EncodedMessage(ProfileSchema, await profileOf(request, context)),

    async selectMergeStacktraces(request, context) {
      if (request.format === ProfileFormat.PPROF) {
        const profile = await profileOf(request, context);
        return new EncodedMessage(ProfileSchema, profile, [pprof, PprofProfileSchema.field.profile]);
      }
      const format = formats[request.format] ?? 'flamegraph';
      const result = await mergeStacktraces(frontend, request, format, context);
      if (format === 'tree') return result?.format === 'tree' ? new EncodedBytes(tree, result.tree) : {};
      if (format === 'dot') return result?.format === 'dot' ? { dot: result.dot } : {};
      return new FlameGraphAnswer(flamegraph, graphOf(result));
    },

    async selectMergeSpanProfile(request, context) {
      const format = request.format === ProfileFormat.TREE ? 'tree' : 'flamegraph';
      const result = await mergeStacktraces(frontend, request, format, context);
      if (format === 'tree') return result?.format === 'tree' ? new EncodedBytes(ofSpans.tree, result.tree) : {};
      return new FlameGraphAnswer(ofSpans.flamegraph, graphOf(result));
    },

    async diff(request, context) {
      const graph = await diffStacktraces(frontend, request, context);
      const total = graph.leftTicks + graph.rightTicks;
      return new FlameGraphAnswer(DiffResponseSchema.field.flamegraph, { ...graph, total });
    },
  };
}

function graphOf(result: StacktracesResult | undefined): FlameGraph {
  return result?.format === 'flamegraph' ? result.flameGraph : EMPTY_FLAME_GRAPH;
}
