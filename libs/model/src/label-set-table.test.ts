import { describe, expect, test } from 'vitest';
import { LabelSetTable } from './label-set-table.ts';
import { labelSet, type LabelSet } from './label-set.ts';

const set = (labels: Record<string, string>): LabelSet =>
  labelSet(Object.entries(labels).map(([name, value]) => ({ name, value })));

describe('a label set table', () => {
  test('numbers sets by their labels alone, however the texts could run together', () => {
    const table = new LabelSetTable();
    const sets = [
      set({}),
      set({ a: 'b' }),
      set({ ab: '' }),
      set({ a: 'bc' }),
      set({ ab: 'c' }),
      set({ a: 'b', c: 'd' }),
      set({ a: 'd', c: 'b' }),
      set({ c: 'd' }),
      set({ 'ä\ud83d\ude00': '\u0000' }),
    ];
    expect(sets.map((one) => table.number(one))).toEqual(sets.map((_, i) => i));
    for (const [i, one] of sets.entries()) expect(table.number(one.map((label) => ({ ...label })))).toBe(i);
    expect(table.sets).toEqual(sets);
  });

  test('tells more than 65,536 texts apart', () => {
    const table = new LabelSetTable();
    for (let i = 0; i < 70_000; i++) expect(table.number([{ name: 'a', value: `v${i}` }])).toBe(i);
    for (const i of [0, 65_534, 65_535, 65_536, 69_999]) {
      expect(table.number([{ name: 'a', value: `v${i}` }])).toBe(i);
    }
  });

  test('counts a text that many sets share once', () => {
    const table = new LabelSetTable();
    const long = 'x'.repeat(100_000);
    for (let i = 0; i < 1000; i++) table.number(set({ long, i: String(i) }));
    expect(table.byteLength).toBeGreaterThan(100_000);
    expect(table.byteLength).toBeLessThan(600_000);
  });
});
