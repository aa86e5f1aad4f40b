import { ManualClock, seededRandom } from '@kiln/async';
import { MemoryDisk } from '@kiln/disk';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readUpTo } from './contract.ts';
import { openFileLog } from './file-log.ts';
import { encodeFrames } from './frame.ts';

const SEGMENT = '/log/0/0000000000000000.log';
const random = seededRandom(7);

/** 24 records of about 1 KB; batches of 1 to 3, as they are when appends come together. */
const records = Array.from({ length: 24 }, (_, i) => {
  const record = new Uint8Array(600 + Math.floor(random() * 800) + (i === 5 ? 0 : i));
  for (let at = 0; at < record.length; at++) record[at] = Math.floor(random() * 256);
  return record;
});
const batches: Uint8Array[] = [];
for (let at = 0; at < records.length; at += 1 + (at % 3))
  batches.push(encodeFrames(records.slice(at, at + 1 + (at % 3)), 1_790_000_000_000 + at, crc32));
const whole = Buffer.concat(batches);
/** ends[i]: where frame i ends. */
const ends: number[] = [];
for (const record of records) ends.push((ends.at(-1) ?? 0) + 16 + record.length);

/** The records that a log with this newest segment gives back. */
async function opened(disk: MemoryDisk, bytes: Uint8Array): Promise<Uint8Array[]> {
  const file = await disk.open(SEGMENT, 'rw');
  await file.truncate(0);
  await file.write(bytes, 0);
  await file.close();
  const log = await openFileLog({ disk, root: '/log', partitions: 1, clock: new ManualClock(), crc32, random });
  const one = await log.open(0);
  const entries = await readUpTo(one, 0, await one.endOffset());
  await log[Symbol.asyncDispose]();
  return entries.map(({ record }) => record ?? new Uint8Array(0));
}

async function emptyLog(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const log = await openFileLog({ disk, root: '/log', partitions: 1, clock: new ManualClock(), crc32, random });
  await log[Symbol.asyncDispose]();
  return disk;
}

describe('the torn tail', () => {
  test('the segment of this test is long enough', () => {
    expect(records.length).toBeGreaterThanOrEqual(20);
    expect(whole.length).toBeGreaterThanOrEqual(20_000);
  });

  test('cut at every byte: the records before the cut are there, the rest is gone, the file ends at a frame', async () => {
    const disk = await emptyLog();
    for (let cut = 0; cut <= whole.length; cut++) {
      const want = ends.filter((end) => end <= cut).length;
      const found = await opened(disk, whole.subarray(0, cut));
      if (found.length !== want) throw new Error(`cut at ${cut}: ${found.length} records, expected ${want}`);
      if (!found.every((record, i) => Buffer.compare(record, records[i]!) === 0))
        throw new Error(`cut at ${cut}: changed`);
      const size = (await disk.readFile(SEGMENT)).length;
      if (size !== (ends[want - 1] ?? 0)) throw new Error(`cut at ${cut}: the file has ${size} bytes`);
    }
  }, 60_000);

  test('any byte of the last frame changed: that record is gone or whole, the others are there', async () => {
    const disk = await emptyLog();
    const last = ends.at(-2)!;
    for (let at = last; at < whole.length; at++) {
      for (const change of [1, 128, 255]) {
        const bytes = Uint8Array.from(whole);
        bytes[at] = bytes[at]! ^ change;
        const found = await opened(disk, bytes);
        if (found.length !== 23) throw new Error(`byte ${at} xor ${change}: ${found.length} records`);
        if (!found.every((record, i) => Buffer.compare(record, records[i]!) === 0))
          throw new Error(`byte ${at}: changed`);
      }
    }
  }, 60_000);

  test('rubbish and zeros behind the last frame are cut', async () => {
    const disk = await emptyLog();
    const rubbish = Uint8Array.from({ length: 3_000 }, () => Math.floor(random() * 256));
    for (const tail of [
      new Uint8Array(1),
      new Uint8Array(16),
      new Uint8Array(70_000),
      rubbish,
      rubbish.subarray(0, 17),
    ]) {
      expect((await opened(disk, Buffer.concat([whole, tail]))).length).toBe(24);
      expect((await disk.readFile(SEGMENT)).length).toBe(whole.length);
    }
  });

  test('sectors of the last batch missing: its records before the hole are there', async () => {
    const disk = await emptyLog();
    const start = whole.length - batches.at(-1)!.length;
    for (let run = 0; run < 200; run++) {
      const bytes = Uint8Array.from(whole);
      const holes: number[] = [];
      for (let at = start; at < bytes.length; at += 512 - (at % 512)) {
        if (random() < 0.6) continue;
        const end = Math.min(bytes.length, at + 512 - (at % 512));
        bytes.fill(0, at, end);
        holes.push(at);
      }
      const want = ends.filter((end) => end <= (holes[0] ?? bytes.length)).length;
      expect((await opened(disk, bytes)).length).toBe(want);
    }
  });
});
