import { describe, expect, test } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { errorCode } from './paths.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** What a disk made by `build` can look like after a power loss, over 300 losses. */
async function outcomes(
  build: (disk: MemoryDisk) => Promise<void>,
  look: (disk: MemoryDisk) => Promise<string>,
): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const disk = new MemoryDisk();
    await build(disk);
    seen.add(await look(disk.crash(seededRandom(seed))));
  }
  return seen;
}

async function write(disk: MemoryDisk, path: string, content: string | Uint8Array, sync = false): Promise<void> {
  const file = await disk.open(path, 'rw').catch(() => disk.open(path, 'create'));
  await file.write(typeof content === 'string' ? text(content) : content, 0);
  if (sync) await file.sync();
  await file.close();
}

const names = async (disk: MemoryDisk): Promise<string> => {
  const found: string[] = [];
  for (const name of (await disk.readDir('/')).toSorted())
    found.push(name.endsWith('/') ? name : `${name}=${new TextDecoder().decode(await disk.readFile(`/${name}`))}`);
  return found.join(' ');
};

describe('power loss', () => {
  test('what was synced is there, always', async () => {
    const seen = await outcomes(async (disk) => {
      await write(disk, '/f', 'x', true);
      await disk.mkdir('/d');
      await disk.syncDir('/');
    }, names);
    expect(seen).toEqual(new Set(['d/ f=x']));
  });

  test('a synced file whose entry was not synced may be gone', async () => {
    const seen = await outcomes((disk) => write(disk, '/f', 'x', true), names);
    expect(seen).toEqual(new Set(['', 'f=x']));
  });

  test('data without sync may be gone, whole, torn, or only its length', async () => {
    const seen = await outcomes(
      async (disk) => {
        await write(disk, '/f', '');
        await disk.syncDir('/');
        await write(disk, '/f', new Uint8Array(1_500).fill(120));
      },
      async (disk) => {
        const content = await disk.readFile('/f');
        const sectors = [0, 512, 1024].map((at) => content.subarray(at, at + 512));
        return sectors
          .map((sector) =>
            sector.length === 0 ? '-' : sector.every((b) => b === 120) ? 'x' : sector.every((b) => b === 0) ? '0' : '?',
          )
          .join('');
      },
    );
    for (const want of ['---', 'xxx', '000', '0xx', 'xx-', 'x0x']) expect(seen).toContain(want);
    expect([...seen].some((sectors) => sectors.includes('?'))).toBe(true);
  });

  test('an overwrite and a truncation may be lost, each for itself', async () => {
    const seen = await outcomes(async (disk) => {
      await write(disk, '/f', 'old', true);
      await disk.syncDir('/');
      const file = await disk.open('/f', 'rw');
      await file.truncate(1);
      await file.write(text('N'), 0);
    }, names);
    expect(seen).toEqual(new Set(['f=old', 'f=o', 'f=N', 'f=Nld']));
  });

  test('a rename has either name, a replaced name either file, and no name is lost', async () => {
    const build = async (disk: MemoryDisk): Promise<void> => {
      await write(disk, '/a', 'new', true);
      await write(disk, '/b', 'old', true);
      await disk.syncDir('/');
      await disk.rename('/a', '/b');
    };
    expect(await outcomes(build, names)).toEqual(new Set(['a=new b=old', 'b=new', 'a=new b=new']));
    const synced = async (disk: MemoryDisk): Promise<void> => {
      await build(disk);
      await disk.syncDir('/');
    };
    expect(await outcomes(synced, names)).toEqual(new Set(['b=new']));
  });

  test('a rename between folders is durable with either folder’s sync', async () => {
    for (const side of ['/one', '/two']) {
      const seen = await outcomes(
        async (disk) => {
          await disk.mkdir('/one');
          await disk.mkdir('/two');
          await disk.syncDir('/');
          await write(disk, '/one/f', 'x', true);
          await disk.syncDir('/one');
          await disk.rename('/one/f', '/two/f');
          await disk.syncDir(side);
        },
        async (disk) =>
          [
            ...(await disk.readDir('/one')).map((n) => `1${n}`),
            ...(await disk.readDir('/two')).map((n) => `2${n}`),
          ].join(),
      );
      expect(seen).toContain('2f');
      expect(seen).not.toContain('');
    }
  });

  test('unlinks and new folders may be lost, with all that is below', async () => {
    const seen = await outcomes(async (disk) => {
      await write(disk, '/f', 'x', true);
      await disk.syncDir('/');
      await disk.unlink('/f');
      await disk.mkdir('/d');
      await write(disk, '/d/g', 'y', true);
      await disk.syncDir('/d');
    }, names);
    expect(seen).toEqual(new Set(['', 'f=x', 'd/', 'd/ f=x']));
  });

  test('hard links stay one file', async () => {
    const disk = new MemoryDisk();
    await write(disk, '/a', 'x', true);
    await disk.link('/a', '/b');
    await disk.syncDir('/');
    const next = disk.crash(seededRandom(1));
    await write(next, '/a', 'y');
    expect(await names(next)).toBe('a=y b=y');
  });

  test('the same seed gives the same disk', async () => {
    const build = async (): Promise<string> => {
      const disk = new MemoryDisk({ random: seededRandom(1) });
      for (let i = 0; i < 20; i++) await write(disk, `/${i}`, `${i}`.repeat(300), i % 3 === 0);
      return names(disk.crash(seededRandom(2)));
    };
    expect(await build()).toBe(await build());
  });
});

describe('processes and faults', () => {
  test('a dead process does nothing more, and its calls never return', async () => {
    const disk = new MemoryDisk();
    await write(disk, '/f', 'x');
    disk.stopAt(disk.calls);
    let returned = false;
    void write(disk, '/g', 'y').finally(() => (returned = true));
    await disk.stopped;
    const next = disk.restart();
    expect(await names(next)).toBe('f=x');
    expect(returned).toBe(false);
  });

  test('a killed process leaves what it did not sync visible, and in danger', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 50; seed++) {
      const disk = new MemoryDisk();
      await write(disk, '/f', 'x');
      const next = disk.restart();
      expect(await names(next)).toBe('f=x');
      await next.syncDir('/');
      seen.add(await names(next.crash(seededRandom(seed))));
    }
    expect(seen).toEqual(new Set(['f=', 'f=x', 'f=\0']));
  });

  test('after a failed fsync a later one that succeeds does not bring the data back', async () => {
    let fail = true;
    const disk = new MemoryDisk({
      random: seededRandom(5),
      fault: ({ kind, index }) => (kind === 'sync' && index < 10 && fail ? 'EIO' : undefined),
    });
    const file = await disk.open('/f', 'create');
    await disk.syncDir('/');
    await file.write(new Uint8Array(20_000).fill(1), 0);
    expect(await file.sync().catch(errorCode)).toBe('EIO');
    fail = false;
    await file.sync();
    expect((await disk.readFile('/f')).every((byte) => byte === 1)).toBe(true);
    const after = await disk.crash(seededRandom(1)).readFile('/f');
    expect(after.length === 20_000 && after.every((byte) => byte === 1)).toBe(false);
  });

  test('a failed write leaves a part of itself', async () => {
    const lengths = new Set<number>();
    const disk = new MemoryDisk({
      random: seededRandom(5),
      fault: ({ kind }) => (kind === 'write' ? 'ENOSPC' : undefined),
    });
    for (let i = 0; i < 10; i++) {
      const file = await disk.open(`/${i}`, 'create');
      expect(await file.write(new Uint8Array(100), 0).catch(errorCode)).toBe('ENOSPC');
      lengths.add(await file.size());
    }
    expect(lengths.size).toBeGreaterThan(3);
    expect(Math.max(...lengths)).toBeLessThan(100);
  });

  test('a sync that is to be ignored does nothing, and is seen', async () => {
    const disk = new MemoryDisk({ ignoreSites: new Set(['mine']) });
    const file = await disk.open('/f', 'create');
    await disk.syncDir('/', 'other');
    await file.write(text('x'), 0);
    await file.sync('mine');
    expect(disk.sites).toEqual(new Set(['other', 'mine']));
    const seen = new Set<string>();
    for (let seed = 0; seed < 20; seed++) seen.add(await names(disk.crash(seededRandom(seed))));
    expect(seen).toContain('f=');
  });

  test('what changes while a sync runs is not made durable by it', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 100; seed++) {
      const disk = new MemoryDisk({ random: seededRandom(seed) });
      const syncing = disk.syncDir('/');
      const file = await disk.open('/f', 'create');
      await file.close();
      await syncing;
      seen.add(await names(disk.crash(seededRandom(seed))));
    }
    expect(seen).toEqual(new Set(['', 'f=']));
  });
});

/** Any good sequence; @kiln/async has the one for others, this package stands on nothing. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
