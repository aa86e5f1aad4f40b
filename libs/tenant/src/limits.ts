import { setting, type Setting, type SettingsFor, type SettingSpec, type SettingType } from '@kiln/config';
import type { TenantId } from '@kiln/model';

const MIB = 1_048_576;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A limit lives under `limits:` in the file, under the name that operators of Pyroscope know (contract/pyroscope.md §6.1). */
function limit<T extends SettingType>(yaml: string, spec: SettingSpec<T>): Setting<T> {
  return setting({ ...spec, yaml: `limits.${yaml}` });
}

/** The limits of one tenant. Names end with their unit; what a limit means stands beside its setting below. 0 = off where the setting says so. */
export interface Limits {
  readonly ingestionRateMb: number;
  readonly ingestionBurstSizeMb: number;
  readonly ingestionBodyLimitMb: number;
  readonly maxLabelNameLength: number;
  readonly maxLabelValueLength: number;
  readonly maxLabelNamesPerSeries: number;
  readonly maxSessionsPerSeries: number;
  readonly disableLabelSanitization: boolean;
  readonly maxProfileSizeBytes: number;
  readonly maxProfileStacktraceSamples: number;
  readonly maxProfileStacktraceSampleLabels: number;
  readonly maxProfileStacktraceDepth: number;
  readonly maxProfileSymbolValueLength: number;
  readonly rejectOlderThanMs: number;
  readonly rejectNewerThanMs: number;
  readonly maxConcurrentQueries: number;
  readonly maxQueryLookbackMs: number;
  readonly maxQueryLengthMs: number;
  readonly maxFlamegraphNodesDefault: number;
  readonly maxFlamegraphNodesMax: number;
  readonly maxResultNodes: number;
  readonly maxResultSeries: number;
  readonly maxResultPoints: number;
  readonly retentionPeriodMs: number;
  readonly maxStoredBytes: number;
}

/** Every limit of a tenant: name, flag, default, meaning. */
export const limitSettings: SettingsFor<Limits> = {
  ingestionRateMb: limit('ingestion_rate_mb', {
    key: 'distributor.ingestion-rate-limit-mb',
    type: 'float',
    default: 0,
    unit: 'MiB/s',
    meaning:
      'Uncompressed profile bytes per second that one tenant may push; above it a push is refused with 429. 0 = unlimited',
  }),
  ingestionBurstSizeMb: limit('ingestion_burst_size_mb', {
    key: 'distributor.ingestion-burst-size-mb',
    type: 'float',
    default: 2,
    unit: 'MiB',
    meaning: 'Bytes that a tenant may push at once above its rate; never less than one profile of the largest size',
  }),
  ingestionBodyLimitMb: limit('ingestion_body_limit_mb', {
    key: 'distributor.ingestion-body-limit-mb',
    type: 'float',
    default: 256,
    unit: 'MiB',
    meaning: 'Largest request body, also after decompression; above it a push is refused with 413. 0 = unlimited',
  }),
  maxLabelNameLength: limit('max_label_name_length', {
    key: 'validation.max-length-label-name',
    type: 'int',
    default: 1024,
    unit: 'bytes',
    meaning: 'Longest label name',
  }),
  maxLabelValueLength: limit('max_label_value_length', {
    key: 'validation.max-length-label-value',
    type: 'int',
    default: 2048,
    unit: 'bytes',
    meaning: 'Longest label value',
  }),
  maxLabelNamesPerSeries: limit('max_label_names_per_series', {
    key: 'validation.max-label-names-per-series',
    type: 'int',
    default: 30,
    unit: 'labels',
    meaning: 'Most labels of one series, sample labels and __name__ included',
  }),
  maxSessionsPerSeries: limit('max_sessions_per_series', {
    key: 'validation.max-sessions-per-series',
    type: 'int',
    default: 0,
    unit: 'sessions',
    meaning: 'Values of __session_id__ kept apart per series. 0 = the label is dropped',
  }),
  disableLabelSanitization: limit('disable_label_sanitization', {
    key: 'validation.disable-label-sanitization',
    type: 'bool',
    default: true,
    meaning: 'Accept any UTF-8 label name; false: only letters, digits, _ and dots, and dots become underscores',
  }),
  maxProfileSizeBytes: limit('max_profile_size_bytes', {
    key: 'validation.max-profile-size-bytes',
    type: 'bytes',
    default: 4 * MIB,
    meaning: 'Largest profile, uncompressed. 0 = unlimited',
  }),
  maxProfileStacktraceSamples: limit('max_profile_stacktrace_samples', {
    key: 'validation.max-profile-stacktrace-samples',
    type: 'int',
    default: 16_000,
    unit: 'samples',
    meaning: 'Most samples of one profile. 0 = unlimited',
  }),
  maxProfileStacktraceSampleLabels: limit('max_profile_stacktrace_sample_labels', {
    key: 'validation.max-profile-stacktrace-sample-labels',
    type: 'int',
    default: 100,
    unit: 'labels',
    meaning: 'Most labels of one sample. 0 = unlimited',
  }),
  maxProfileStacktraceDepth: limit('max_profile_stacktrace_depth', {
    key: 'validation.max-profile-stacktrace-depth',
    type: 'int',
    default: 1_000,
    unit: 'frames',
    meaning: 'Deepest stack; what lies deeper is cut at the leaf side. 0 = unlimited',
  }),
  maxProfileSymbolValueLength: limit('max_profile_symbol_value_length', {
    key: 'validation.max-profile-symbol-value-length',
    type: 'int',
    default: 65_535,
    unit: 'bytes',
    meaning: 'Longest string of a profile; of a longer one the tail is kept. 0 = unlimited',
  }),
  rejectOlderThanMs: limit('reject_older_than', {
    key: 'validation.reject-older-than',
    type: 'duration',
    default: HOUR_MS,
    meaning: 'Oldest profile that is accepted, by its own time. 0 = any',
  }),
  rejectNewerThanMs: limit('reject_newer_than', {
    key: 'validation.reject-newer-than',
    type: 'duration',
    default: 600_000,
    meaning: 'How far a profile may lie in the future, by its own time. 0 = any',
  }),
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
  retentionPeriodMs: limit('retention_period', {
    key: 'retention-period',
    type: 'duration',
    default: 30 * DAY_MS,
    meaning:
      'How long profiles are kept; older ones are neither accepted nor answered, and are deleted within hours. 0 = for ever',
  }),
  maxStoredBytes: limit('max_stored_bytes', {
    key: 'storage.max-stored-bytes',
    type: 'bytes',
    default: 0,
    meaning:
      'Bytes of objects that one tenant may have stored; above it its pushes are refused with 503, or its oldest data goes (storage.when-full). 0 = unlimited',
  }),
};

/** The limits of any tenant, as they are now. */
export type LimitsOf = (tenant: TenantId) => Limits;

/** What holds when nobody sets anything. */
export const defaultLimits: Limits = Object.freeze(
  Object.fromEntries(Object.entries(limitSettings).map(([name, one]) => [name, one.default])),
) as unknown as Limits;

/** Bytes of a body at most; 0 = unlimited. */
export function bodyLimitBytes(limits: Limits): number {
  return Math.ceil(limits.ingestionBodyLimitMb * MIB);
}

/** How old a profile may be to be accepted, and by which limit: what is past the retention would never be answered. 0 = any age. */
export function acceptedAge({ rejectOlderThanMs, retentionPeriodMs }: Limits): {
  readonly ms: number;
  readonly by: 'reject_older_than' | 'retention_period';
} {
  const isRetention = retentionPeriodMs > 0 && (rejectOlderThanMs === 0 || retentionPeriodMs < rejectOlderThanMs);
  return isRetention
    ? { ms: retentionPeriodMs, by: 'retention_period' }
    : { ms: rejectOlderThanMs, by: 'reject_older_than' };
}
