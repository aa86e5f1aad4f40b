import { ManualClock } from '@kiln/async';
import type { TenantId } from '@kiln/model';
import { createLogger, createMetrics } from '@kiln/telemetry';
import { defaultLimits } from '@kiln/tenant';
import { expect, test } from 'vitest';
import { Room, type WhenFull } from './room.ts';

const tenant = 'a' as TenantId;

async function roomOf(usedBytes: number | undefined, whenFull: WhenFull = 'refuse', maxStoredBytes = 0): Promise<Room> {
  const room = new Room(
    { highWater: 0.9, whenFull },
    {
      usage: async () => (usedBytes === undefined ? undefined : { usedBytes, totalBytes: 1000 }),
      limits: () => ({ ...defaultLimits, maxStoredBytes }),
      clock: new ManualClock(0),
    },
  );
  await room.look();
  return room;
}

test('at the high-water mark pushes are refused with the mark, the setting and a time to come back', async () => {
  (await roomOf(900)).check(tenant);
  const room = await roomOf(901);
  expect(() => room.check(tenant)).toThrow(
    expect.objectContaining({
      code: 'unavailable',
      retryAfterSeconds: 60,
      message: expect.stringMatching(/90\.1 % full, allowed are 90 % \(flag --storage\.high-water\).*oldest-goes/),
    }),
  );
  expect(room.surplus()).toBe(0);
});

test('when pushes of everybody begin to be refused, one line of the log says so, and one when that ends', async () => {
  const lines: string[] = [];
  const log = createLogger({ level: 'info', write: (line) => void lines.push(line), nowMs: () => 0 });
  let usedBytes = 900;
  const usage = async () => ({ usedBytes, totalBytes: 1000 });
  const room = new Room(
    { highWater: 0.9, whenFull: 'refuse' },
    { usage, limits: () => defaultLimits, clock: new ManualClock(0), log },
  );
  for (usedBytes of [900, 901, 950, 999, 900, 900]) await room.look();
  expect(lines).toEqual([
    expect.stringMatching(/level=warn msg="pushes are refused for want of room" why="the disk .* 90\.1 % full/),
    expect.stringMatching(/level=info msg="pushes are taken again/),
  ]);
  for (usedBytes of [901]) await room.look();
  expect(lines).toHaveLength(3);
});

test('what is being written, and what was written since the last look, counts as used', async () => {
  let usedBytes = 850;
  let during: () => void = () => undefined;
  const usage = async () => {
    during();
    return { usedBytes, totalBytes: 1000 };
  };
  const clock = new ManualClock(0);
  const room = new Room({ highWater: 0.9, whenFull: 'refuse' }, { usage, limits: () => defaultLimits, clock });
  const write = (bytes: number): void => room.take(tenant, bytes)[Symbol.dispose]();
  await room.look();
  write(50);
  write(1); // at the mark and not above it
  expect(() => room.check(tenant)).toThrow(/is 90\.1 % full, allowed are 90 %/);
  expect(() => write(1)).toThrow('90.1 %'); // what is refused takes nothing
  usedBytes = 880; // records were less than was said
  await room.look();
  const coming = room.take(tenant, 20);
  await room.look();
  room.check(tenant);
  write(1);
  expect(() => room.check(tenant)).toThrow('90.1 %');
  usedBytes = 901;
  await room.look();
  expect(room.full()).toMatch('is 92.1 % full'); // no look can know what has been written of it
  coming[Symbol.dispose]();
  usedBytes = 899;
  await room.look();
  during = () => write(2); // nobody can say whether the look has seen it
  await room.look();
  during = () => undefined;
  expect(() => room.check(tenant)).toThrow('90.1 %');
  await room.look();
  room.check(tenant);
});

test('a disk that cannot be asked refuses nobody', async () => {
  (await roomOf(undefined)).check(tenant);
});

test('when the oldest goes, pushes are taken meanwhile, but not once deleting is too slow', async () => {
  const room = await roomOf(901, 'oldest-goes');
  room.check(tenant);
  expect(room.surplus()).toBeCloseTo(21);
  expect((await roomOf(899, 'oldest-goes')).surplus()).toBe(0);
  const late = await roomOf(951, 'oldest-goes');
  expect(() => late.check(tenant)).toThrow('not gone yet');
});

test('a tenant above its own limit is refused, or gives its oldest, and no other one', async () => {
  const room = await roomOf(10, 'refuse', 100);
  room.check(tenant);
  room.note(tenant, 100);
  expect(() => room.check(tenant)).toThrow(/has 100 bytes stored, allowed are 100 \(max_stored_bytes/);
  room.check('b' as TenantId);
  const giving = await roomOf(10, 'oldest-goes', 100);
  giving.note(tenant, 109);
  giving.check(tenant);
  expect(giving.surplusOf(tenant)).toBeCloseTo(11);
  giving.note(tenant, 111);
  expect(() => giving.check(tenant)).toThrow(/has 111 bytes stored, allowed are 100 .* not gone yet/);
  expect(giving.surplusOf('b' as TenantId)).toBe(0);
});

test('tenants that are refused for their own limit are counted, and named to who runs it', async () => {
  const metrics = createMetrics({ ofProcess: false });
  const usage = async () => ({ usedBytes: 10, totalBytes: 1000 });
  const limits = (of: TenantId) => ({ ...defaultLimits, maxStoredBytes: of === 'unlimited' ? 0 : 100 });
  const room = new Room({ highWater: 0.9, whenFull: 'refuse' }, { usage, limits, clock: new ManualClock(0), metrics });
  const counted = async (): Promise<string | undefined> =>
    /^kiln_compactor_tenants_over_max_stored_bytes (.*)$/m.exec(await metrics.text())?.[1];
  room.note('unlimited' as TenantId, 200);
  room.note(tenant, 99);
  expect([room.notes(), await counted()]).toEqual([[], '0']);
  room.note(tenant, 100);
  expect([room.notes(), await counted()]).toEqual([
    [
      'pushes of tenant a are refused: it has 100 bytes stored, allowed are 100 (max_stored_bytes, flag --storage.max-stored-bytes)',
    ],
    '1',
  ]);
  for (let i = 0; i < 11; i++) room.note(`t${i}` as TenantId, 100);
  expect(room.notes()).toHaveLength(11);
  expect(room.notes()[10]).toBe('pushes of 2 more tenants are refused: max_stored_bytes');
});
