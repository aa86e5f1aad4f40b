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

  test('of parts of Pyroscope that Kiln does not have are passed over', () => {
    const tree = { overrides: { a: { compactor_split_groups: 2, write_path: 'combined', retention_period: '1d' } } };
    expect(read(tree).get(a)).toEqual({ retentionPeriodMs: 86_400_000 });
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
