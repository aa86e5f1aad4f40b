import { ManualClock, seededRandom } from '@kiln/async';
import { MemoryDisk, type DiskOperation } from '@kiln/disk';
import { KilnError } from '@kiln/model';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readUpTo } from './contract.ts';
import { openFileLog, type FileLogOptions } from './file-log.ts';
import { inspectFileLog, type PartitionSummary } from './inspect.ts';
import type { OpenLog, PartitionLog } from './partition-log.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const random = seededRandom(11);

/** Reads come from the files: nothing is kept in memory. */
function openOn(disk: MemoryDisk, options: Partial<FileLogOptions> = {}): Promise<PartitionLog> {
  return openFileLog({
    disk,
    root: '/d/log',
    partitions: 1,
    clock: new ManualClock(50),
    crc32,
    random,
    recentBytes: 0,
    ...options,
  });
}

async function read(one: OpenLog): Promise<string[]> {
  const entries = await readUpTo(one, 0, await one.endOffset());
  return entries.map(
    ({ record, offset }) => `${offset} ${record === undefined ? 'damaged' : new TextDecoder().decode(record)}`,
  );
}

/** Appends each alone, so that each starts a batch; then closes. */
async function write(
  disk: MemoryDisk,
  records: readonly string[],
  options: Partial<FileLogOptions> = {},
): Promise<void> {
  const log = await openOn(disk, options);
  const one = await log.open(0);
  for (const record of records) await one.append(text(record));
  await log[Symbol.asyncDispose]();
}

async function segments(disk: MemoryDisk): Promise<string[]> {
  return (await disk.readDir('/d/log/0')).toSorted((a, b) => (a < b ? -1 : 1));
}

async function put(disk: MemoryDisk, path: string, bytes: Uint8Array, position = 0): Promise<void> {
  const file = await disk.open(path, 'rw').catch(() => disk.open(path, 'create'));
  await file.write(bytes, position);
  await file.close();
}

async function inspect(disk: MemoryDisk): Promise<PartitionSummary[]> {
  const found: PartitionSummary[] = [];
  for await (const summary of inspectFileLog({ disk, root: '/d/log', crc32 })) found.push(summary);
  return found;
}

const errorOf = (work: Promise<unknown>): Promise<KilnError> =>
  work.then(
    () => {
      throw new Error('no error');
    },
    (error: unknown) => {
      if (error instanceof KilnError) return error;
      throw error;
    },
  );

const numbered = (count: number, size = 40): string[] =>
  Array.from({ length: count }, (_, i) => `r${i} `.padEnd(size, 'x'));
const listed = (records: readonly string[]): string[] => records.map((record, i) => `${i} ${record}`);
/** Frames of `numbered(…, 40)` are 56 bytes. */
const FRAME = 56;

describe('a file log that is opened again', () => {
  test('has its id, its records and its end, and goes on', async () => {
    const disk = new MemoryDisk();
    const records = numbered(30);
    await write(disk, records, { segmentBytes: 300 });
    const id = (await (await openOn(disk)).open(0)).id;
    const log = await openOn(disk, { partitions: 2 });
    const one = await log.open(0);
    expect(one.id).toBe(id);
    expect((await log.open(1)).id).toBe(id.replace(/0$/, '1'));
    expect(await read(one)).toEqual(listed(records));
    expect(await one.append(text('more'))).toEqual({ offset: 30, appendMs: 50 });
    expect((await read(one)).at(-1)).toBe('30 more');
  });

  test('stamps do not go back over a start, a trim and an empty newest segment', async () => {
    const disk = new MemoryDisk();
    const clock = new ManualClock(1_000);
    let full = false;
    const options = { segmentBytes: 100, clock };
    await write(disk, numbered(10), options);
    // A new segment is made, then the process dies before anything is in it.
    const failing = disk.restart({ fault: ({ kind }) => (full && kind === 'write' ? 'ENOSPC' : undefined) });
    const again = await openOn(failing, options);
    full = true;
    const one = await again.open(0);
    await expect(one.append(text('x'))).rejects.toThrow('full');
    await one.trim(9);
    await again[Symbol.asyncDispose]();
    const last = await openOn(failing.restart({}), { ...options, clock: new ManualClock(5) });
    const reopened = await last.open(0);
    expect(await reopened.endOffset()).toBe(9);
    expect(await reopened.append(text('late'))).toEqual({ offset: 10, appendMs: 1_000 });
  });

  test('reads a log of 2,000 small segments of 4 partitions in well under 2 s', async () => {
    const disk = new MemoryDisk();
    const log = await openOn(disk, { partitions: 4, segmentBytes: 1 });
    for (let p = 0; p < 4; p++) {
      const one = await log.open(p);
      for (let i = 0; i < 500; i++) await one.append(text(`${i}`));
    }
    await log[Symbol.asyncDispose]();
    const before = performance.now();
    const again = await openOn(disk, { partitions: 4 });
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(await (await again.open(3)).endOffset()).toBe(499);
  });

  test('is refused with a sentence when it is not what this version or setting can go on with', async () => {
    const disk = new MemoryDisk();
    await write(disk, numbered(2), { partitions: 3 });
    const fewer = await errorOf(openOn(disk, { partitions: 2 }));
    expect([fewer.code, fewer.message]).toEqual([
      'failed_precondition',
      expect.stringMatching(/partition 2.*2 partitions/),
    ]);
    await put(disk, '/d/log/0/notes.txt', text('hm'));
    const alien = await errorOf(openOn(disk, { partitions: 3 }));
    expect([alien.code, alien.message]).toEqual(['failed_precondition', expect.stringContaining('notes.txt')]);
    await disk.unlink('/d/log/0/notes.txt');
    await put(disk, '/d/log/version', text('7\n'));
    const newer = await errorOf(openOn(disk, { partitions: 3 }));
    expect([newer.code, newer.message]).toEqual(['failed_precondition', expect.stringMatching(/layout 7.*up to 1/)]);
    expect((await errorOf(inspect(disk))).message).toBe(newer.message);
    await put(disk, '/d/log/version', text('x\n'));
    expect((await errorOf(openOn(disk, { partitions: 3 }))).code).toBe('data_loss');
    await disk.unlink('/d/log/version');
    await disk.unlink('/d/log/id');
    const lost = await errorOf(openOn(disk, { partitions: 3 }));
    expect([lost.code, lost.message]).toEqual(['data_loss', expect.stringContaining('"id" is missing')]);
    await put(disk, '/d/log/id', text('not hex'));
    expect((await errorOf(openOn(disk, { partitions: 3 }))).code).toBe('data_loss');
    const readOnly = await errorOf(
      openOn(new MemoryDisk({ fault: ({ kind }) => (kind === 'mkdir' ? 'EROFS' : undefined) })),
    );
    expect([readOnly.code, readOnly.message]).toEqual(['unavailable', expect.stringMatching(/\/d\/log is read-only/)]);
  });
});

describe('damage that is no torn tail', () => {
  test('a record of the newest segment that was durable before a later batch is a gap of one, and nothing is cut', async () => {
    const disk = new MemoryDisk();
    await write(disk, numbered(6));
    await put(disk, '/d/log/0/0000000000000000.log', text('!'), 2 * FRAME + 20);
    const log = await openOn(disk);
    const one = await log.open(0);
    const want = listed(numbered(6));
    want[2] = '2 damaged';
    expect(await read(one)).toEqual(want);
    await one.append(text('next'));
    expect(await read(one)).toEqual([...want, '6 next']);
  });

  test('where no frame border leads over it, everything up to the end is a gap, and no offset is given twice', async () => {
    for (const zeros of [4, 60, 200]) {
      const disk = new MemoryDisk();
      await write(disk, numbered(12));
      const path = '/d/log/0/0000000000000000.log';
      await put(disk, path, new Uint8Array(zeros), 3 * FRAME);
      const size = (await disk.readFile(path)).length;
      const log = await openOn(disk);
      const one = await log.open(0);
      const end = await one.endOffset();
      expect(end).toBeGreaterThanOrEqual(11);
      expect(end).toBeLessThan(12 + (5 * FRAME) / 16);
      const { offset } = await one.append(text('next'));
      expect(offset).toBe(end + 1);
      const found = await read(one);
      expect(found.length).toBe(offset + 1);
      expect(found.filter((line) => !line.endsWith(' damaged'))).toEqual([...listed(numbered(3)), `${offset} next`]);
      expect((await disk.readFile(path)).length).toBe(size);
      await log[Symbol.asyncDispose]();
      expect(await read(await (await openOn(disk)).open(0))).toEqual(found);
    }
  });

  test('in an older segment costs the record when the length is right, else those up to the next segment', async () => {
    const f = async (position: number, bytes: Uint8Array, want: number[]): Promise<void> => {
      const disk = new MemoryDisk();
      await write(disk, numbered(10), { segmentBytes: 5 * FRAME });
      expect(await segments(disk)).toEqual(['0000000000000000.log', '0000000000000005.log']);
      await put(disk, '/d/log/0/0000000000000000.log', bytes, position);
      const found = await read(await (await openOn(disk)).open(0));
      const lines = listed(numbered(10)).map((line, i) => (want.includes(i) ? `${i} damaged` : line));
      expect(found).toEqual(lines);
      expect((await inspect(disk))[0]!.damaged.flatMap(({ from, to }) => numbers(from, to))).toEqual(want);
    };
    await f(FRAME + 17, text('!'), [1]);
    await f(FRAME + 4, text('!'), [1]);
    await f(4 * FRAME + 30, text('!'), [4]);
    await f(20, new Uint8Array(FRAME), [0, 1, 2, 3, 4]);
    await f(FRAME, text('!'), [1, 2, 3, 4]);
    await f(FRAME, new Uint8Array([255, 255, 255, 255]), [1, 2, 3, 4]);
    await f(3 * FRAME, text('!'), [3, 4]);
  });

  test('a missing segment and a shortened one are gaps', async () => {
    const disk = new MemoryDisk();
    await write(disk, numbered(15), { segmentBytes: 5 * FRAME });
    await disk.unlink('/d/log/0/0000000000000005.log');
    const file = await disk.open('/d/log/0/0000000000000000.log', 'rw');
    await file.truncate(4 * FRAME - 1);
    const found = await read(await (await openOn(disk)).open(0));
    const want = listed(numbered(15)).map((line, i) => (i >= 3 && i < 10 ? `${i} damaged` : line));
    expect(found).toEqual(want);
  });
});

describe('trouble with the disk', () => {
  /** Syncs and the rest fail while a code is set. */
  const troubled = (): { disk: MemoryDisk; trouble: Partial<Record<DiskOperation['kind'], string>> } => {
    const trouble: Partial<Record<DiskOperation['kind'], string>> = {};
    return { disk: new MemoryDisk({ random, fault: ({ kind }) => trouble[kind] }), trouble };
  };

  test('a full disk refuses appends with a sentence, and they work again when there is space', async () => {
    const { disk, trouble } = troubled();
    const one = await (await openOn(disk, { segmentBytes: 3 * FRAME })).open(0);
    await one.append(text(numbered(1)[0]!));
    trouble.write = trouble.create = 'ENOSPC';
    for (let i = 0; i < 5; i++) {
      const error = await errorOf(one.append(text('refused')));
      expect(error.code).toBe('unavailable');
      expect(error.reason).toBe('not_stored');
      expect(error.message).toMatch(/partition 0 .*\/d\/log\/0 is full: free some space.*the record is not stored/);
    }
    expect(await read(one)).toEqual(listed(numbered(1)));
    delete trouble.write;
    delete trouble.create;
    for (const record of numbered(9).slice(1)) await one.append(text(record));
    expect(await read(one)).toEqual(listed(numbered(9)));
  });

  test('after a failed fsync nothing more is written to that file, and the outcome is said as far as it is known', async () => {
    const { disk, trouble } = troubled();
    const one = await (await openOn(disk)).open(0);
    await one.append(text('one'));
    trouble.sync = 'EIO';
    const unknown = await errorOf(one.append(text('two')));
    expect(unknown.reason).toBe('unknown_outcome');
    expect(unknown.message).toContain('not known whether the record is stored');
    const refused = await errorOf(one.append(text('three')));
    expect(refused.reason).toBe('not_stored');
    delete trouble.sync;
    expect(await one.append(text('four'))).toMatchObject({ offset: 1 });
    expect(await segments(disk)).toEqual(['0000000000000000.log', '0000000000000001.log']);
    expect(await read(one)).toEqual(['0 one', '1 four']);
  });

  test('a failed append fails those that wait with it, and none that come later', async () => {
    const { disk, trouble } = troubled();
    const one = await (await openOn(disk)).open(0);
    trouble.write = 'EIO';
    const first = [one.append(text('a')), one.append(text('b'))];
    expect((await Promise.allSettled(first)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    delete trouble.write;
    await Promise.all([one.append(text('c')), one.append(text('d'))]);
    expect(await read(one)).toEqual(['0 c', '1 d']);
  });

  test('a trim that fails loses nothing and can be repeated', async () => {
    const { disk, trouble } = troubled();
    const one = await (await openOn(disk, { segmentBytes: FRAME })).open(0);
    for (const record of numbered(5)) await one.append(text(record));
    trouble.unlink = 'EIO';
    expect((await errorOf(one.trim(3))).message).toMatch(/trimming partition 0 .*input\/output error/);
    expect(await read(one)).toEqual(listed(numbered(5)));
    delete trouble.unlink;
    await one.trim(3);
    expect(await read(one)).toEqual(listed(numbered(5)).slice(4));
  });

  test('a segment that somebody took away is named', async () => {
    const { disk } = troubled();
    const one = await (await openOn(disk)).open(0);
    await one.append(text('x'));
    await disk.unlink('/d/log/0/0000000000000000.log');
    expect((await errorOf(read(one))).message).toContain('0000000000000000.log');
  });
});

describe('group fsync', () => {
  test('appends that come while an fsync runs share the next one', async () => {
    let syncs = 0;
    const disk = new MemoryDisk({ random, fault: ({ site }) => (site === 'log-data' ? void syncs++ : undefined) });
    const one = await (await openOn(disk)).open(0);
    await Promise.all(numbered(100).map((record) => one.append(text(record))));
    expect(syncs).toBe(1);
    const first = one.append(text('alone'));
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    await Promise.all([first, ...numbered(50).map((record) => one.append(text(record)))]);
    expect(syncs).toBe(3);
  });

  test('a linger waits for more before it writes', async () => {
    let syncs = 0;
    const disk = new MemoryDisk({ fault: ({ site }) => (site === 'log-data' ? void syncs++ : undefined) });
    const clock = new ManualClock(0);
    const one = await (await openOn(disk, { clock, lingerMs: 10 })).open(0);
    const appends = [one.append(text('a'))];
    await clock.advance(5);
    appends.push(one.append(text('b')));
    await clock.advance(4);
    expect(syncs).toBe(0);
    await clock.advance(1);
    await Promise.all(appends);
    expect(syncs).toBe(1);
  });
});

describe('inspection', () => {
  test('says what there is and changes nothing', async () => {
    const disk = new MemoryDisk();
    await write(disk, numbered(12), { partitions: 2, segmentBytes: 5 * FRAME });
    await put(disk, '/d/log/0/0000000000000005.log', text('!'), 20);
    await put(disk, '/d/log/0/0000000000000010.log', new Uint8Array(7), 2 * FRAME);
    const calls: DiskOperation['kind'][] = [];
    const found = await inspect(disk.restart({ fault: ({ kind }) => void calls.push(kind) }));
    expect(found).toEqual([
      {
        partition: 0,
        logId: expect.stringMatching(/^[0-9a-f]{32}-0$/),
        startOffset: 0,
        endOffset: 11,
        bytes: 12 * FRAME + 7,
        segments: 3,
        tornBytes: 7,
        damaged: [{ from: 5, to: 5 }],
      },
      {
        partition: 1,
        logId: expect.any(String),
        startOffset: 0,
        endOffset: -1,
        bytes: 0,
        segments: 1,
        tornBytes: 0,
        damaged: [],
      },
    ]);
    expect(new Set(calls)).toEqual(new Set(['readFile', 'readDir', 'open', 'size', 'read']));
  });

  test('a folder without a log is said to be none', async () => {
    const disk = new MemoryDisk();
    await disk.mkdir('/d/log');
    expect((await errorOf(inspect(disk))).code).toBe('not_found');
  });
});

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
