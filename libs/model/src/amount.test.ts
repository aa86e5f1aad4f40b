import fc from 'fast-check';
import { expect, it } from 'vitest';
import { amountText } from './amount.ts';

it('an amount is told in the largest unit of which it is one, as it is rounded', () => {
  const texts = (unit: string, ...values: (number | bigint)[]): string[] => values.map((v) => amountText(v, unit));
  expect(texts('nanoseconds', 0, 999, 999.7, 999_949, 999_999n, 59_949_999_999n, 59_999_999_999n)).toEqual([
    '0 ns',
    '999 ns',
    '1.0 µs',
    '999.9 µs',
    '1.0 ms',
    '59.9 s',
    '1.0 min',
  ]);
  expect(texts('seconds', 3599.999, 36_000, 86_399, 864_000, 365 * 86_400, 2n * 365n * 86_400n)).toEqual([
    '1.0 h',
    '10.0 h',
    '1.0 d',
    '10.0 d',
    '1.0 y',
    '2.0 y',
  ]);
  expect(texts('bytes', 1023n, 1023.6, 2 ** 20 - 1, 2 ** 20, 5000 * 2 ** 40, 2n ** 63n - 1n)).toEqual([
    '1,023 bytes',
    '1.0 KiB',
    '1.0 MiB',
    '1.0 MiB',
    '4.9 PiB',
    '8.0 EiB',
  ]);
});

it('what has a unit of its own, or none, is told digit by digit', () => {
  expect(amountText(2n ** 63n - 1n, 'count')).toBe('9,223,372,036,854,775,807');
  expect(amountText(1234, 'samples')).toBe('1,234 samples');
  expect(amountText(3.333, 'count')).toBe('3.33');
});

it('no time reads as one or more of the next unit', () => {
  const most = new Map([
    ['ns', 1000],
    ['µs', 1000],
    ['ms', 1000],
    ['s', 60],
    ['min', 60],
    ['h', 24],
    ['d', 365],
  ]);
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), fc.integer({ min: 0, max: 62 }), (value, shift) => {
      const [count, unit] = amountText(value >> BigInt(shift), 'nanoseconds').split(' ');
      expect(Number(count)).toBeLessThan(most.get(unit!) ?? Number.POSITIVE_INFINITY);
    }),
  );
});
