import { readTenantIndex } from '@kiln/catalog';
import type { TenantId } from '@kiln/model';
import { beforeEach, expect, test } from 'vitest';
import { codecs, HOUR, World } from '../../compactor/src/test-support/world.ts';
import { dataDirectory } from './data-dir/layout.ts';
import { verifyDirectory, type Finding } from './verify.ts';

const a = 'a' as TenantId;
const b = 'b' as TenantId;
/** There are objects alone here: what is said of the logs is left out. */
const directory = dataDirectory('/there/is/none');

let world: World;
beforeEach(async () => {
  world = await World.make();
});

async function cut(...values: readonly (readonly [TenantId, number])[]): Promise<void> {
  const timeMs = world.clock.nowMs();
  world.push(...values.map(([tenant, value]) => ({ tenant, service: 'shop', timeMs, value })));
  await world.cut();
}

async function verified(): Promise<readonly Finding[]> {
  const { findings } = await verifyDirectory({ ...world.catalog, directory }, codecs, () => undefined);
  return findings.filter(({ where }) => where !== directory.log);
}

async function bytesOf(key: string): Promise<Uint8Array> {
  return (await world.objects.get(key))!.bytes;
}

test('one bit that changed, anywhere in a segment, a block, a manifest, an index or the register, is found', async () => {
  await cut([a, 1], [b, 2]);
  await world.compactor().round({ now: true });
  await cut([a, 3]);
  expect(await verified()).toEqual([]);
  const keys = await world.keys('');
  expect(keys).toHaveLength(12); // two of each kind, and notes who has an index; the register and the mark of the cluster
  const missed: string[] = [];
  for (const key of keys) {
    const bytes = await bytesOf(key);
    for (let at = 0; at < bytes.length; at += 3) {
      const spoiled = bytes.slice();
      spoiled[at]! ^= 1 << (at % 8);
      await world.objects.put(key, spoiled);
      if ((await verified()).length === 0) missed.push(`${key}, byte ${at} of ${bytes.length}`);
    }
    await world.objects.put(key, bytes);
  }
  expect(missed).toEqual([]);
});

test('a block that is whole but not the one that is named, and one that is gone, are found by their names', async () => {
  await cut([a, 1]);
  await world.compactor().round({ now: true });
  await cut([a, 2], [a, 3]);
  await world.compactor().round({ now: true });
  const [one, two] = (await readTenantIndex(world.catalog, a)).blocks.map(({ object }) => object);
  await world.objects.put(two!, await bytesOf(one!));
  expect(await verified()).toEqual([
    expect.objectContaining({ where: two, found: expect.stringMatching(/^has \d+ bytes, the index says \d+$/) }),
    expect.objectContaining({ where: two, found: 'the part of tenant a is not as it is named' }),
  ]);
  await world.objects.delete(two!);
  expect(await verified()).toEqual([expect.objectContaining({ where: two, found: 'is missing, and is named' })]);
});

test('an index of an older backup, put back alone, is found, and nothing of its tenant is compacted or deleted', async () => {
  const running = world.compactor();
  await cut([a, 1]);
  await running.round({ now: true });
  const older = await bytesOf('tenants/a/index');
  for (const value of [2, 3]) {
    await cut([a, value], [b, value]);
    await running.round({ now: true });
  }
  const blocks = (await world.keys('/b/')).filter((key) => key.startsWith('tenants/a/'));
  expect(await verified()).toEqual([]);
  await world.objects.put('tenants/a/index', older);
  const message = expect.stringMatching(
    /^object tenants\/a\/index is at revision \d+, and tenants\/a\/b\/\S+ was planned on revision \d+: the index was put back/,
  ) as string;
  expect(await verified()).toEqual([expect.objectContaining({ where: 'the index of tenant a', found: message })]);
  // Whether it was there when the index was put back, or is started on it; with each round something is due.
  for (const compactor of [running, world.compactor(), running]) {
    await cut([a, 4], [b, 4]);
    await world.after(25 * HOUR);
    const { troubles, jobs } = await compactor.round({ now: true });
    expect(troubles).toEqual([
      expect.stringMatching(/^tenant a: object tenants\/a\/index .* the index was put back from an older backup/),
    ]);
    expect(jobs).toBeGreaterThan(0);
    expect(await bytesOf('tenants/a/index')).toEqual(older);
    expect(await world.keys('/b/')).toEqual(expect.arrayContaining(blocks));
  }
});

test('rows that could not be read when they were compacted are found, with whose and how many they are', async () => {
  await cut([a, 1], [a, 2], [b, 3]);
  const [segment] = await world.keys('/s/');
  const whole = await bytesOf(segment!);
  const damaged = whole.slice();
  damaged[100]! ^= 1;
  await world.objects.put(segment!, damaged);
  await world.compactor().round({ now: true });
  // Nothing is wrong any more with what is stored.
  await world.objects.put(segment!, whole);
  const found = await verified();
  expect(found.map(({ found: what }) => what)).toEqual([
    expect.stringMatching(/^2 rows of tenant a could not be read when compacted: /),
  ]);
  expect(found[0]!.where).toMatch(/^tenants\/a\/q\//);
});

test('a register that is lost is found also when the log is', async () => {
  await cut([a, 1]);
  await world.objects.delete('log/trim');
  expect(await verified()).toContainEqual(
    expect.objectContaining({
      where: 'the catalog',
      found: expect.stringMatching(/^object log\/trim is missing, but log\//),
    }),
  );
});

test('a store that a first start has only begun to make has nothing wrong with it', async () => {
  for (const key of await world.keys('')) await world.objects.delete(key);
  expect((await verifyDirectory({ ...world.catalog, directory }, codecs, () => undefined)).findings).toEqual([]);
});

test('a copy in the order of docs/storage.md lacks nothing unseen where segments went between its steps', async () => {
  await cut([a, 1]);
  await world.after(3 * HOUR);
  const copied = new Map<string, Uint8Array>();
  const copy = async (prefix: string): Promise<void> => {
    for (const key of await world.keys(''))
      if (key.startsWith(prefix) && !copied.has(key)) copied.set(key, await bytesOf(key));
  };
  await copy('log/trim');
  await copy('indexed/');
  await copy('tenants/');
  await cut([a, 2]);
  await world.compactor().round();
  await copy('log/');
  await copy('cluster');
  for (const key of await world.keys('')) await world.objects.delete(key);
  for (const [key, bytes] of copied) await world.objects.put(key, bytes);
  expect(await verified()).toContainEqual(
    expect.objectContaining({
      found: expect.stringMatching(/^object log\/\S+\/m\/0+ is missing, but log\/\S+ exists/),
    }),
  );
});
