import { ManualClock } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import type { Answer, AnswerStats, Query } from '@kiln/query';
import { QueryFrontend, type ReadLimits } from '../query-frontend.ts';
import { QueryCalls } from '../query-calls.ts';
import { edge } from './edge.ts';
import { NOW } from './tool-ports.ts';

export const DAY = 86_400_000;
/** The defaults. */
export const limits: ReadLimits = {
  maxQueryLookbackMs: 30 * DAY,
  retentionPeriodMs: 0,
  maxQueryLengthMs: 31 * DAY,
  maxFlamegraphNodesDefault: 8192,
  maxFlamegraphNodesMax: 1_048_576,
  maxFlamegraphNodesOnSelectMergeProfile: false,
  includeStrippedProfiles: false,
  queryAnalysisEnabled: true,
  queryAnalysisSeriesEnabled: true,
  maxResultNodes: 0,
  maxResultSeries: 0,
  maxResultPoints: 0,
};
export const TYPE = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';

/** No two counts are equal. */
export const stats: AnswerStats = {
  objects: 3,
  requests: 5,
  bytes: 81_234,
  rows: 4_801,
  pages: 2,
  buckets: 40,
  resolutionMs: 900_000,
  plans: 1,
  totalMs: 12,
};

/** A server, what its queries were asked, and how it is called. */
interface Harness {
  asked: { tenant: TenantId; query: Query }[];
  call(
    method: string,
    body: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }>;
  url: string;
}

/** The edge on a port, over queries that answer one thing and tell what they were asked. It stops with the test. */
export async function harness(
  some: Partial<ReadLimits> = {},
  answer: Answer | KilnError = { partial: new Uint8Array(0), gaps: [], stats },
): Promise<Harness> {
  const asked: Harness['asked'] = [];
  const queries = {
    query: (tenant: TenantId, query: Query) => {
      asked.push({ tenant, query });
      return answer instanceof KilnError ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
  const frontend = new QueryFrontend(queries, () => ({ ...limits, ...some }), new ManualClock(NOW));
  const { url: server } = await edge({ answerer: new QueryCalls(frontend) });
  const url = `${server}/querier.v1.QuerierService/`;
  return {
    asked,
    url,
    call: async (method, body, headers = {}) => {
      const response = await fetch(url + method, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-scope-orgid': 'acme', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
      const text = await response.text();
      return {
        status: response.status,
        body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
        headers: response.headers,
      };
    },
  };
}

/** The last hour. */
export const range = { start: String(NOW - 3_600_000), end: String(NOW) };
/** All profiles of it. */
export const select = { profileTypeID: TYPE, labelSelector: '{}', ...range };
