import { expect, test } from 'vitest';
import { tableText } from './table-text.ts';

test('a table may have as many rows as there are blocks of ten thousand tenants', () => {
  const rows = Array.from({ length: 200_000 }, (_, row) => ['tenant', String(row)]);
  const text = tableText([['who', 'row'], ...rows]);
  expect(text.length).toBe(200_001 * 'tenant  199999\n'.length);
  expect(text.slice(0, 30)).toBe('who        row\ntenant       0\n');
});
