import { totalmem } from 'node:os';
import { expect, test } from 'vitest';
import { memoryLimitBytes } from './memory-limit.ts';

const GIB = 2 ** 30;

test('the memory of a process is its container, or the machine where no container constrains it', () => {
  expect(memoryLimitBytes(16 * GIB, 2 * GIB)).toBe(2 * GIB);
  expect(memoryLimitBytes(16 * GIB, 0)).toBe(16 * GIB);
  expect(memoryLimitBytes(16 * GIB, 2 ** 64)).toBe(16 * GIB);
  expect(memoryLimitBytes(16 * GIB, 32 * GIB)).toBe(16 * GIB);
  expect(memoryLimitBytes()).toBeGreaterThan(0);
  expect(memoryLimitBytes()).toBeLessThanOrEqual(totalmem());
});
