import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { memoryStore } from '@kiln/objstore';
import { expect, test } from 'vitest';
import { HOUR_MS, storeRanges, type RangeStore } from './range-data.ts';
import { fullRanges, questions, rangeRows, rangeTable, type RangeRow } from './range-rows.ts';

const small: RangeStore = {
  services: [
    { name: 'many', series: 30, everyMs: 300_000, days: 8 },
    { name: 'dense', series: 3, everyMs: 60_000, days: 1 },
  ],
  stacks: 200,
  draws: 60,
};

test('long ranges in small: every sum is what was stored, and what roll-ups hold is read from them', async () => {
  const objects = memoryStore();
  const stored = await storeRanges(objects, small);
  const asked = questions(small, stored);
  const rows = await rangeRows(objects, asked, 1);
  const find = (service: string, what: string): RangeRow =>
    rows.find((row) => row.service === service && row.what === what)!;
  const perDay = BigInt(stored.perDay.get('many')!.total);
  expect([perDay > 0n, stored.days, stored.perDay.get('many')!.rows]).toEqual([true, 8, 30 * 288]);
  const day = find('many', 'flame graph, 24 h');
  const week = find('many', 'flame graph, 7 d');
  expect([day.total, day.stats.objects, day.stats.pages]).toEqual([perDay, 1, 0]);
  expect([week.total, week.stats.objects, week.stats.pages]).toEqual([perDay * 7n, 7, 0]);
  const hour = find('many', 'flame graph, 1 h');
  expect([hour.stats.buckets, hour.stats.pages, hour.stats.resolutionMs]).toEqual([1, 0, HOUR_MS]);
  const one = find('dense', 'flame graph, 24 h, one series');
  const rest = find('dense', 'flame graph, 24 h, all series but one');
  expect(one.total! + rest.total!).toBe(BigInt(stored.perDay.get('dense')!.total));
  expect([one.stats.buckets, rest.stats.buckets]).toEqual([0, 0]);
  const lines = rangeTable(small, stored, rows).split('\n');
  expect(lines.filter((line) => line.includes('flame graph') || line.includes('series,'))).toHaveLength(asked.length);
});

test('the table of docs/storage.md has the rows that the bench makes for it', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/storage.md'), 'utf8');
  const shown = [...page.matchAll(/^\| `(\w+)` \| ((?:flame graph|series), [^|]+) \|/gm)].map(([, service, what]) => [
    service,
    what,
  ]);
  const days = Math.max(...fullRanges.services.map((service) => service.days));
  const asked = questions(fullRanges, { days, bytes: 0, perDay: new Map() });
  expect(shown).toEqual(asked.map(({ service, what }) => [service, what]));
});
