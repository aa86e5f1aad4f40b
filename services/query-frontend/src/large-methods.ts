import { finishQuery } from '@kiln/query';
import {
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
import { mergedPprof } from './merged-pprof.ts';
import type { QuerierMethods } from './querier-service.ts';
import { checkSelection, type QueryFrontend } from './query-frontend.ts';
import { goPgoOf, rangeOf, sampleSelection, selection } from './requests.ts';

/** Where a pprof lies in an answer to SelectMergeStacktraces. */
const WITHIN = [SelectMergeStacktracesResponseSchema.field.pprof, PprofProfileSchema.field.profile];

/**
 * The methods of querier.v1.QuerierService whose answers may be too large for the generic encoder: a pprof of a million stacks would take a gigabyte as
 * objects, a tree of as many nodes three as JSON.
 * @param methods that answer in the other formats.
 */
export function largeMethods(
  frontend: QueryFrontend,
  { selectMergeStacktraces, selectMergeSpanProfile }: QuerierMethods,
): Pick<
  UnaryMethods<typeof QuerierService, QueryContext>,
  'selectMergeProfile' | 'selectMergeStacktraces' | 'selectMergeSpanProfile'
> {
  async function pprof(
    request: SelectMergeProfileRequest | SelectMergeStacktracesRequest,
    context: QueryContext,
  ): Promise<Uint8Array> {
    const range = selectRange(frontend, context, rangeOf(request));
    if (range === undefined) return NOTHING;
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
    return result.symbols.stacks.length === 0 ? NOTHING : mergedPprof([result], range.endMs);
  }

  return {
    selectMergeProfile: async (request, context) => new EncodedMessage(ProfileSchema, await pprof(request, context)),
    selectMergeStacktraces: async (request, context) => {
      if (request.format === ProfileFormat.PPROF)
        return new EncodedMessage(ProfileSchema, await pprof(request, context), WITHIN);
      const answer = await selectMergeStacktraces(request, context);
      const { tree } = SelectMergeStacktracesResponseSchema.field;
      return answer.tree === undefined ? answer : new EncodedBytes(tree, answer.tree);
    },
    selectMergeSpanProfile: async (request, context) => {
      const answer = await selectMergeSpanProfile(request, context);
      const { tree } = SelectMergeSpanProfileResponseSchema.field;
      return answer.tree === undefined ? answer : new EncodedBytes(tree, answer.tree);
    },
  };
}

const NOTHING = new Uint8Array(0);
