import type { SettingsFor } from '@kiln/config';
import { HOUR_MS, limit, MIB } from './limit.ts';
import { readRelabelRules, readSampleTypeRules } from './relabel-limits.ts';
import { readIngestionLimit, readSampling, readUsageGroups } from './usage-limits.ts';

/** What bounds and shapes the pushes of a tenant. Names end with their unit; what a limit means stands beside its setting. 0 = off where the setting says so. */
export interface TenantWriteLimits {
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
  readonly ingestionRelabelingRules: string;
  readonly ingestionRelabelingDefaultRulesPosition: string;
  readonly sampleTypeRelabelingRules: string;
  readonly distributorUsageGroups: string;
  readonly ingestionLimit: string;
  readonly distributorSampling: string;
  readonly keepStrippedProfiles: boolean;
  readonly maxConcurrentPushes: number;
  readonly ingestionArtificialDelayMs: number;
  readonly ingestionTenantShardSize: number;
  readonly maxLocalSeriesPerTenant: number;
  readonly maxGlobalSeriesPerTenant: number;
}

export const writeLimitSettings: SettingsFor<TenantWriteLimits> = {
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
  ingestionRelabelingRules: limit('ingestion_relabeling_rules', {
    key: 'distributor.ingestion-relabeling-rules',
    type: 'data',
    default: '[]',
    read: readRelabelRules,
    unit: 'list of rules',
    meaning:
      "Prometheus' relabelling of every series, after the labels of its samples are added and before it is stored. What a rule drops is answered with success",
  }),
  ingestionRelabelingDefaultRulesPosition: limit('ingestion_relabeling_default_rules_position', {
    key: 'distributor.ingestion-relabeling-default-rules-position',
    type: 'string',
    default: 'first',
    choices: ['first', 'last', 'disabled'],
    meaning:
      'Whether the default rules come before those: names of godeltaprof lose their prefix, and a profile "wall" with __type__ "cpu" is named process_cpu',
  }),
  sampleTypeRelabelingRules: limit('sample_type_relabeling_rules', {
    key: 'distributor.sample-type-relabeling-rules',
    type: 'data',
    default: '[]',
    read: readSampleTypeRules,
    unit: 'list of rules',
    meaning:
      'Rules that keep or drop single sample types of a profile: they see __type__ and __unit__ beside the labels of the push',
  }),
  distributorUsageGroups: limit('distributor_usage_groups', {
    key: 'distributor.usage-groups',
    type: 'data',
    default: '{}',
    read: readUsageGroups,
    unit: 'selectors by name',
    meaning:
      'Groups of profiles, by their labels as pushed, that are counted apart and that ingestion_limit and distributor_sampling name. In the name of a group ${labels.team} is the value of the label team; both limits may name it filled in or as declared',
  }),
  ingestionLimit: limit('ingestion_limit', {
    key: 'distributor.ingestion-limit',
    type: 'data',
    default: '{}',
    read: readIngestionLimit,
    unit: 'period_type, period_limit_mb, limit_reset_time, limit_reached, sampling, usage_groups',
    meaning:
      'A quota that somebody else counts: while limit_reached is true, of the tenant or of a usage group, pushes are refused with 429, but for sampling.num_requests of them in each sampling.period',
  }),
  distributorSampling: limit('distributor_sampling', {
    key: 'distributor.sampling',
    type: 'data',
    default: '{}',
    read: readSampling,
    unit: 'usage_groups with a probability each',
    meaning:
      'Share of the profiles of a usage group that is kept; the others are dropped with success (but see keep_stripped_profiles). Where several groups match, the smallest share counts',
  }),
  keepStrippedProfiles: limit('keep_stripped_profiles', {
    key: 'distributor.sampling.keep-stripped-profiles',
    type: 'bool',
    default: false,
    meaning:
      'Of a profile that distributor_sampling leaves out its sum is stored, without stacks and without labels of samples, as a series with __sampled__="true". Only SelectSeries sees it, where include_stripped_profiles is on',
  }),
  maxConcurrentPushes: limit('max_concurrent_pushes', {
    key: 'distributor.max-concurrent-pushes',
    type: 'int',
    default: 0,
    unit: 'pushes',
    meaning: 'Pushes of one tenant that are taken in at once; above it 429. 0 = any number',
  }),
  ingestionArtificialDelayMs: limit('ingestion_artificial_delay', {
    key: 'distributor.ingestion-artificial-delay',
    type: 'duration',
    default: 0,
    max: 600_000,
    meaning: 'The answer to a push comes no sooner than this after the request',
  }),
  ingestionTenantShardSize: limit('ingestion_tenant_shard_size', {
    key: 'distributor.ingestion-tenant-shard-size',
    type: 'int',
    default: 0,
    unit: 'partitions',
    meaning:
      'Partitions that the services of one tenant are spread over, 3 at least. A push that is sent again after a change may lie in another one and count twice until its block is merged. 0 = all',
  }),
  maxLocalSeriesPerTenant: limit('max_local_series_per_tenant', {
    key: 'ingester.max-local-series-per-tenant',
    type: 'int',
    default: 0,
    unit: 'series',
    meaning:
      'Series of one tenant that may be active, which is: pushed within the last hour. A profile that has a new one above it is refused with 429. 0 = any number',
  }),
  maxGlobalSeriesPerTenant: limit('max_global_series_per_tenant', {
    key: 'ingester.max-global-series-per-tenant',
    type: 'int',
    default: 0,
    unit: 'series',
    meaning:
      'The same, over all processes. Series are counted in the process that takes the push in, and there is one that does: so the smaller of both counts. A start begins at none. 0 = any number',
  }),
};
