import { createLogger, createMetrics } from '@kiln/telemetry';
import { beforeEach, expect, test } from 'vitest';
import { Reserve } from './reserve.ts';
import { FakeFile } from './test-support/fake-file.ts';

const BYTES = 80;
let file: FakeFile;
let lines: string[];
/** What others use of 1,000 bytes; undefined = nobody can say. */
let others: number | undefined;
let reserve: Reserve;

beforeEach(() => {
  file = new FakeFile(BYTES);
  lines = [];
  others = 0;
  const log = createLogger({ level: 'info', write: (line) => void lines.push(line), nowMs: () => 0 });
  const usage = async () =>
    others === undefined ? undefined : { usedBytes: others + file.takenBytes, totalBytes: 1000 };
  reserve = new Reserve({ file, usage, log, metrics: createMetrics({ ofProcess: false }) });
});

/** What a round does, with so much used by others. @returns whether room is held after it. */
async function round(used: number | undefined): Promise<boolean> {
  others = used;
  await reserve.release();
  await reserve.fill();
  return file.isThere();
}

test('room is held until the disk is as good as full, and again only when there is clearly room', async () => {
  expect(await round(0)).toBe(true);
  expect(await round(900)).toBe(true); // 20 left
  expect(await round(901)).toBe(false);
  expect(await round(881)).toBe(false); // 119 left, one less than half as much again
  expect(await round(880)).toBe(true);
  expect(await round(900)).toBe(true);
  expect(lines).toEqual([
    expect.stringMatching(/level=warn msg="the disk is full: the reserve was released/),
    expect.stringMatching(/level=info msg="room is held/),
  ]);
});

test('what was released is nobody’s to fill: it counts as used, and a sentence says why nothing is written', async () => {
  await round(0);
  expect([await reserve.usage(), reserve.refusal()]).toEqual([{ usedBytes: 80, totalBytes: 1000 }, undefined]);
  await round(920);
  expect(file.takenBytes).toBe(0);
  expect(await reserve.usage()).toEqual({ usedBytes: 1000, totalBytes: 1000 });
  expect(reserve.refusal()).toMatch(/is full: the 80 bytes that are left are held for deleting/);
  others = 0;
  await reserve.usage();
  expect(reserve.refusal()).toBe(undefined); // before it is held again: there is room for all
});

test('a disk that is full when it is first asked holds no room, says so once, and does when there is some', async () => {
  expect([await round(990), await round(990)]).toEqual([false, false]);
  expect(lines).toEqual([expect.stringMatching(/level=warn msg="no room is held .* why="10 bytes are left/)]);
  expect(reserve.refusal()).toMatch(/the 10 bytes/);
  expect(await round(0)).toBe(true);
});

test('room that cannot be taken or let go is told, and refuses nobody', async () => {
  file.fails = true;
  expect([await round(0), await round(0)]).toEqual([false, false]);
  expect(lines).toEqual([expect.stringMatching(/level=warn msg="no room is held .* why="a quota"/)]);
  expect(reserve.refusal()).toBe(undefined);
  file.fails = false;
  expect(await round(0)).toBe(true);
  file.fails = true;
  expect(await round(920)).toBe(true);
  expect(lines.at(-1)).toMatch(/level=warn msg="the disk is full, and the reserve cannot be released" why="a quota"/);
});

test('where nobody can say how full the disk is, nothing is done and nobody refused', async () => {
  expect([await round(undefined), reserve.refusal(), await reserve.usage()]).toEqual([false, undefined, undefined]);
  await round(0);
  expect(await round(undefined)).toBe(true);
});
