import { expect, test } from 'vitest';
import { Budget } from './budget.ts';

const MB = 1024 * 1024;

function set(budget: Budget, slot: number, open: number, frozen = 0, fixed = 0): void {
  budget.set(slot, { openBytes: open * MB, frozenBytes: frozen * MB, fixedBytes: fixed * MB });
}

test('the largest head is the one to cut, and one with a cut in flight is not asked again', () => {
  const budget = Budget.create(100 * MB, 3);
  set(budget, 0, 20);
  set(budget, 1, 30);
  set(budget, 2, 20);
  expect([0, 1, 2].map((slot) => budget.shouldCut(slot))).toEqual([false, false, false]);
  set(budget, 2, 29);
  expect([0, 1, 2].map((slot) => budget.shouldCut(slot))).toEqual([false, true, false]);
  set(budget, 1, 1, 30);
  expect([0, 1, 2].map((slot) => budget.shouldCut(slot))).toEqual([false, false, false]);
  expect(budget.over).toBe(false);
  set(budget, 0, 60);
  expect(budget.over).toBe(true);
  expect([0, 1, 2].map((slot) => budget.shouldCut(slot))).toEqual([true, false, false]);
});

test('ids count, but never leave the heads without room', () => {
  const budget = Budget.create(100 * MB, 1);
  set(budget, 0, 5, 0, 90);
  expect(budget.usedBytes).toBe(95 * MB);
  expect(budget.over).toBe(false);
  set(budget, 0, 5, 0, 500);
  expect(budget.over).toBe(false);
  set(budget, 0, 13, 0, 500);
  expect(budget.over).toBe(true);
  set(budget, 0, 0, 0, 500);
  expect(budget.over).toBe(false);
});

test('another thread sees the same budget and is woken when bytes go', async () => {
  const budget = Budget.create(10 * MB, 2);
  const other = Budget.attach(structuredClone(budget.share()));
  set(budget, 0, 11);
  expect(other.over).toBe(true);
  const woken = other.changed();
  set(budget, 0, 1);
  await woken;
  expect(other.over).toBe(false);
});
