import { ConfigError } from '@kiln/config';

/** What happens to a limit of Pyroscope that Kiln does not have, in a file of limits. */
export interface OtherLimit {
  /** `passed over`: a file may serve both. `refused`: who sets it counts on what would not happen. */
  readonly fate: 'passed over' | 'refused';
  /** In the words that follow "because": why Kiln has no use for it, or what it would need. */
  readonly why: string;
}

const passedOver = (why: string): OtherLimit => ({ fate: 'passed over', why });
const refused = (why: string): OtherLimit => ({ fate: 'refused', why });

const v1 = passedOver('it steers the storage of Pyroscope v1, which Kiln does not have');
const oneWay = passedOver('Kiln has one write path');
const placement = passedOver('a service has one partition, whatever it sends');
const sse = refused('there is no S3 here that could encrypt what is stored; it is no limit of pushes or queries');
const aggregation = passedOver(
  'it merges profiles of busy series before they are stored, so that fewer are, and answers before they are: here each is durable when it is answered and keeps its own time. Sums are the same, and blocks carry roll-ups of them',
);

/** Every other limit of contract/pyroscope.md §6.1, by its name in the file. */
export const otherLimits: ReadonlyMap<string, OtherLimit> = new Map(
  Object.entries({
    distributor_aggregation_window: aggregation,
    distributor_aggregation_period: aggregation,
    push_max_concurrency: passedOver(
      'it bounds the series of one push that are worked on at once, and here they are worked on one after the other; max_concurrent_pushes bounds the pushes',
    ),
    enforce_labels_order: passedOver('labels are always stored in one order'),
    max_query_parallelism: passedOver(
      'a query is not split; querier.max-concurrent and max_concurrent_queries bound how many run',
    ),
    split_queries_by_interval: passedOver('a query is not split: what it reads is bounded by what covers its range'),
    query_sanitize_on_merge: passedOver('profiles are checked and mended before they are stored'),
    max_async_query_concurrency: passedOver('every query is answered in its own response'),
    query_tree_enabled: passedOver('trees are merged in one way'),
    store_gateway_tenant_shard_size: v1,
    compactor_blocks_retention_period: passedOver('it steers the storage of Pyroscope v1; retention_period is obeyed'),
    compactor_split_and_merge_shards: v1,
    compactor_split_and_merge_stage_size: v1,
    compactor_split_groups: v1,
    compactor_tenant_shard_size: v1,
    compactor_partial_block_deletion_delay: v1,
    compactor_downsampler_enabled: v1,
    s3_sse_type: sse,
    s3_sse_kms_key_id: sse,
    s3_sse_kms_encryption_context: sse,
    write_path: oneWay,
    write_path_ingester_weight: oneWay,
    write_path_segment_writer_weight: oneWay,
    write_path_segment_writer_timeout: oneWay,
    write_path_compression: oneWay,
    async_ingest: passedOver('a push is answered when it is durable, never before'),
    enable_query_backend: passedOver('Kiln has one read path'),
    enable_query_backend_from: passedOver('Kiln has one read path'),
    adaptive_placement_tenant_shards: placement,
    adaptive_placement_default_dataset_shards: placement,
    adaptive_placement_min_dataset_shards: placement,
    adaptive_placement_max_dataset_shards: placement,
    adaptive_placement_load_balancing: placement,
    adaptive_placement_unit_size_bytes: placement,
    adaptive_placement_burst_window: placement,
    adaptive_placement_decay_window: placement,
    recording_rules: refused('profiles are not turned into metrics yet; they are no limit of pushes or queries'),
    max_recording_rules: passedOver('there are no recording rules'),
    symbolizer: refused('native frames are not symbolised yet; it is no limit of pushes or queries'),
  } satisfies Record<string, OtherLimit>),
);

/**
 * Limits by name, as parsed, without those that Kiln does not have: a file may serve both.
 * @throws ConfigError for one that nobody may count on.
 */
export function withoutOtherLimits(values: unknown, where: string): unknown {
  if (!isRecord(values)) return values;
  const own = Object.entries(values).filter(([key, value]) => {
    const other = otherLimits.get(key);
    if (other?.fate === 'refused' && !asksNothing(value))
      throw new ConfigError(`${key} in ${where} is not obeyed here: ${other.why}`);
    return other === undefined;
  });
  return Object.fromEntries(own);
}

/** What the default says too: off, nothing, none. */
function asksNothing(value: unknown): boolean {
  if (isRecord(value)) return value['enabled'] === false || Object.keys(value).length === 0;
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value === 'string') return value === '' || /^0(ms|s|m|h)$/.test(value);
  return value === null || value === false || value === 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
