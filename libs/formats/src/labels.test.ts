import { describe, expect, test } from 'vitest';
import type { KilnError, Label } from '@kiln/model';
import { checkLabels, SeriesLabels } from './labels.ts';
import type { ProfileLimits } from './limits.ts';
import { limits } from './test-support/show-profile.ts';

const pairs = (text: string): Label[] =>
  text === ''
    ? []
    : text
        .split(',')
        .map((pair) => ({ name: pair.slice(0, pair.indexOf('=')), value: pair.slice(pair.indexOf('=') + 1) }));

function stored(pushed: string, sample = '', some: Partial<ProfileLimits> = {}): string {
  try {
    return new SeriesLabels(pairs(pushed), { ...limits, ...some })
      .with(pairs(sample))!
      .map(({ name, value }) => `${name}=${value}`)
      .join(',');
  } catch (error) {
    return `${(error as KilnError).code} ${(error as KilnError).reason}`;
  }
}

describe('stored labels', () => {
  test('are sorted, with a service, without what speaks to the server or is derived from the data', () => {
    expect(stored('__name__=memory,b=2,a=1')).toBe('__name__=memory,a=1,b=2,service_name=unknown_service');
    expect(stored('__name__=memory,service_name=')).toBe('__name__=memory,service_name=unknown_service');
    const spoken =
      '__delta__=false,__order__=enforced,__type__=x,__unit__=x,__period_type__=x,__period_unit__=x,__profile_type__=x,__service_name__=x';
    expect(stored(`__name__=memory,service_name=s,${spoken}`)).toBe('__name__=memory,service_name=s');
    expect(stored('__name__=memory,service_name=s,empty=')).toBe('__name__=memory,service_name=s');
  });

  test('keep dots and any UTF-8, unless sanitised', () => {
    expect(stored('__name__=m,service_name=s,otel.scope.name=x,größe=1')).toBe(
      '__name__=m,größe=1,otel.scope.name=x,service_name=s',
    );
    const strict = { disableLabelSanitization: false };
    expect(stored('__name__=m,service_name=s,a.b=x', '', strict)).toBe('__name__=m,a_b=x,service_name=s');
    expect(stored('__name__=m,service_name=s,a.b=x,a_b=x', '', strict)).toBe('__name__=m,a_b=x,service_name=s');
    expect(stored('__name__=m,service_name=s,a.b=x,a_b=y', '', strict)).toBe('invalid_argument duplicate_label_names');
    expect(stored('__name__=m,service_name=s,größe=1', '', strict)).toBe('invalid_argument invalid_labels');
  });

  test('of equal copies are one, of different copies refused', () => {
    expect(stored('__name__=m,service_name=s,a=1,a=1')).toBe('__name__=m,a=1,service_name=s');
    expect(stored('__name__=m,service_name=s,a=1,a=2')).toBe('invalid_argument duplicate_label_names');
  });

  test('of godeltaprof lose their prefix', () => {
    expect(stored('__name__=godeltaprof_memory,service_name=s')).toBe(
      '__name__=memory,__name_replaced__=godeltaprof_memory,service_name=s',
    );
    expect(stored('__name__=wall,service_name=s,__type__=cpu')).toBe('__name__=process_cpu,service_name=s');
    expect(stored('__name__=wall,service_name=s')).toBe('__name__=wall,service_name=s');
  });

  test('win against sample labels of the same name', () => {
    expect(stored('__name__=m,service_name=s,a=1', 'a=2,b=3,c=')).toBe('__name__=m,a=1,b=3,service_name=s');
  });

  test('hold sessions modulo the limit, or none', () => {
    const session = '__name__=m,service_name=s,__session_id__=0a00000000000000';
    expect(stored(session)).toBe('__name__=m,service_name=s');
    expect(stored(session, '', { maxSessionsPerSeries: 4 })).toBe(
      '__name__=m,__session_id__=0200000000000000,service_name=s',
    );
    expect(stored('__name__=m,service_name=s,__session_id__=zz', '', { maxSessionsPerSeries: 4 })).toBe(
      '__name__=m,service_name=s',
    );
  });
});

describe('labels over a limit', () => {
  test('are refused with what was found, the limit and its name', () => {
    const long = 'v'.repeat(2049);
    expect(stored(`__name__=m,service_name=s,a=${long}`)).toBe('invalid_argument label_value_too_long');
    expect(() => checkLabels(pairs(`__name__=m,a=${long}`), limits)).toThrow(
      'label value of "a" too long: 2049 bytes, limit 2048 (max_label_value_length)',
    );
    expect(stored(`__name__=m,service_name=s,a=${'é'.repeat(1025)}`)).toBe('invalid_argument label_value_too_long');
    expect(stored(`__name__=m,service_name=s,a=${'é'.repeat(1024)}`)).toContain('é');
    expect(stored(`__name__=m,service_name=s,${'n'.repeat(1025)}=1`)).toBe('invalid_argument label_name_too_long');
    expect(stored('__name__=m,service_name=s,a=1', 'b=1', { maxLabelNamesPerSeries: 3 })).toBe(
      'invalid_argument max_label_names_per_series',
    );
    expect(stored('__name__=m,service_name=s,a=1', '', { maxLabelNamesPerSeries: 3 })).toBe(
      '__name__=m,a=1,service_name=s',
    );
  });

  test('or without a name, a kind or valid text are refused', () => {
    expect(stored('service_name=s')).toBe('invalid_argument invalid_labels');
    expect(stored('__name__=a:b,service_name=s')).toBe('invalid_argument invalid_labels');
    expect(stored('__name__=m,=x')).toBe('invalid_argument invalid_labels');
    expect(stored('__name__=m,a=\ud800')).toBe('invalid_argument invalid_labels');
  });
});
