import { create } from '@bufbuild/protobuf';
import { KilnError, parseProfileTypeId } from '@kiln/model';
import { DiffRequestSchema, SelectMergeStacktracesRequestSchema } from '@kiln/rpc';
import type { QueryFrontend } from '../query-frontend.ts';
import { diffStacktraces } from '../stacktraces.ts';
import { flamebearerText } from './flamebearer.ts';
import { maxNodesField, timeFields, typedSelector } from './parameters.ts';
import { jsonAnswer, type Route } from './route.ts';

/** `GET /pyroscope/render-diff`: two flame graphs of one profile type beside each other (contract/pyroscope.md §5.9). */
export function renderDiffRoute(frontend: QueryFrontend): Route {
  return async (parameters, context) => {
    const [left, right] = (['left', 'right'] as const).map((side) => ({
      ...typedSelector(parameters, `${side}Query`),
      ...timeFields(parameters, [`${side}From`, `${side}Until`], frontend.nowMs()),
      ...maxNodesField(parameters),
    }));
    const ids = [left!, right!].map(({ profileTypeID }) => profileTypeID.split(':').slice(0, 5).join(':'));
    if (ids[0] !== ids[1]) {
      throw new KilnError(
        'invalid_argument',
        `leftQuery asks for ${ids[0]} and rightQuery for ${ids[1]}: only profiles of one type can be compared`,
      );
    }
    const request = create(DiffRequestSchema, {
      left: create(SelectMergeStacktracesRequestSchema, left),
      right: create(SelectMergeStacktracesRequestSchema, right),
    });
    const diff = await diffStacktraces(frontend, request, context);
    const { type, unit } = parseProfileTypeId(ids[0]!);
    const graph = { ...diff, total: diff.leftTicks + diff.rightTicks };
    return jsonAnswer(flamebearerText({ graph, format: 'double', type, unit, timeline: null, groups: null }));
  };
}
