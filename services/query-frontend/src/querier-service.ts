import { KilnError } from '@kiln/model';
import { finishQuery, type Answer, type Query } from '@kiln/query';
import { TimeSeriesAggregationType, type QuerierService, type UnaryContext, type UnaryMethods } from '@kiln/rpc';
import { ask as askFrontend, told, type QueryContext } from './ask.ts';
import { analysisMessage, heatmapMessage, labelMessage, profileTypeMessage, seriesMessage } from './messages.ts';
import { checkSelection, seriesRange, type ClampedRange, type QueryFrontend } from './query-frontend.ts';
import {
  exemplarsOf,
  goPgoOf,
  heatmapLimit,
  heatmapValues,
  matchersOf,
  rangeOf,
  sampleSelection,
  selection,
  seriesLimit,
  stepMsOf,
  type RangeMessage,
  type RequestedRange,
} from './requests.ts';

/** The methods that this version answers, beside those of `stacktracesMethods`; the rest of the service is `unimplemented`. */
export type QuerierMethods = Pick<
  Required<UnaryMethods<typeof QuerierService, QueryContext, never>>,
  | 'profileTypes'
  | 'labelNames'
  | 'labelValues'
  | 'series'
  | 'selectSeries'
  | 'selectHeatmap'
  | 'getProfileStats'
  | 'analyzeQuery'
>;

/**
 * querier.v1.QuerierService: message → checked query → merged partial → message. Unknown fields are ignored; a known field that this version does
 * not obey is refused by name, because a selector that is ignored is a wrong sum.
 */
export function querierService(frontend: QueryFrontend): QuerierMethods {
  const ask = (context: QueryContext, query: Query): Promise<Answer> => askFrontend(frontend, context, query);

  function selectRange(request: RangeMessage, context: QueryContext): ClampedRange | undefined {
    return frontend.selectRange(context.tenants, told(frontend, context, rangeOf(request)));
  }

  function discoveryRange(request: RangeMessage, context: QueryContext): ClampedRange | undefined {
    return frontend.discoveryRange(context.tenants, told(frontend, context, rangeOf(request)));
  }

  return {
    async profileTypes(request, context) {
      const range = discoveryRange(request, context);
      if (range === undefined) return {};
      const query = { kind: 'profileTypes', ...range } as const;
      const types = finishQuery(query, (await ask(context, query)).partial);
      return { profileTypes: types.map(profileTypeMessage) };
    },

    async labelNames(request, context) {
      const range = discoveryRange(request, context);
      if (range === undefined) return {};
      const query = { kind: 'labelNames', ...range, matchers: request.matchers, utf8: acceptsUtf8(context) } as const;
      return { names: [...finishQuery(query, (await ask(context, query)).partial)] };
    },

    async labelValues(request, context) {
      const range = discoveryRange(request, context);
      if (request.name === '') throw new KilnError('invalid_argument', 'name is required');
      if (range === undefined) return {};
      const query = { kind: 'labelValues', ...range, matchers: request.matchers, name: request.name } as const;
      return { names: [...finishQuery(query, (await ask(context, query)).partial)] };
    },

    async series(request, context) {
      const range = discoveryRange(request, context);
      if (range === undefined) return {};
      const { matchers, labelNames } = request;
      const query = { kind: 'series', ...range, matchers, labelNames, utf8: acceptsUtf8(context) } as const;
      const sets = finishQuery(query, (await ask(context, query)).partial);
      return { labelsSet: sets.map((labels) => ({ labels: labels.map(labelMessage) })) };
    },

    async selectSeries(request, context) {
      const range = selectRange(request, context);
      if (range === undefined) return {};
      checkSelection(request.profileTypeID, '{}');
      const stepMs = stepMsOf(request.step);
      checkSelection(request.profileTypeID, request.labelSelector);
      goPgoOf(request.stackTraceSelector, false);
      const query = {
        kind: 'selectSeries',
        ...seriesRange(rangeOf(request), range),
        ...selection(request),
        ...sampleSelection({ stackTraceSelector: request.stackTraceSelector }),
        stepMs,
        groupBy: request.groupBy,
        aggregation: request.aggregation === TimeSeriesAggregationType.AVERAGE ? 'average' : 'sum',
        limit: seriesLimit(request.limit),
        ...exemplarsOf(request.exemplarType),
        ...(frontend.limitsOf(context.tenants).includeStrippedProfiles && { includesStripped: true }),
      } as const;
      const series = finishQuery(query, (await ask(context, query)).partial);
      return { series: series.map(seriesMessage) };
    },

    async selectHeatmap(request, context) {
      const stepMs = stepMsOf(request.step);
      const limit = heatmapLimit(request.limit);
      const range = selectRange(request, context);
      if (request.start === request.end)
        throw new KilnError(
          'invalid_argument',
          `invalid time range: a heatmap starts before it ends, found twice ${request.end}`,
        );
      if (range === undefined) return {};
      checkSelection(request.profileTypeID, request.labelSelector);
      const query = {
        kind: 'heatmap',
        ...seriesRange(rangeOf(request), range),
        ...selection(request),
        ...heatmapValues(request.queryType, request.exemplarType),
        stepMs,
        groupBy: request.groupBy,
        limit,
      } as const;
      return heatmapMessage(finishQuery(query, (await ask(context, query)).partial));
    },

    async getProfileStats(_, context) {
      if (context.tenants.length > 1)
        throw new KilnError('invalid_argument', `statistics are of one tenant: found ${context.tenants.join(', ')}`);
      const query = { kind: 'profileStats', ...frontend.discoveryRange(context.tenants, NO_RANGE)! } as const;
      const { oldestMs, newestMs } = finishQuery(query, (await ask(context, query)).partial);
      if (oldestMs > newestMs) return {};
      return { dataIngested: true, oldestProfileTime: BigInt(oldestMs), newestProfileTime: BigInt(newestMs) };
    },

    async analyzeQuery(request, context) {
      const { queryAnalysisEnabled, queryAnalysisSeriesEnabled } = frontend.limitsOf(context.tenants);
      if (!queryAnalysisEnabled) return {};
      const range = discoveryRange(request, context);
      if (range === undefined) return {};
      const query = { kind: 'analyze', ...range, matchers: matchersOf(request.query) } as const;
      return analysisMessage(finishQuery(query, (await ask(context, query)).partial), queryAnalysisSeriesEnabled);
    },
  };
}

const NO_RANGE: RequestedRange = { startMs: 0, endMs: 0 };

/** UTF-8 label names are shown to clients that say so: `Accept: …;allow-utf8-labelnames=true` (contract/pyroscope.md §1.2). */
function acceptsUtf8(context: UnaryContext): boolean {
  return /;\s*allow-utf8-labelnames\s*=\s*"?true"?\s*(;|,|$)/i.test(context.header('accept'));
}
