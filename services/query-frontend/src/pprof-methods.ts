import { finishQuery } from '@kiln/query';
import {
  EncodedAnswer,
  PprofProfileSchema,
  ProfileFormat,
  ProfileSchema,
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
 * The methods of querier.v1.QuerierService that answer a pprof, which is encoded here and never an object: one of a million stacks would take a gigabyte.
 * @param methods that answer SelectMergeStacktraces in its other formats.
 */
export function pprofMethods(
  frontend: QueryFrontend,
  { selectMergeStacktraces }: Pick<QuerierMethods, 'selectMergeStacktraces'>,
): Pick<UnaryMethods<typeof QuerierService, QueryContext>, 'selectMergeProfile' | 'selectMergeStacktraces'> {
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
    selectMergeProfile: async (request, context) => new EncodedAnswer(ProfileSchema, await pprof(request, context)),
    selectMergeStacktraces: async (request, context) =>
      request.format === ProfileFormat.PPROF
        ? new EncodedAnswer(ProfileSchema, await pprof(request, context), WITHIN)
        : selectMergeStacktraces(request, context),
  };
}

const NOTHING = new Uint8Array(0);
