import { expect, test } from 'vitest';
import { ManualClock } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import { createLogger, type LogLevel } from '@kiln/telemetry';
import { PushLog } from './push-log.ts';

const sent = { tenant: 'team-a' as TenantId, path: '/ingest', traceId: '0af7651916cd43dd8448eb211c80319c' };

function logged(level: LogLevel) {
  const lines: string[] = [];
  const clock = new ManualClock(1_800_000_000_000);
  const log = createLogger({ level, write: (line) => lines.push(line), nowMs: () => clock.nowMs() });
  return { lines, clock, pushes: new PushLog(log, clock) };
}

const refused = (): Promise<never> => Promise.reject(new KilnError('invalid_argument', 'no\nway'));

test('a push that is stored is one line of level debug: whose, of which trace, by which path, how long', async () => {
  const { lines, clock, pushes } = logged('debug');
  expect(
    await pushes.tell(sent, async () => {
      await clock.advance(12);
      return 'done';
    }),
  ).toBe('done');
  expect(lines).toEqual([
    'ts=2027-01-15T08:00:00.012Z level=debug msg=push tenant=team-a traceId=0af7651916cd43dd8448eb211c80319c path=/ingest ms=12 outcome=stored\n',
  ]);
});

test('one that is refused is told with its code and why, also where stored ones are not', async () => {
  const { lines, pushes } = logged('info');
  await pushes.tell(sent, () => Promise.resolve());
  await expect(pushes.tell({ ...sent, traceId: undefined }, refused)).rejects.toThrow('no');
  expect(lines).toEqual([
    'ts=2027-01-15T08:00:00.000Z level=info msg=push tenant=team-a path=/ingest ms=0 outcome=invalid_argument why="no\\nway"\n',
  ]);
});

test('a flood of refusals is ten lines a second, and the next one says how many there were more', async () => {
  const { lines, clock, pushes } = logged('info');
  for (let i = 0; i < 25; i++) await expect(pushes.tell(sent, refused)).rejects.toThrow('no');
  expect(lines).toHaveLength(10);
  await clock.advance(1_000);
  await expect(pushes.tell(sent, refused)).rejects.toThrow('no');
  expect(lines.at(-1)).toContain('untold=15');
  await expect(pushes.tell(sent, refused)).rejects.toThrow('no');
  expect(lines.at(-1)).not.toContain('untold');
});
