import { ManualClock } from '@kiln/async';
import { createLogger, createMetrics } from '@kiln/telemetry';
import { expect, test } from 'vitest';
import { LeftOut } from './left-out.ts';

const HOUR = 3_600_000;

test('what queries could not read is told once, counted and named until no query has met it for an hour', async () => {
  const clock = new ManualClock(0);
  const lines: string[] = [];
  const log = createLogger({ level: 'info', write: (line) => void lines.push(line), nowMs: () => clock.nowMs() });
  const metrics = createMetrics({ ofProcess: false });
  const leftOut = new LeftOut(clock, { log, metrics });
  const gap = { object: 'tenants/a/b/1', reason: 'cpu of web cannot be read: checksum' };
  const counted = async (): Promise<string | undefined> =>
    /^kiln_querier_damaged_pieces (.*)$/m.exec(await metrics.text())?.[1];
  expect([leftOut.notes(), await counted()]).toEqual([[], '0']);
  leftOut.met([gap]);
  await clock.advance(HOUR);
  leftOut.met([gap]);
  await clock.advance(HOUR);
  expect(leftOut.notes()).toEqual([
    'querier: answers lacked tenants/a/b/1: cpu of web cannot be read: checksum (last met at 01:00 UTC); kiln verify says what to do',
  ]);
  expect(await counted()).toBe('1');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/level=warn .*tenants\/a\/b\/1/);
  await clock.advance(1);
  expect([leftOut.notes(), await counted()]).toEqual([[], '0']);
  leftOut.met([gap]);
  expect(lines).toHaveLength(2);
});

test('of very many damaged pieces a hundred are told, and ten are named', () => {
  const lines: string[] = [];
  const log = createLogger({ level: 'info', write: (line) => void lines.push(line), nowMs: () => 0 });
  const leftOut = new LeftOut(new ManualClock(0), { log, metrics: createMetrics({ ofProcess: false }) });
  for (let i = 0; i < 300; i++) leftOut.met([{ object: `o${i}`, reason: 'the object is gone' }]);
  expect(lines).toHaveLength(100);
  expect(leftOut.notes()).toHaveLength(11);
  expect(leftOut.notes()[0]).toContain('o99: ');
  expect(leftOut.notes()[10]).toBe('querier: answers of the last hour lacked 90 more pieces');
});
