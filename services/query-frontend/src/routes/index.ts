import type { QuerierMethods } from '../querier-service.ts';
import type { QueryFrontend } from '../query-frontend.ts';
import { labelValuesRoute } from './label-values.ts';
import { renderRoute } from './render.ts';
import type { Route } from './route.ts';

/** The reads by GET, by path. */
export const ROUTES: Readonly<Record<string, (frontend: QueryFrontend, methods: QuerierMethods) => Route>> = {
  '/pyroscope/render': renderRoute,
  '/pyroscope/label-values': labelValuesRoute,
};
