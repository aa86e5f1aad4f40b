import { describe, expect, test } from 'vitest';
import { ConfigError } from '@kiln/config';
import { parseTenantId } from '@kiln/model';
import { defaultLimits, readOverrides, TenantLimits } from './index.ts';

const [a, b, c] = ['a', 'b', 'c'].map((name) => parseTenantId(name)) as [never, never, never];
const read = (...trees: unknown[]): ReturnType<typeof readOverrides> =>
  readOverrides(trees.map((tree, i) => ({ name: `f${i}.yaml`, tree })));

describe('overrides', () => {
  test('hold for their tenant, field by field over the limits of the process; later files win', () => {
    const limits = new TenantLimits({ ...defaultLimits, maxLabelNameLength: 7 });
    limits.replace(
      read(
        {
          overrides: { a: { ingestion_rate_mb: 1.5, reject_older_than: '2h' }, b: { max_profile_size_bytes: '1MiB' } },
        },
        { overrides: { a: { ingestion_rate_mb: 3, disable_label_sanitization: false } } },
        { overrides: null },
      ),
    );
    expect(limits.of(a)).toEqual({
      ...defaultLimits,
      maxLabelNameLength: 7,
      ingestionRateMb: 3,
      rejectOlderThanMs: 7_200_000,
      disableLabelSanitization: false,
    });
    expect(limits.of(b)).toEqual({ ...defaultLimits, maxLabelNameLength: 7, maxProfileSizeBytes: 1_048_576 });
    expect(limits.of(c)).toEqual({ ...defaultLimits, maxLabelNameLength: 7 });
    limits.replace(read({ overrides: { b: {} } }));
    expect(limits.of(a)).toEqual(limits.of(b));
  });

  test('say for how long any tenant may ask for what is appended now, also those that no file names', () => {
    const limits = new TenantLimits({ ...defaultLimits, retentionPeriodMs: 7_200_000, rejectNewerThanMs: 1_000 });
    const longest = (tree: unknown): number => {
      limits.replace(read(tree));
      return limits.longestReachMs;
    };
    expect(longest({ overrides: { a: { retention_period: '1h' } } })).toBe(7_201_000);
    expect(longest({ overrides: { a: { retention_period: '3h' }, b: {} } })).toBe(10_801_000);
    expect(longest({ overrides: { a: { reject_newer_than: '1h' } } })).toBe(10_800_000);
    expect(longest({ overrides: { a: { reject_newer_than: 0 } } })).toBe(Infinity);
    expect(longest({ overrides: { a: { retention_period: '3h' }, b: { retention_period: 0 } } })).toBe(Infinity);
  });

  test('of parts of Pyroscope that Kiln does not have are passed over', () => {
    const tree = { overrides: { a: { compactor_split_groups: 2, write_path: 'combined', retention_period: '1d' } } };
    expect(read(tree).get(a)).toEqual({ retentionPeriodMs: 86_400_000 });
    const off = { distributor_aggregation_window: '15s', push_max_concurrency: 4, recording_rules: [] };
    expect(read({ overrides: { a: { ...off, symbolizer: { enabled: false } } } }).get(a)).toEqual({});
  });

  test('with parts are held as one text, equal for equal values', () => {
    const limit = {
      limit_reached: true,
      period_type: 'day',
      sampling: { period: '1m', num_requests: 5 },
      usage_groups: null,
    };
    const own = read({
      overrides: {
        a: {
          ingestion_limit: limit,
          distributor_usage_groups: { shops: '{service_name=~"shop.*"}' },
          distributor_sampling: { usage_groups: { shops: { probability: 0.5 } } },
        },
      },
    }).get(a);
    expect(own).toEqual({
      ingestionLimit: '{"period_type":"day","limit_reached":true,"sampling":{"num_requests":5,"period":"1m"}}',
      distributorUsageGroups: '{"shops":"{service_name=~\\"shop.*\\"}"}',
      distributorSampling: '{"usage_groups":{"shops":{"probability":0.5}}}',
    });
  });

  test.each([
    ['s3_sse_type', 'SSE-S3', 'is not obeyed here: there is no S3'],
    ['distributor_usage_groups', { a: '{' }, 'group "a": invalid selector at character 2'],
    ['distributor_usage_groups', { other: '{}' }, 'group "other": this name is taken'],
    [
      'distributor_usage_groups',
      { 'x-${env.a}': '{}' },
      'a name is filled in from labels as ${labels.NAME}, nothing else',
    ],
    [
      'distributor_usage_groups',
      { 'x-${labels.a': '{}' },
      'a name is filled in from labels as ${labels.NAME}, nothing else',
    ],
    ['distributor_usage_groups', ['a'], 'must hold values by name'],
    [
      'distributor_sampling',
      { usage_groups: { a: { probability: 2 } } },
      'group "a", field probability is 2, must be a number from 0 to 1',
    ],
    ['distributor_sampling', { usage_groups: { a: {} } }, 'field probability is missing, must be'],
    ['ingestion_limit', { reached: true }, 'field reached is unknown: known are period_type, period_limit_mb'],
    ['ingestion_limit', { limit_reached: 'yes' }, 'field limit_reached must be true or false'],
    ['ingestion_limit', { sampling: { period: 5 } }, 'field sampling.period must be a duration'],
    ['ingestion_limit', { sampling: { num_requests: 1.5 } }, 'field sampling.num_requests must be a whole number'],
  ])('of %s that cannot be meant are refused: %j', (key, value, sentence) => {
    const reading = (): unknown => read({ overrides: { a: { [key]: value } } });
    expect(reading).toThrow(ConfigError);
    expect(reading).toThrow(`${key} in overrides.a in f0.yaml`);
    expect(reading).toThrow(sentence);
  });

  test.each([
    ['', 'f0.yaml is empty: a file without overrides says "overrides: {}"'],
    [[], 'f0.yaml must hold "overrides:" with limits by tenant'],
    [{ override: {} }, 'unknown key override in f0.yaml: did you mean overrides?'],
    [{ overrides: ['a'] }, 'overrides in f0.yaml must hold limits by tenant'],
    [{ overrides: { '../a': {} } }, 'overrides in f0.yaml: invalid org id "../a"'],
    [{ overrides: { 'a|b': {} } }, 'overrides in f0.yaml: multiple org ids present'],
    [{ overrides: { a: 5 } }, 'overrides.a in f0.yaml must hold settings by name'],
    [{ overrides: { a: { ingestion_rate: 5 } } }, 'unknown key ingestion_rate in overrides.a in f0.yaml: did you mean'],
    [
      { overrides: { a: { ingestion_relabeling_rules: [{ target_label: 'a' }, { action: 'drop', regex: '(' }] } } },
      'invalid regex of ingestion_relabeling_rules in overrides.a in f0.yaml, rule 2',
    ],
    [
      { overrides: { a: { sample_type_relabeling_rules: [{ target_label: '__type__' }] } } },
      'sample_type_relabeling_rules in overrides.a in f0.yaml, rule 1, field target_label is __type__: sample types can be kept or dropped, not renamed',
    ],
    [
      { overrides: { a: { ingestion_relabeling_default_rules_position: 'middle' } } },
      'is "middle", must be one of first, last, disabled',
    ],
    [
      { overrides: { a: { reject_older_than: 5 } } },
      'reject_older_than in overrides.a in f0.yaml is "5", must be a dur',
    ],
    [
      { overrides: { a: { max_label_name_length: -1 } } },
      'max_label_name_length in overrides.a in f0.yaml is -1, must',
    ],
  ])('that cannot be meant are refused in a sentence: %j', (tree, sentence) => {
    const reading = (): unknown => read(tree === '' ? null : tree);
    expect(reading).toThrow(ConfigError);
    expect(reading).toThrow(sentence);
  });
});
