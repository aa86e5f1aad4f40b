import type { QuerierMethods } from '../querier-service.ts';
import type { QueryFrontend } from '../query-frontend.ts';
import { flamegraphRoute, topRoute } from './flamegraph.ts';
import { labelValuesRoute } from './label-values.ts';
import { pprofRoute } from './pprof.ts';
import { renderDiffRoute } from './render-diff.ts';
import { renderRoute } from './render.ts';
import type { Route } from './route.ts';

/** The reads by GET, by path. */
export const ROUTES: Readonly<Record<string, (frontend: QueryFrontend, methods: QuerierMethods) => Route>> = {
  '/pyroscope/render': renderRoute,
  '/pyroscope/render-diff': renderDiffRoute,
  '/pyroscope/label-values': labelValuesRoute,
  '/api/v1/flamegraph': flamegraphRoute,
  '/api/v1/top': topRoute,
  '/pprof': pprofRoute,
};
