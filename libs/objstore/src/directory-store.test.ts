import { seededRandom } from '@kiln/async';
import { MemoryDisk, type DiskOperation } from '@kiln/disk';
import { KilnError } from '@kiln/model';
import { describe, expect, test } from 'vitest';
import { inspectDirectoryStore } from './directory-reader.ts';
import { openDirectoryStore } from './directory-store.ts';

const ROOT = '/data/objects';
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
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

type Trouble = Partial<Record<DiskOperation['kind'], string>>;
function troubled(): { disk: MemoryDisk; trouble: Trouble; calls: DiskOperation[] } {
  const trouble: Trouble = {};
  const calls: DiskOperation[] = [];
  const fault = (operation: DiskOperation): string | undefined => {
    calls.push(operation);
    return trouble[operation.kind];
  };
  return { disk: new MemoryDisk({ random: seededRandom(3), fault }), trouble, calls };
}

describe('the directory store', () => {
  test('keeps an object as a file of its key, and is opened again with what it held', async () => {
    const disk = new MemoryDisk();
    const store = await openDirectoryStore({ disk, root: ROOT });
    await store.put('a/b', text('one'));
    expect(new TextDecoder().decode(await disk.readFile(`${ROOT}/a/b`))).toBe('one');
    const before = await store.get('a/b');
    const again = await openDirectoryStore({ disk: disk.restart(), root: ROOT });
    expect(await again.get('a/b')).toEqual(before);
  });

  test('removes left-overs of a killed process when it is opened, and nothing that is an object', async () => {
    const disk = new MemoryDisk();
    const store = await openDirectoryStore({ disk, root: ROOT });
    await store.put('tmp/0', text('an object'));
    await (await disk.open(`${ROOT}/+tmp/17`, 'create')).close();
    await (await disk.open(`${ROOT}/+tmp/probe-1`, 'create')).close();
    const again = await openDirectoryStore({ disk, root: ROOT });
    expect(await disk.readDir(`${ROOT}/+tmp`)).toEqual([]);
    expect(await again.list('')).toEqual(['tmp/0']);
  });

  test('refuses a file system without hard links by name', async () => {
    for (const code of ['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK']) {
      const { disk, trouble } = troubled();
      trouble.link = code;
      const error = await errorOf(openDirectoryStore({ disk, root: ROOT }));
      expect(error.code).toBe('failed_precondition');
      expect(error.message).toMatch(/file system of \/data\/objects has no hard links .* choose a folder on another/);
      expect(await disk.readDir(`${ROOT}/+tmp`)).toEqual([]);
    }
    const lying = new MemoryDisk();
    lying.link = async () => {};
    expect((await errorOf(openDirectoryStore({ disk: lying, root: ROOT }))).code).toBe('failed_precondition');
  });

  test('in trouble says where and what helps, leaves no half object, and goes on when the trouble ends', async () => {
    const f = async (kind: DiskOperation['kind'], code: string, sentence: RegExp): Promise<void> => {
      const { disk, trouble } = troubled();
      const store = await openDirectoryStore({ disk, root: ROOT });
      await store.put('a/old', text('old'));
      const { etag } = (await store.get('a/old'))!;
      trouble[kind] = code;
      for (const write of [
        store.put('a/old', text('new')),
        store.putIfAbsent('a/new', text('new')),
        store.putIfMatch('a/old', text('new'), etag),
      ]) {
        const error = await errorOf(write);
        expect(error.code).toBe('unavailable');
        expect(error.message).toMatch(sentence);
      }
      delete trouble[kind];
      expect(new TextDecoder().decode((await store.get('a/old'))!.bytes)).toBe('old');
      expect(await store.list('')).toEqual(['a/old']);
      expect(await disk.readDir(`${ROOT}/+tmp`)).toEqual([]);
      expect((await store.putIfAbsent('a/new', text('new'))).written).toBe(true);
      expect((await store.putIfMatch('a/old', text('new'), etag)).written).toBe(true);
    };
    await f('write', 'ENOSPC', /disk under \/data\/objects\/a\/\w+ is full: free some space/);
    await f('create', 'ENOSPC', /is full/);
    await f('create', 'EROFS', /file system under \/data\/objects\/a\/\w+ is read-only: mount it writable/);
    await f('sync', 'EIO', /\/data\/objects\/a\/\w+ reports an input\/output error/);
    await f('create', 'EDQUOT', /quota/);
    await f('create', 'EACCES', /may not be accessed by this user/);
    await f('create', 'EMFILE', /ulimit -n/);
  });

  test('reads in trouble are unavailable, not absent', async () => {
    const { disk, trouble } = troubled();
    const store = await openDirectoryStore({ disk, root: ROOT });
    await store.put('a', text('x'));
    trouble.readFile = trouble.open = trouble.readDir = 'EIO';
    for (const read of [store.get('a'), store.getRange('a', 0, 1), store.list(''), store.putIfAbsent('a', text('y'))])
      expect((await errorOf(read)).code).toBe('unavailable');
  });

  test('a write whose folder could not be synced is not answered by later reads before it could', async () => {
    const { disk, trouble } = troubled();
    const store = await openDirectoryStore({ disk, root: ROOT });
    trouble.syncDir = 'EIO';
    expect((await errorOf(store.putIfAbsent('k', text('x')))).code).toBe('unavailable');
    expect((await errorOf(store.get('k'))).code).toBe('unavailable');
    expect((await errorOf(store.putIfAbsent('k', text('y')))).code).toBe('unavailable');
    delete trouble.syncDir;
    expect(await store.putIfAbsent('k', text('y'))).toEqual({ written: false });
    expect(new TextDecoder().decode((await store.get('k'))!.bytes)).toBe('x');
  });

  test('a full disk and a read-only mount at the start are sentences', async () => {
    const f = async (trouble: Trouble, sentence: RegExp): Promise<void> => {
      const disk = new MemoryDisk({ fault: ({ kind }) => trouble[kind] });
      const error = await errorOf(openDirectoryStore({ disk, root: ROOT }));
      expect([error.code, error.message]).toEqual(['unavailable', expect.stringMatching(sentence)]);
    };
    await f({ mkdir: 'EROFS' }, /\/data\/objects is read-only/);
    await f({ create: 'ENOSPC' }, /\/data\/objects is full/);
    await f({ link: 'ENOSPC' }, /\/data\/objects is full/);
    await f({ mkdir: 'ENOTDIR' }, /ENOTDIR/);
  });

  test('writes of one moment share the fsync of their folder', async () => {
    const { disk, calls } = troubled();
    const store = await openDirectoryStore({ disk, root: ROOT });
    await store.put('m/first', text('x'));
    calls.length = 0;
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.putIfAbsent(`m/${i}`, text('x'))));
    const of = (kind: string): number => calls.filter((call) => call.kind === kind).length;
    expect(of('sync')).toBe(100);
    expect(of('syncDir')).toBeLessThan(60);
    calls.length = 0;
    for (let i = 0; i < 20; i++) await store.get(`m/${i}`);
    await store.list('m/');
    expect(of('syncDir')).toBe(0);
  });
});

describe('a directory store opened for looking', () => {
  test('reads the same, changes nothing, and refuses writes', async () => {
    const { disk, calls } = troubled();
    const store = await openDirectoryStore({ disk, root: ROOT });
    await store.put('a/b', text('one'));
    await (await disk.open(`${ROOT}/+tmp/5`, 'create')).close();
    calls.length = 0;
    const look = inspectDirectoryStore({ disk, root: ROOT });
    expect(await look.get('a/b')).toEqual(await store.get('a/b'));
    expect(await look.getRange('a/b', 1, 1)).toEqual(text('n'));
    expect(await look.list('')).toEqual(['a/b']);
    expect(await look.get('a/c')).toBeUndefined();
    for (const write of [
      look.put('x', text('x')),
      look.putIfAbsent('x', text('x')),
      look.putIfMatch('x', text('x'), ''),
      look.delete('a/b'),
    ])
      expect((await errorOf(write)).code).toBe('failed_precondition');
    const kinds = new Set(calls.map(({ kind }) => kind));
    for (const kind of ['create', 'write', 'unlink', 'rename', 'link', 'mkdir', 'sync', 'syncDir'] as const)
      expect(kinds.has(kind), `no ${kind}`).toBe(false);
    expect(await inspectDirectoryStore({ disk, root: '/nowhere' }).list('')).toEqual([]);
  });
});
