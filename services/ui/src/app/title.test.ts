import { expect, it } from 'vitest';
import { plainAddress } from './address.ts';
import { shortText } from './short-text.ts';
import { titleOf } from './title.ts';

it('a tab says what is looked at before it says where', () => {
  expect(titleOf(plainAddress)).toBe('Services · Kiln');
  expect(
    titleOf({
      ...plainAddress,
      view: 'explore',
      kind: 'process_cpu:cpu:nanoseconds:cpu:nanoseconds',
      selector: '{service_name="shop"}',
    }),
  ).toBe('{service_name="shop"} · CPU time · Explore · Kiln');
});

it('a text that is shortened keeps both its ends, whole characters and one line', () => {
  expect(shortText('short', 5)).toBe('short');
  expect(shortText('two\n  lines', 20)).toBe('two lines');
  const long = `${'🔥'.repeat(1000)}end`;
  expect(Array.from(shortText(long, 20))).toHaveLength(20);
  expect(shortText(long, 20)).toMatch(/^(🔥)+….*end$/u);
});
