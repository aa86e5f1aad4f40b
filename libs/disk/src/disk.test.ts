import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Disk } from './disk.ts';
import { MemoryDisk } from './memory-disk.ts';
import { diskTrouble, errorCode, joinPath, mkdirDurably, parentOf, removeIfThere, writeWholeFile } from './paths.ts';
import { realDisk } from './real-disk.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const plain = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const codeOf = (work: Promise<unknown>): Promise<string | undefined> => work.then(() => 'no error', errorCode);

let folder = '';
let disks = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kiln-disk-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** What the log and the objects rely on, of the real disk and of its double. */
function diskContract(which: string, make: () => Promise<{ disk: Disk; root: string }>): void {
  describe(`the disk contract: ${which}`, () => {
    test('what is written durably lies beside what was only written, also in a file that is read at the same time', async () => {
      const { disk, root } = await make();
      const path = joinPath(root, 'd');
      const file = await disk.open(path, 'create');
      await Promise.all([file.writeDurably(text('one'), 0, 'x'), file.writeDurably(text('two'), 3, 'x')]);
      await file.write(text('!'), 6);
      expect(plain(await disk.readFile(path))).toBe('onetwo!');
      await file.truncate(4);
      await file.writeDurably(text('T'), 3);
      await file.close();
      expect(plain(await disk.readFile(path))).toBe('oneT');
      expect(await codeOf(file.writeDurably(text('x'), 0))).toBe('EBADF');
    });

    test('a file is read back as it was written, at any position', async () => {
      const { disk, root } = await make();
      const path = joinPath(root, 'f');
      const file = await disk.open(path, 'create');
      await file.write(text('hello'), 0);
      await file.write(text('LL'), 2);
      await file.write(text('!'), 7);
      expect(await file.size()).toBe(8);
      await file.sync('x');
      expect(plain(await disk.readFile(path))).toBe('heLLo\0\0!');
      const into = new Uint8Array(10);
      expect(await file.read(into, 3)).toBe(5);
      expect(await file.read(into, 8)).toBe(0);
      await file.truncate(3);
      await file.truncate(5);
      expect(plain(await disk.readFile(path))).toBe('heL\0\0');
      await file.close();
      const again = await disk.open(path, 'rw');
      await again.write(text('J'), 0);
      await again.close();
      const look = await disk.open(path, 'r');
      expect(await look.size()).toBe(5);
      expect(plain(await disk.readFile(path))).toBe('JeL\0\0');
      await look.close();
      expect(await codeOf(look.read(into, 0))).toBe('EBADF');
    });

    test('names lead to files: rename replaces, link does not, an unlinked file stays open', async () => {
      const { disk, root } = await make();
      const [a, b, c] = [joinPath(root, 'a'), joinPath(root, 'b'), joinPath(root, 'c')];
      for (const path of [a, b]) {
        const file = await disk.open(path, 'create');
        await file.write(text(path.at(-1)!), 0);
        await file.close();
      }
      expect(await codeOf(disk.link(a, b))).toBe('EEXIST');
      await disk.link(a, c);
      await disk.rename(a, b);
      expect(plain(await disk.readFile(b))).toBe('a');
      expect((await disk.readDir(root)).toSorted()).toEqual(['b', 'c']);
      const open = await disk.open(b, 'rw');
      await disk.unlink(b);
      await open.write(text('A'), 0);
      await open.close();
      expect(plain(await disk.readFile(c))).toBe('A');
      await disk.unlink(c);
      expect(await disk.readDir(root)).toEqual([]);
    });

    test('folders are made with their parents, listed with a slash, removed when empty', async () => {
      const { disk, root } = await make();
      const deep = joinPath(root, 'a/b/c');
      await disk.mkdir(deep);
      await disk.mkdir(deep);
      await (await disk.open(joinPath(deep, 'f'), 'create')).close();
      expect(await disk.readDir(joinPath(root, 'a'))).toEqual(['b/']);
      expect(await codeOf(disk.rmdir(deep))).toBe('ENOTEMPTY');
      await disk.unlink(joinPath(deep, 'f'));
      await disk.rmdir(deep);
      expect(await disk.readDir(joinPath(root, 'a/b'))).toEqual([]);
      await disk.syncDir(joinPath(root, 'a/b'), 'x');
    });

    test('what cannot be is refused with its code', async () => {
      const { disk, root } = await make();
      const at = (name: string): string => joinPath(root, name);
      await (await disk.open(at('file'), 'create')).close();
      await disk.mkdir(at('folder/in'));
      expect(await codeOf(disk.open(at('none'), 'r'))).toBe('ENOENT');
      expect(await codeOf(disk.open(at('none'), 'rw'))).toBe('ENOENT');
      expect(await codeOf(disk.open(at('none/f'), 'create'))).toBe('ENOENT');
      expect(await codeOf(disk.open(at('file'), 'create'))).toBe('EEXIST');
      expect(await codeOf(disk.open(at('file/f'), 'create'))).toBe('ENOTDIR');
      expect(await codeOf(disk.readFile(at('folder')))).toBe('EISDIR');
      expect(await codeOf(disk.readFile(at('file/f')))).toBe('ENOTDIR');
      expect(await codeOf(disk.readDir(at('none')))).toBe('ENOENT');
      expect(await codeOf(disk.readDir(at('file')))).toBe('ENOTDIR');
      expect(['EEXIST', 'ENOTDIR']).toContain(await codeOf(disk.mkdir(at('file'))));
      expect(await codeOf(disk.mkdir(at('file/x')))).toBe('ENOTDIR');
      expect(await codeOf(disk.rename(at('none'), at('x')))).toBe('ENOENT');
      expect(await codeOf(disk.rename(at('file'), at('none/x')))).toBe('ENOENT');
      expect(await codeOf(disk.rename(at('file'), at('folder')))).toBe('EISDIR');
      expect(await codeOf(disk.link(at('file'), at('folder')))).toBe('EEXIST');
      expect(await codeOf(disk.link(at('none'), at('x')))).toBe('ENOENT');
      expect(await codeOf(disk.unlink(at('none')))).toBe('ENOENT');
      expect(await codeOf(disk.rmdir(at('none')))).toBe('ENOENT');
      expect(await codeOf(disk.syncDir(at('none')))).toBe('ENOENT');
      const asFile = disk.open(at('folder'), 'r').then((file) => file.read(new Uint8Array(1), 0));
      expect(await codeOf(asFile)).toBe('EISDIR');
    });

    test('the helpers make, replace and remove', async () => {
      const { disk, root } = await make();
      await mkdirDurably(disk, joinPath(root, 'x/y'), 'site');
      const path = joinPath(root, 'x/y/whole');
      await writeWholeFile(disk, path, text('1'));
      await (await disk.open(`${path}.tmp`, 'create')).close();
      await writeWholeFile(disk, path, text('2'));
      expect(plain(await disk.readFile(path))).toBe('2');
      expect(await disk.readDir(joinPath(root, 'x/y'))).toEqual(['whole']);
      await removeIfThere(disk, path);
      await removeIfThere(disk, path);
      expect(await disk.readDir(joinPath(root, 'x/y'))).toEqual([]);
    });
  });
}

diskContract('the double', async () => {
  const disk = new MemoryDisk();
  await disk.mkdir('/root');
  return { disk, root: '/root' };
});
diskContract('this disk', async () => {
  const root = join(folder, String(disks++));
  await realDisk().mkdir(root);
  return { disk: realDisk(), root };
});

test('paths are joined and cut at one slash', () => {
  expect(joinPath('/a', 'b')).toBe('/a/b');
  expect(joinPath('/', 'b')).toBe('/b');
  expect([parentOf('/a/b'), parentOf('/a'), parentOf('/')]).toEqual(['/a', '/', '/']);
});

test('trouble is one sentence that names the place', () => {
  const failure = (code: string): Error => Object.assign(new Error(`${code}: it failed`), { code });
  expect(diskTrouble(failure('ENOSPC'), '/d')).toBe('the disk under /d is full: free some space, then try again');
  expect(diskTrouble(failure('ESTALE'), '/d')).toBe('/d: ESTALE: it failed');
  expect(diskTrouble('what', '/d')).toBe('/d: what');
  expect(errorCode(new Error('none'))).toBeUndefined();
});

test('folders above that may not be synced do not stop one that is made below them', async () => {
  const codes: Record<string, string> = { '/': 'EACCES', '/mnt': 'EROFS' };
  const disk = new MemoryDisk({ fault: ({ kind, path }) => (kind === 'syncDir' ? codes[path] : undefined) });
  await mkdirDurably(disk, '/mnt/data/kiln');
  codes['/mnt/data'] = 'EIO';
  expect(await codeOf(mkdirDurably(disk, '/mnt/data/kiln'))).toBe('EIO');
});
