import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock, seededRandom, systemClock } from '@kiln/async';
import { MemoryDisk, realDisk } from '@kiln/disk';
import { KilnError } from '@kiln/model';
import { memoryStore, openDirectoryStore } from '@kiln/objstore';
import { openFileLog } from '@kiln/partition-log';
import { guardedStore } from './guarded-store.ts';
import { claimLayout, dataDirectory, folderSize, makeDirectory } from './layout.ts';
import { lockDirectory, type DirectoryLock } from './directory-lock.ts';
import { lockedDisk } from './locked-disk.ts';
import { ownIdentity } from './process-identity.ts';
import { openReserveFile } from './reserve-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-data-dir-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const never = (): never => {
  throw new Error('lost');
};
const take = (): Promise<DirectoryLock> => lockDirectory(folder, { clock: systemClock(), onLost: never });

describe('the lock', () => {
  test('is held by one, who is named to the second', async () => {
    await using _first = await take();
    await expect(take()).rejects.toThrow(`is in use by process ${process.pid}: stop it first`);
    expect(await readdir(folder)).toEqual(['lock.1']);
  });

  test('is gone after a clean stop', async () => {
    const first = await take();
    await first[Symbol.asyncDispose]();
    expect(await readdir(folder)).toEqual([]);
    await using second = await take();
    expect(second.path).toBe(join(folder, 'lock.1'));
  });

  test('of a killed process is passed over', async () => {
    const child = spawn('sleep', ['100']);
    const own = await ownIdentity();
    await writeFile(join(folder, 'lock.7'), JSON.stringify({ ...own, pid: child.pid, started: 'another time' }));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.on('exit', resolve));
    await using lock = await take();
    expect(lock.path).toBe(join(folder, 'lock.8'));
    expect(await readdir(folder)).toEqual(['lock.8']);
  });

  test('of a process whose number was given to another one is passed over', async () => {
    const own = await ownIdentity();
    await writeFile(join(folder, 'lock.1'), JSON.stringify({ ...own, started: 'before the last boot' }));
    await using lock = await take();
    expect(lock.path).toBe(join(folder, 'lock.2'));
  });

  test('of another host counts while it was touched in the last minute', async () => {
    const path = join(folder, 'lock.1');
    await writeFile(path, JSON.stringify({ host: 'elsewhere', pid: 1, started: 'x' }));
    await expect(take()).rejects.toThrow(/in use by process 1 on host elsewhere, which touched it \d s ago/);
    const old = new Date(Date.now() - 61_000);
    await utimes(path, old, old);
    await using lock = await take();
    expect(lock.path).toBe(join(folder, 'lock.2'));
  });

  test('is touched while it is held', async () => {
    const clock = new ManualClock(Date.now() + 1_000_000);
    await using lock = await lockDirectory(folder, { clock, onLost: never });
    for (let n = 1; n <= 3; n++) {
      await clock.advance(5_000);
      while (clock.sleeping === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      expect((await stat(lock.path)).mtimeMs).toBe(clock.nowMs());
      lock.assertHeld();
    }
  });

  test.each([
    ['a higher one is there', 'another process took', () => writeFile(join(folder, 'lock.9'), 'other')],
    ['it is another process’s file', 'another process took', () => writeFile(join(folder, 'lock.1'), 'other')],
    ['it was removed', 'lock.1 is gone: somebody removed it', () => rm(join(folder, 'lock.1'))],
  ])('is lost when %s; from then on nothing is written, and a stop leaves what is there', async (_, why, lose) => {
    const clock = new ManualClock(Date.now());
    const lost = Promise.withResolvers<string>();
    const lock = await lockDirectory(folder, { clock, onLost: lost.resolve });
    lock.assertHeld();
    await lose();
    const left = await readdir(folder);
    await clock.advance(5_000);
    expect(await lost.promise).toContain(why);
    expect(() => lock.assertHeld()).toThrow(why);
    await lock[Symbol.asyncDispose]();
    expect(await readdir(folder)).toEqual(left);
  });

  test('that its holder has not seen for half a minute, because it slept, must be seen again before anything is written', async () => {
    const clock = new ManualClock(Date.now());
    await using lock = await lockDirectory(folder, { clock, onLost: never });
    const { nowMs } = clock;
    clock.nowMs = () => nowMs.call(clock) + 31_000; // it wakes, and has not looked yet
    expect(() => lock.assertHeld()).toThrow('the last look was 31 s ago, another process may have it');
    await clock.advance(5_000);
    while (clock.sleeping === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    lock.assertHeld();
  });

  test('is won by exactly one of many that start at once, also over a dead holder', async () => {
    for (const dead of [false, true]) {
      const own = await ownIdentity();
      if (dead) await writeFile(join(folder, 'lock.1'), JSON.stringify({ ...own, started: 'before' }));
      const outcomes = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => takeAfter(i)));
      const won = outcomes.filter((one) => one.status === 'fulfilled');
      expect(won.length).toBe(1);
      await won[0]!.value[Symbol.asyncDispose]();
    }
  });
});

/** A contender in this process: spread over a few turns of the event loop. */
async function takeAfter(turns: number): Promise<DirectoryLock> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
  return take();
}

test('without the lock no record, object or trim changes the disk; what is there can be read', async () => {
  const memory = new MemoryDisk({ random: seededRandom(1) });
  let isHeld = true;
  const assertHeld = (): void => {
    if (!isHeld) throw new KilnError('unavailable', 'not ours');
  };
  const disk = lockedDisk(memory, { path: '', assertHeld, [Symbol.asyncDispose]: () => Promise.resolve() });
  const clock = new ManualClock(1);
  const options = { disk, root: '/log', partitions: 1, clock, crc32, random: seededRandom(2), segmentBytes: 50 };
  const log = await (await openFileLog(options)).open(0);
  const objects = await openDirectoryStore({ disk, root: '/objects' });
  for (let i = 0; i < 4; i++) await log.append(new Uint8Array(40));
  for (const key of ['a/b', 'c/d']) await objects.put(key, Uint8Array.of(1));
  const { etag } = (await objects.get('a/b'))!;
  const files = async (): Promise<string> => JSON.stringify(await everyFile(memory, '/'));
  const before = await files();

  isHeld = false;
  const refused = async (work: Promise<unknown>): Promise<void> => {
    await expect(work).rejects.toMatchObject({ code: 'unavailable', message: /not ours/ });
    expect(await files()).toBe(before);
  };
  await refused(log.append(new Uint8Array(40)));
  await refused(log.trim(2));
  await refused(objects.put('a/b', Uint8Array.of(2)));
  await refused(objects.putIfAbsent('a/c', Uint8Array.of(2)));
  await refused(objects.putIfMatch('a/b', Uint8Array.of(2), etag));
  await refused(objects.delete('a/b'));
  await refused(openDirectoryStore({ disk, root: '/others' }));
  expect((await objects.get('c/d'))?.bytes).toEqual(Uint8Array.of(1));
  expect(await log.endOffset()).toBe(3);

  isHeld = true;
  expect(await log.append(new Uint8Array(40))).toMatchObject({ offset: 4 });
});

test('a record that was written while the lock was lost is not acknowledged', async () => {
  let isHeld = true;
  const assertHeld = (): void => {
    if (!isHeld) throw new KilnError('unavailable', 'not ours');
  };
  const fault = ({ site }: { site?: string | undefined }): undefined => {
    if (site === 'log-data') isHeld = false;
  };
  const memory = new MemoryDisk({ random: seededRandom(1), fault });
  const disk = lockedDisk(memory, { path: '', assertHeld, [Symbol.asyncDispose]: () => Promise.resolve() });
  const options = { disk, root: '/log', partitions: 1, clock: new ManualClock(1), crc32, random: seededRandom(2) };
  const log = await (await openFileLog(options)).open(0);
  await expect(log.append(new Uint8Array(40))).rejects.toMatchObject({ code: 'unavailable', message: /not ours/ });
});

describe('the reserve', () => {
  test('takes a file of 8 MiB that nothing compresses, is found again, and gives it back', async () => {
    const directory = dataDirectory(folder);
    await writeFile(`${directory.reserve}.tmp`, 'unfinished');
    const first = await openReserveFile(realDisk(), directory);
    expect([first.isThere(), first.bytes, await readdir(folder)]).toEqual([false, 8 * 1024 * 1024, []]);
    await first.make();
    const bytes = await readFile(directory.reserve);
    expect([bytes.length, deflateSync(bytes).length >= bytes.length]).toEqual([first.bytes, true]);
    const second = await openReserveFile(realDisk(), directory);
    expect([second.isThere(), second.bytes]).toEqual([true, first.bytes]);
    await second.remove();
    expect([second.isThere(), await readdir(folder)]).toEqual([false, []]);
  });

  test('that finds no room leaves nothing, and one that cannot be removed is still there', async () => {
    const directory = dataDirectory('/');
    let sick = 'write';
    const fault = ({ kind }: { kind: string }): string | undefined => (kind === sick ? 'ENOSPC' : undefined);
    const disk = new MemoryDisk({ random: seededRandom(1), fault });
    const reserve = await openReserveFile(disk, directory);
    await expect(reserve.make()).rejects.toThrow('the disk under /reserve is full');
    expect([reserve.isThere(), await disk.readDir('/')]).toEqual([false, []]);
    sick = '';
    await reserve.make();
    expect(await disk.readDir('/')).toEqual(['reserve']);
    sick = 'unlink';
    await expect(reserve.remove()).rejects.toThrow('is full');
    expect(reserve.isThere()).toBe(true);
  });

  test('while it is out nothing is written to a guarded store; what is there can be read and deleted', async () => {
    const objects = memoryStore();
    let why: string | undefined;
    const guarded = guardedStore(objects, () => why);
    await guarded.put('a', Uint8Array.of(1));
    const { etag } = (await guarded.get('a'))!;
    why = 'held for deleting';
    const refused = (work: Promise<unknown>) =>
      expect(work).rejects.toMatchObject({ code: 'unavailable', message: why });
    await refused(guarded.put('b', Uint8Array.of(1)));
    await refused(guarded.putIfAbsent('b', Uint8Array.of(1)));
    await refused(guarded.putIfMatch('a', Uint8Array.of(2), etag));
    expect([await guarded.list(''), await guarded.getRange('a', 0, 1)]).toEqual([['a'], Uint8Array.of(1)]);
    await guarded.delete('a');
    expect(await objects.list('')).toEqual([]);
  });
});

/** Path and bytes of all there is. */
async function everyFile(disk: MemoryDisk, root: string): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for (const name of (await disk.readDir(root)).toSorted((a, b) => (a < b ? -1 : 1))) {
    const path = root + name;
    if (name.endsWith('/')) found.push(...(await everyFile(disk, path)));
    else found.push([path, Buffer.from(await disk.readFile(path)).toString('hex')]);
  }
  return found;
}

describe('the layout', () => {
  test('a new directory is marked, and known again', async () => {
    const directory = dataDirectory(join(folder, 'a/b'));
    await makeDirectory(directory);
    await claimLayout(directory);
    expect(await readFile(join(folder, 'a/b/version'), 'utf8')).toBe('kiln 1\n');
    await claimLayout(directory);
    expect(await folderSize(folder)).toEqual({ bytes: 7, files: 1 });
    expect(await folderSize(join(folder, 'none'))).toEqual({ bytes: 0, files: 0 });
  });

  test('a reserve does not make a directory somebody else’s', async () => {
    for (const name of ['reserve', 'reserve.tmp', 'lost+found']) await writeFile(join(folder, name), '');
    await claimLayout(dataDirectory(folder));
  });

  test('a place that takes no folders is refused, not waited for', async () => {
    await expect(makeDirectory(dataDirectory('/proc/kiln/data'))).rejects.toThrow(
      'the data directory cannot be made: ',
    );
  });

  test('a newer one, a broken mark, and a directory of something else are refused', async () => {
    const directory = dataDirectory(folder);
    const refused = (want: string) => expect(claimLayout(directory)).rejects.toThrow(want);
    await writeFile(join(folder, 'version'), 'kiln 2\n');
    await refused('has layout 2, this Kiln knows up to 1: start the newer Kiln that wrote it');
    await writeFile(join(folder, 'version'), '');
    await refused('not a version');
    await rm(join(folder, 'version'));
    await writeFile(join(folder, 'photo.jpg'), '');
    await refused('is no data directory of Kiln: it holds photo.jpg');
    await expect(makeDirectory(dataDirectory(join(folder, 'photo.jpg')))).rejects.toThrow('is a file');
  });
});
