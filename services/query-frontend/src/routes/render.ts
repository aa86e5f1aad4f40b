import { create } from '@bufbuild/protobuf';
import { parseProfileTypeId } from '@kiln/model';
import { SelectMergeStacktracesRequestSchema, SelectSeriesRequestSchema, TimeSeriesAggregationType } from '@kiln/rpc';
import type { QuerierMethods } from '../querier-service.ts';
import type { QueryFrontend } from '../query-frontend.ts';
import { EMPTY_FLAME_GRAPH, mergeStacktraces } from '../stacktraces.ts';
import { flamebearerText } from './flamebearer.ts';
import { maxNodesField, timeFields, typedSelector } from './parameters.ts';
import { jsonAnswer, type Route } from './route.ts';
import { timelineOf, timelineStep, type Timeline, type TimelinePoint } from './timeline.ts';

/**
 * `GET /pyroscope/render`: a flame graph with its timeline, or DOT (contract/pyroscope.md §5.9). Of several `groupBy` the first is obeyed: the answer has
 * room for one. The timeline is zero where it would be that of several groups.
 */
export function renderRoute(frontend: QueryFrontend, methods: QuerierMethods): Route {
  return async (parameters, context) => {
    const selector = typedSelector(parameters, 'query');
    const range = timeFields(parameters, ['from', 'until'], frontend.nowMs());
    const asked = { ...selector, ...range, ...maxNodesField(parameters) };
    if (parameters.get('format') === 'dot') {
      const request = create(SelectMergeStacktracesRequestSchema, asked);
      const result = await mergeStacktraces(frontend, request, 'dot', context);
      return { contentType: 'text/plain', body: result?.format === 'dot' ? result.dot : '' };
    }
    const step = timelineStep(range.start, range.end);
    const [by] = parameters.getAll('groupBy');
    const [result, { series = [] }] = await Promise.all([
      mergeStacktraces(frontend, create(SelectMergeStacktracesRequestSchema, asked), 'flamegraph', context),
      methods.selectSeries(
        create(SelectSeriesRequestSchema, {
          ...selector,
          ...range,
          step,
          groupBy: by === undefined ? [] : [by],
          ...(parameters.get('aggregation') === 'avg' ? { aggregation: TimeSeriesAggregationType.AVERAGE } : {}),
        }),
        context,
      ),
    ]);
    const timeline = (points: readonly TimelinePoint[]): Timeline => timelineOf(points, range.start, range.end, step);
    const groups: Record<string, Timeline> = {};
    for (const { labels = [], points = [] } of series) {
      const value = labels.find(({ name }) => name === by)?.value ?? '*';
      groups[value] = timeline(points as readonly TimelinePoint[]);
    }
    const { type, unit } = parseProfileTypeId(selector.profileTypeID);
    return jsonAnswer(
      flamebearerText({
        graph: result?.format === 'flamegraph' ? result.flameGraph : EMPTY_FLAME_GRAPH,
        format: 'single',
        type,
        unit,
        timeline: timeline(series.length === 1 ? (series[0]!.points as readonly TimelinePoint[]) : []),
        groups: by === undefined ? null : groups,
      }),
    );
  };
}
