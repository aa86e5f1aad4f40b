import { ManualClock } from '@kiln/async';
import { createLogger } from '@kiln/telemetry';
import { expect, test } from 'vitest';
import { AppendTroubles } from './append-troubles.ts';

test('when appends begin to fail, one line of the log says so, and one when none has failed for a while', async () => {
  const clock = new ManualClock(0);
  const lines: string[] = [];
  const log = createLogger({ level: 'info', write: (line) => void lines.push(line), nowMs: () => clock.nowMs() });
  const troubles = new AppendTroubles(clock, log);
  troubles.over(0);
  for (let i = 0; i < 10; i++) {
    troubles.failed(i % 2, 'the disk is full');
    troubles.over(1);
    await clock.advance(1_000);
  }
  expect(lines).toEqual([expect.stringMatching(/level=warn msg="appends to the log fail.*why="the disk is full"/)]);
  troubles.over(0);
  await clock.advance(5_000);
  troubles.over(1);
  troubles.over(1);
  expect(lines).toEqual([
    lines[0],
    expect.stringMatching(/level=info msg="appends to the log succeed again" seconds=15/),
  ]);
  troubles.failed(3, 'no');
  expect(lines).toHaveLength(3);
});
