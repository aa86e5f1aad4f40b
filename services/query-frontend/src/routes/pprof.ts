import { gzipSync } from 'node:zlib';
import { formatSelector, KilnError, parseProfileTypeId, parseSelector, type Matcher } from '@kiln/model';
import { finishQuery, type PprofResult } from '@kiln/query';
import { ask, selectRange, type QueryContext } from '../ask.ts';
import { mergedPprof } from '../merged-pprof.ts';
import { rangeOf } from '../requests.ts';
import type { ClampedRange, QueryFrontend } from '../query-frontend.ts';
import { checkNames, namedSelector, recentTimes } from './parameters.ts';
import { BINARY, type Route } from './route.ts';

/**
 * `GET /pprof?query=<type>{selector}&from=&until=`: the merged profile as gzipped pprof, for `go tool pprof` and browsers. A name without a type,
 * `memory{…}`, answers all value types of that name in one. Without times it is the last hour.
 */
export function pprofRoute(frontend: QueryFrontend): Route {
  return async (parameters, context) => {
    checkNames(parameters, '/pprof', ['query', 'from', 'until']);
    const { metric, labelSelector } = namedSelector(parameters, 'query');
    const asked = rangeOf(recentTimes(parameters, frontend.nowMs()));
    const range = selectRange(frontend, context, asked);
    const types = range === undefined ? [] : await typesOf(frontend, context, { metric, labelSelector, range });
    const query = { kind: 'pprofTypes', ...range!, profileTypes: types, selector: labelSelector } as const;
    const results = types.length === 0 ? [] : finishQuery(query, (await ask(frontend, context, query)).partial);
    const found = results.find(hasValues);
    if (found === undefined) {
      const when = `${new Date(asked.startMs).toISOString()} to ${new Date(asked.endMs).toISOString()}`;
      throw new KilnError('not_found', `no profiles of ${metric}${labelSelector} from ${when}`);
    }
    // A type whose values are all 0 stays, so that the others keep their numbers.
    const kept = results.filter((result) => hasValues(result) || isOfPeriod(result, found));
    const body = gzipSync(mergedPprof(kept, range!.endMs));
    const fileName = `${metric.replaceAll(/[^\w.-]+/g, '_').slice(0, 100)}.pb.gz`;
    return { contentType: BINARY, body, fileName };
  };
}

function hasValues({ symbols }: PprofResult): boolean {
  return symbols.stacks.length > 0;
}

function isOfPeriod({ type: { periodType, periodUnit } }: PprofResult, { type }: PprofResult): boolean {
  return periodType === type.periodType && periodUnit === type.periodUnit;
}

/** The profile type that is named, or all of that name, in the order of Go's own profiles. */
async function typesOf(
  frontend: QueryFrontend,
  context: QueryContext,
  { metric, labelSelector, range }: { metric: string; labelSelector: string; range: ClampedRange },
): Promise<string[]> {
  if (metric.includes(':')) {
    parseProfileTypeId(metric);
    return [metric];
  }
  const name: Pick<Matcher, 'name' | 'op' | 'value'> = { name: '__name__', op: '=', value: metric };
  const query = {
    kind: 'series',
    ...range,
    matchers: [formatSelector([name, ...parseSelector(labelSelector)])],
    labelNames: ['__profile_type__'],
    utf8: true,
  } as const;
  const sets = finishQuery(query, (await ask(frontend, context, query)).partial);
  const ids = sets.flatMap((labels) => labels.map(({ value }) => value));
  return ids.toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** As runtime/pprof writes them: scripts name a sample type by its number. Others follow, by name. */
const GO_ORDER = [
  ['samples', 'cpu'],
  ['alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space'],
  ['contentions', 'delay'],
].flat();

function rank(id: string): number {
  const at = GO_ORDER.indexOf(parseProfileTypeId(id).type);
  return at < 0 ? GO_ORDER.length : at;
}
