import type { SettingsFor } from '@kiln/config';
import { DAY_MS, limit } from './limit.ts';

/** What bounds the queries of a tenant. Names end with their unit; what a limit means stands beside its setting. 0 = off where the setting says so. */
export interface TenantReadLimits {
  readonly maxConcurrentQueries: number;
  readonly maxQueryLookbackMs: number;
  readonly maxQueryLengthMs: number;
  readonly maxFlamegraphNodesDefault: number;
  readonly maxFlamegraphNodesMax: number;
  readonly maxFlamegraphNodesOnSelectMergeProfile: boolean;
  readonly queryAnalysisEnabled: boolean;
  readonly queryAnalysisSeriesEnabled: boolean;
  readonly includeStrippedProfiles: boolean;
  readonly maxResultNodes: number;
  readonly maxResultSeries: number;
  readonly maxResultPoints: number;
}

export const readLimitSettings: SettingsFor<TenantReadLimits> = {
  maxConcurrentQueries: limit('max_concurrent_queries', {
    key: 'querier.max-concurrent-queries',
    type: 'int',
    default: 0,
    unit: 'queries',
    meaning:
      'Queries of one tenant that run at once; others of the tenant wait. 0 = as many as querier.max-concurrent allows',
  }),
  maxQueryLookbackMs: limit('max_query_lookback', {
    key: 'querier.max-query-lookback',
    type: 'duration',
    default: 30 * DAY_MS,
    meaning: 'How far back a query can see; what is older is left out. 0 = all',
  }),
  maxQueryLengthMs: limit('max_query_length', {
    key: 'querier.max-query-length',
    type: 'duration',
    default: 31 * DAY_MS,
    meaning: 'Longest range of one query. 0 = any',
  }),
  maxFlamegraphNodesDefault: limit('max_flamegraph_nodes_default', {
    key: 'querier.max-flamegraph-nodes-default',
    type: 'int',
    default: 8_192,
    unit: 'nodes',
    meaning: 'Nodes of a flame graph when the query names no number',
  }),
  maxFlamegraphNodesMax: limit('max_flamegraph_nodes_max', {
    key: 'querier.max-flamegraph-nodes-max',
    type: 'int',
    default: 1_048_576,
    unit: 'nodes',
    meaning: 'Most nodes that a query may ask for. 0 = any',
  }),
  maxFlamegraphNodesOnSelectMergeProfile: limit('max_flamegraph_nodes_on_select_merge_profile', {
    key: 'querier.max-flamegraph-nodes-on-select-merge-profile',
    type: 'bool',
    default: false,
    meaning: 'Both hold for pprofs too: a query that names no number gets one of the default size, not a whole one',
  }),
  queryAnalysisEnabled: limit('query_analysis_enabled', {
    key: 'querier.query-analysis-enabled',
    type: 'bool',
    default: true,
    meaning: 'AnalyzeQuery is answered; false: its answer is empty',
  }),
  queryAnalysisSeriesEnabled: limit('query_analysis_series_enabled', {
    key: 'querier.query-analysis-series-enabled',
    type: 'bool',
    default: true,
    meaning: 'AnalyzeQuery counts series; false: they are 0',
  }),
  includeStrippedProfiles: limit('include_stripped_profiles', {
    key: 'query-backend.include-stripped-profiles',
    type: 'bool',
    default: false,
    meaning: 'SelectSeries counts what keep_stripped_profiles has kept: its sums are as if nothing was sampled',
  }),
  maxResultNodes: limit('max_result_nodes', {
    key: 'querier.max-result-nodes',
    type: 'int',
    default: 2_097_152,
    unit: 'nodes',
    meaning:
      'Most nodes of a merged tree before truncation: functions by path, locations by path for a pprof. Above it a query is refused with 429. 0 = any',
  }),
  maxResultSeries: limit('max_result_series', {
    key: 'querier.max-result-series',
    type: 'int',
    default: 100_000,
    unit: 'series',
    meaning:
      'Most series of a SelectSeries or Series answer before its limit, and most names, values or types of other discovery answers. Above it a query is refused with 429. 0 = any',
  }),
  maxResultPoints: limit('max_result_points', {
    key: 'querier.max-result-points',
    type: 'int',
    default: 2_000_000,
    unit: 'points',
    meaning:
      'Most points of a SelectSeries answer, of all its series together. Above it a query is refused with 429. 0 = any',
  }),
};
