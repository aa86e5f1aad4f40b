import { expect, it } from 'vitest';
import { formatBytes, formatDuration, type Setting } from '@kiln/config';
import { limitSettings } from './limits.ts';
import { otherLimits } from './other-limits.ts';

/** Every limit of Pyroscope 2.2 (contract/pyroscope.md §6.1) with its flag there, '' where it has none, and its default. */
const pyroscope = `
ingestion_rate_mb distributor.ingestion-rate-limit-mb 4
ingestion_burst_size_mb distributor.ingestion-burst-size-mb 2
ingestion_body_limit_mb distributor.ingestion-body-limit-mb 256
ingestion_limit - none
distributor_sampling - none
keep_stripped_profiles distributor.sampling.keep-stripped-profiles false
ingestion_tenant_shard_size distributor.ingestion-tenant-shard-size 0
ingestion_artificial_delay distributor.ingestion-artificial-delay 0
push_max_concurrency distributor.push.max-concurrency 256
distributor_usage_groups - none
distributor_aggregation_window distributor.aggregation-window 0
distributor_aggregation_period distributor.aggregation-period 0
ingestion_relabeling_rules distributor.ingestion-relabeling-rules none
ingestion_relabeling_default_rules_position distributor.ingestion-relabeling-default-rules-position first
sample_type_relabeling_rules distributor.sample-type-relabeling-rules none
max_label_name_length validation.max-length-label-name 1024
max_label_value_length validation.max-length-label-value 2048
max_label_names_per_series validation.max-label-names-per-series 30
max_sessions_per_series validation.max-sessions-per-series 0
enforce_labels_order validation.enforce-labels-order false
disable_label_sanitization validation.disable-label-sanitization true
max_profile_size_bytes validation.max-profile-size-bytes 4MiB
max_profile_stacktrace_samples validation.max-profile-stacktrace-samples 16000
max_profile_stacktrace_sample_labels validation.max-profile-stacktrace-sample-labels 100
max_profile_stacktrace_depth validation.max-profile-stacktrace-depth 1000
max_profile_symbol_value_length validation.max-profile-symbol-value-length 65535
reject_older_than validation.reject-older-than 1h
reject_newer_than validation.reject-newer-than 10m
max_local_series_per_tenant ingester.max-local-series-per-tenant 0
max_global_series_per_tenant ingester.max-global-series-per-tenant 5000
max_query_lookback querier.max-query-lookback 7d
max_query_length querier.max-query-length 1d
max_query_parallelism querier.max-query-parallelism 0
query_analysis_enabled querier.query-analysis-enabled true
query_analysis_series_enabled querier.query-analysis-series-enabled false
include_stripped_profiles query-backend.include-stripped-profiles false
max_flamegraph_nodes_default querier.max-flamegraph-nodes-default 8192
max_flamegraph_nodes_max querier.max-flamegraph-nodes-max 1048576
max_flamegraph_nodes_on_select_merge_profile querier.max-flamegraph-nodes-on-select-merge-profile false
split_queries_by_interval querier.split-queries-by-interval 0
query_sanitize_on_merge querier.sanitize-on-merge true
max_async_query_concurrency query-frontend.max-async-query-concurrency 5
store_gateway_tenant_shard_size store-gateway.tenant-shard-size 0
compactor_blocks_retention_period compactor.blocks-retention-period 0
compactor_split_and_merge_shards compactor.split-and-merge-shards 0
compactor_split_and_merge_stage_size compactor.split-and-merge-stage-size 0
compactor_split_groups compactor.split-groups 1
compactor_tenant_shard_size compactor.tenant-shard-size 0
compactor_partial_block_deletion_delay compactor.partial-block-deletion-delay 1d
compactor_downsampler_enabled compactor.compactor-downsampler-enabled true
s3_sse_type - none
s3_sse_kms_key_id - none
s3_sse_kms_encryption_context - none
write_path write-path segment-writer
write_path_ingester_weight write-path.ingester-weight 1
write_path_segment_writer_weight write-path.segment-writer-weight 0
write_path_segment_writer_timeout write-path.segment-writer-timeout 5s
write_path_compression write-path.compression none
async_ingest async-ingest false
enable_query_backend enable-query-backend true
enable_query_backend_from enable-query-backend-from auto
query_tree_enabled querier.query-tree-enabled false
retention_period retention-period 31d
adaptive_placement_tenant_shards adaptive-placement.tenant-shards 0
adaptive_placement_default_dataset_shards adaptive-placement.default-dataset-shards 1
adaptive_placement_min_dataset_shards adaptive-placement.min-dataset-shards 1
adaptive_placement_max_dataset_shards adaptive-placement.max-dataset-shards 1024
adaptive_placement_load_balancing adaptive-placement.load-balancing dynamic
adaptive_placement_unit_size_bytes adaptive-placement.unit-size-bytes 131072
adaptive_placement_burst_window adaptive-placement.burst-window 17m
adaptive_placement_decay_window adaptive-placement.decay-window 19m
recording_rules - none
max_recording_rules recording-rules.max-rules-per-tenant 25
symbolizer - none`
  .trim()
  .split('\n')
  .map((line) => {
    const [name, flag, byDefault] = line.split(' ') as [string, string, string];
    return { name, flag: flag === '-' ? '' : flag, byDefault };
  });

const own = new Map(Object.values<Setting>(limitSettings).map((one) => [one.yaml!.replace(/^limits\./, ''), one]));

it('every limit of Pyroscope is either one of Kiln with the same flag, or one that is said to be passed over or refused', () => {
  const names = pyroscope.map(({ name }) => name);
  expect(names.filter((name) => own.has(name) === otherLimits.has(name))).toEqual([]);
  expect([...otherLimits.keys()].filter((name) => !names.includes(name))).toEqual([]);
  const flags = pyroscope.filter(({ name, flag }) => flag !== '' && own.has(name) && own.get(name)!.key !== flag);
  expect(flags).toEqual([]);
});

it('docs/limits.md says what there is: `npx vitest run libs/tenant --update` writes it', async () => {
  await expect(page()).toMatchFileSnapshot('../../../docs/limits.md');
});

function page(): string {
  const known = new Set(pyroscope.map(({ name }) => name));
  const obeyed = [...own].map(([name, one]) => {
    const theirs = pyroscope.find((other) => other.name === name)?.byDefault ?? 'has none';
    return [`\`${name}\``, `\`${one.key}\``, shown(one), theirs, `${one.meaning}${unit(one)}`];
  });
  const others = [...otherLimits].map(([name, { fate, why }]) => [`\`${name}\``, fate, why]);
  return `# Limits of a tenant

${own.size} limits are obeyed, under \`limits:\` in the file of \`--config.file\` and as flags for every tenant, and under \`overrides: <tenant>:\` in the files of \`--runtime-config.file\` for one. Those files are read again while the process runs: a change holds for the next request; a mistake leaves what held before, and a log line, \`/ready?verbose\` and \`kiln_tenant_overrides_bad\` say so. Values with parts are YAML in a file and JSON in a flag. Names and flags are those of Pyroscope 2.2; ${own.size - [...own.keys()].filter((name) => known.has(name)).length} are Kiln's own.

${table(['Limit', 'Flag', 'Default', 'In Pyroscope', 'Meaning'], obeyed)}

What else Pyroscope has, in any of these files: it is passed over, so that one file may serve both, or refused where who sets it would count on what does not happen here. A value that asks for nothing, such as \`false\` or \`0s\`, is never refused.

${table(['Limit', 'Is', 'Because'], others)}
`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function shown({ type, default: value }: Setting): string {
  if (type === 'duration') return formatDuration(Number(value)).replace(/^0s$/, '0');
  if (type === 'bytes') return formatBytes(Number(value));
  return value === '[]' || value === '{}' ? 'none' : String(value);
}

function unit({ unit: name, type }: Setting): string {
  return name === '' || type === 'duration' || type === 'bytes' ? '' : ` (${name})`;
}
