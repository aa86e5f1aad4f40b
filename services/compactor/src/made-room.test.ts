import { ManualClock } from '@kiln/async';
import type { LiveBlock } from '@kiln/catalog';
import type { TenantId } from '@kiln/model';
import { createLogger, createMetrics } from '@kiln/telemetry';
import { expect, test } from 'vitest';
import { MadeRoom } from './made-room.ts';

const HOUR = 3_600_000;

test('what went for want of room is told with its tenant in the log, counted, and noted for a day without one', async () => {
  const clock = new ManualClock(100 * HOUR);
  const lines: string[] = [];
  const log = createLogger({ level: 'info', write: (line) => void lines.push(line), nowMs: () => clock.nowMs() });
  const metrics = createMetrics({ ofProcess: false });
  const madeRoom = new MadeRoom(clock, { log, metrics });
  const block = (maxMs: number, size: number): LiveBlock => ({ maxMs, size }) as LiveBlock;
  const counted = async (what: string): Promise<string | undefined> =>
    new RegExp(`^kiln_compactor_${what}_deleted_for_room_total (.*)$`, 'm').exec(await metrics.text())?.[1];
  expect([madeRoom.notes(), await counted('blocks'), await counted('bytes')]).toEqual([[], '0', '0']);
  madeRoom.gone('a' as TenantId, [block(HOUR, 10), block(3 * HOUR, 5)]);
  await clock.advance(HOUR);
  madeRoom.gone('b' as TenantId, [block(2 * HOUR, 1)]);
  expect(lines).toEqual([
    expect.stringMatching(/level=warn .* tenant=a blocks=2 bytes=15 upTo=1970-01-01T03:00:00.000Z\n$/),
    expect.stringMatching(/level=warn .* tenant=b blocks=1 bytes=1 upTo=1970-01-01T02:00:00.000Z\n$/),
  ]);
  expect([await counted('blocks'), await counted('bytes')]).toEqual(['3', '16']);
  expect(madeRoom.notes()).toEqual([
    'compactor: data up to 1970-01-01T03:00:00.000Z of 2 tenants was deleted for room within a day, last at 1970-01-05T05:00:00.000Z (storage.when-full=oldest-goes; the log says of which)',
  ]);
  await clock.advance(23 * HOUR + 1);
  expect(madeRoom.notes()).toEqual([expect.stringMatching(/data up to 1970-01-01T02:00:00.000Z of 1 tenant was/)]);
  await clock.advance(HOUR);
  expect(madeRoom.notes()).toEqual([]);
  expect(await counted('blocks')).toBe('3');
});
