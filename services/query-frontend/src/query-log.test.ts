import { expect, test } from 'vitest';
import { ManualClock } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import { createLogger } from '@kiln/telemetry';
import { QueryLog } from './query-log.ts';

const asked = {
  tenants: ['team-a', 'team-b'] as TenantId[],
  method: 'SelectSeries',
  traceId: '0af7651916cd43dd8448eb211c80319c',
};

function logged() {
  const lines: string[] = [];
  const clock = new ManualClock(1_800_000_000_000);
  const log = createLogger({ level: 'info', write: (line) => lines.push(line), nowMs: () => clock.nowMs() });
  return { lines, clock, queries: new QueryLog(log, clock) };
}

test('a query is one line: whose, of which trace, what, how long, its range, what it read, how it ended', async () => {
  const { lines, clock, queries } = logged();
  await queries.tell(asked, async () => {
    await clock.advance(12);
    const took = { startMs: 1, endMs: 2, objects: 3, bytes: 4 };
    return { message: new Uint8Array(0), isGzip: false, headers: {}, took };
  });
  expect(lines).toEqual([
    'ts=2027-01-15T08:00:00.012Z level=info msg=query tenant=team-a|team-b traceId=0af7651916cd43dd8448eb211c80319c method=SelectSeries ms=12 outcome=answered startMs=1 endMs=2 objects=3 bytes=4\n',
  ]);
});

test('one that fails says with which code and why; no trace is left out', async () => {
  const { lines, queries } = logged();
  const fails = queries.tell({ ...asked, traceId: undefined }, () =>
    Promise.reject(new KilnError('invalid_argument', 'no\nway')),
  );
  await expect(fails).rejects.toThrow('no');
  expect(lines).toEqual([
    expect.stringMatching(/ method=SelectSeries ms=0 outcome=invalid_argument why="no\\nway"\n$/),
  ]);
  expect(lines[0]).not.toContain('traceId');
});
