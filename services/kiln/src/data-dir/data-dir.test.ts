import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock, systemClock } from '@kiln/async';
import { claimLayout, dataDirectory, folderSize, makeDirectory } from './layout.ts';
import { lockDirectory, type DirectoryLock } from './directory-lock.ts';
import { ownIdentity } from './process-identity.ts';

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

  test('is touched while it is held, and its loss is noticed', async () => {
    const clock = new ManualClock(Date.now() + 1_000_000);
    const lost = Promise.withResolvers<string>();
    await using lock = await lockDirectory(folder, { clock, onLost: lost.resolve });
    while (clock.sleeping === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await writeFile(join(folder, 'lock.9'), '');
    await clock.advance(5_000);
    expect(await lost.promise).toContain('another process took');
    expect((await readdir(folder)).toSorted((a, b) => (a < b ? -1 : 1))).toEqual(['lock.1', 'lock.9']);
    expect(lock.path).toBe(join(folder, 'lock.1'));
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
