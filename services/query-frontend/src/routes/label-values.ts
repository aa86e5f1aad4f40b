import { create } from '@bufbuild/protobuf';
import { KilnError } from '@kiln/model';
import { LabelValuesRequestSchema, ProfileTypesRequestSchema } from '@kiln/rpc';
import type { QuerierMethods } from '../querier-service.ts';
import type { QueryFrontend } from '../query-frontend.ts';
import { RECENT, timeFields } from './parameters.ts';
import { jsonAnswer, type Route } from './route.ts';

/**
 * `GET /pyroscope/label-values?label=`: the values of a label as a JSON array (contract/pyroscope.md §5.9). Those of `__name__` are profile type ids
 * of the last hour, `null` when there are none; other labels are looked for in all that can be seen. `from`, `until` and `query`, a selector, narrow it.
 */
export function labelValuesRoute(frontend: QueryFrontend, methods: QuerierMethods): Route {
  return async (parameters, context) => {
    const name = parameters.get('label') ?? '';
    if (name === '') throw new KilnError('invalid_argument', 'label is missing: want the name of one, or __name__');
    const hasRange = parameters.has('from') || parameters.has('until');
    const range = timeFields(parameters, ['from', 'until'], frontend.nowMs(), RECENT);
    if (name === '__name__') {
      const { profileTypes = [] } = await methods.profileTypes(create(ProfileTypesRequestSchema, range), context);
      return jsonAnswer(profileTypes.length === 0 ? 'null' : JSON.stringify(profileTypes.map(({ ID }) => ID)));
    }
    const query = parameters.get('query') ?? '';
    const matchers = query === '' ? [] : [query];
    const request = create(LabelValuesRequestSchema, { name, matchers, ...(hasRange ? range : {}) });
    const { names = [] } = await methods.labelValues(request, context);
    return jsonAnswer(JSON.stringify(names));
  };
}
