import { expect, test } from 'vitest';
import { MemoryLedger } from '@kiln/async';
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

test('what others hold below the ceiling of the process leaves less for heads: first the largest is cut, then reading stops', async () => {
  const ledger = MemoryLedger.create(100 * MB);
  const budget = Budget.create(80 * MB, 2, ledger);
  set(budget, 0, 30, 0, 10);
  set(budget, 1, 20);
  expect(ledger.bytesOf('heads')).toBe(60 * MB);
  expect([budget.shouldCut(0), budget.over]).toEqual([false, false]);
  const woken = budget.changed();
  ledger.move('merges', 0, 30 * MB);
  await woken; // 60 MB are left, and the heads take 50
  expect([budget.shouldCut(0), budget.shouldCut(1), budget.over]).toEqual([true, false, false]);
  ledger.move('merges', 30 * MB, 45 * MB);
  expect(budget.over).toBe(true);
  expect(budget.reason).toMatch(/holds 110100480 bytes .*below 104857600 \(memory\.ceiling\)/);
  set(budget, 0, 0, 0, 10);
  expect(budget.over).toBe(false);
  set(budget, 0, 0);
  set(budget, 1, 0);
  expect(ledger.bytesOf('heads')).toBe(0);
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
