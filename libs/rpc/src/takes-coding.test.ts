import { expect, test } from 'vitest';
import { takesCoding } from './takes-coding.ts';

test.each([
  ['gzip', true],
  ['br;q=1, GZIP;q=0.5', true],
  ['deflate ,gzip ; q=0.001', true],
  ['', false],
  ['x-gzip, br', false],
  ['gzip;q=0', false],
  ['br, gzip; q=0.000, identity', false],
])('of %j gzip is taken: %s', (accepted, want) => {
  expect(takesCoding(accepted, 'gzip')).toBe(want);
});
