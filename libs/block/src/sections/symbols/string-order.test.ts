import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringColumn } from '../../columns.ts';
import { sortByBytes } from './string-order.ts';

test('strings come out in the order of their bytes, whatever prefixes they share', () => {
  const text = fc
    .tuple(
      fc.constantFrom('', 'a', 'github.com/x/', 'github.com/x/y', 'ab', 'ä'),
      fc.string({ maxLength: 6, unit: fc.constantFrom('a', 'b', 'é', '日', '.') }),
    )
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.uniqueArray(text, { maxLength: 120 }), (texts) => {
      const rows = Uint32Array.from(texts.keys());
      sortByBytes(rows, stringColumn(texts));
      const want = texts.map((own) => Buffer.from(own)).toSorted((x, y) => Buffer.compare(x, y));
      expect([...rows].map((row) => texts[row])).toEqual(want.map(String));
    }),
  );
});

test('strings of NUL bytes end the sort like any other', () => {
  const texts = Array.from({ length: 40 }, (_, i) => '\0'.repeat(i));
  const rows = Uint32Array.from(texts.keys());
  sortByBytes(rows, stringColumn(texts));
  expect([...rows].toSorted((a, b) => a - b)).toEqual([...texts.keys()]);
});
