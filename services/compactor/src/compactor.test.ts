import { closeLog, commitBlocks, raiseTrim, readTenantIndex, readTrim, type Catalog } from '@kiln/catalog';
import { KilnError, makeLogId, type TenantId } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import { createLogger, createMetrics } from '@kiln/telemetry';
import { beforeEach, describe, expect, test } from 'vitest';
import { Reserve } from './reserve.ts';
import { FakeFile } from './test-support/fake-file.ts';
import type { Compactor } from './compactor.ts';
import { DAY, HOUR, NOON, World } from './test-support/world.ts';

const a = 'a' as TenantId;
const b = 'B' as TenantId;
let world: World;
let next = 0;

beforeEach(async () => {
  world = await World.make();
  next = 0;
});

/** A row of its own value, `agoMs` before the clock. */
const row = (tenant: TenantId, agoMs = 0, service = 'web') => ({
  tenant,
  service,
  timeMs: world.clock.nowMs() - agoMs,
  value: ++next,
});

/** As many blocks of one row each. */
async function makeBlocks(compactor: Compactor, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    world.push(row(a));
    await world.cut();
    await compactor.round({ now: true });
  }
}

const blocks = async (tenant: TenantId) => (await readTenantIndex(world.catalog, tenant)).blocks;
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

describe('a round', () => {
  test('makes blocks by hour of what is due, and every row is still there once', async () => {
    world.push(row(a), row(b), row(a, HOUR));
    await world.cut();
    const compactor = world.compactor();
    expect(await compactor.round()).toMatchObject({ jobs: 0 });
    await world.after(HOUR);
    expect(await compactor.round()).toMatchObject({ jobs: 2, blocks: 3, troubles: [] });
    expect((await blocks(a)).map(({ level, rows }) => [level, rows])).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(await world.values(a)).toEqual([1, 3]);
    expect(await world.values(b)).toEqual([2]);
    expect(await compactor.round()).toMatchObject({ jobs: 0 });
  });

  test('counts in the ledger of the process what a job reads, eight times, and nothing when it has ended', async () => {
    world.push(row(a), row(a, HOUR));
    await world.cut();
    const [{ len } = { len: 0 }] = world.chain.manifests.flatMap(({ tenants }) => tenants);
    await world.compactor().round({ now: true });
    expect(world.heldForJobs).toEqual([Math.ceil((8 * len) / 1024) * 1024]);
    expect([len > 0, world.ledger.usedBytes]).toEqual([true, 0]);
  });

  test('merges the blocks of an hour, and then of a day', async () => {
    const compactor = world.compactor();
    for (let i = 0; i < 6; i++) {
      world.push(row(a), row(a, 0, 'other'));
      await world.cut();
      await compactor.round({ now: true });
      await world.after(20 * 60_000);
    }
    await world.after(HOUR);
    await compactor.round();
    expect((await blocks(a)).map(({ level, rows }) => [level, rows])).toEqual([
      [1, 6],
      [1, 6],
    ]);
    await world.after(12 * HOUR);
    await compactor.round();
    expect((await blocks(a)).map(({ level, rows }) => [level, rows])).toEqual([[2, 12]]);
    expect(await world.values(a)).toEqual(upTo(12));
  });

  test('puts rows of days that are over into day blocks at once', async () => {
    world.push(row(a, 3 * DAY), row(a, 3 * DAY + 5 * HOUR), row(a));
    await world.cut();
    await world.compactor().round({ now: true });
    expect((await blocks(a)).map(({ level, rows }) => [level, rows])).toEqual([
      [2, 2],
      [1, 1],
    ]);
  });

  test('drops copies when their window is merged', async () => {
    const copy = row(a);
    const compactor = world.compactor();
    for (const rows of [[copy, row(a)], [copy]]) {
      world.push(...rows);
      await world.cut();
      await compactor.round({ now: true });
    }
    expect(await world.values(a)).toEqual([1, 1, 2]);
    await world.after(2 * HOUR);
    await compactor.round();
    expect(await world.values(a)).toEqual([1, 2]);
    expect(await world.metrics.text()).toContain('kiln_compactor_copies_dropped_total 1');
  });

  test('drops a copy that came after its day was merged, within a day', async () => {
    const copy = row(a);
    const compactor = world.compactor();
    const pushed = async (...rows: ReturnType<typeof row>[]): Promise<void> => {
      world.push(...rows);
      await world.cut();
      await compactor.round({ now: true });
    };
    await pushed(copy, ...Array.from({ length: 20 }, () => row(a)));
    await pushed(row(a, HOUR));
    await world.after(2 * DAY);
    await compactor.round();
    expect((await blocks(a)).map(({ level }) => level)).toEqual([2]);
    await pushed(copy);
    await compactor.round();
    expect(await world.values(a)).toEqual([1, ...upTo(22)]);
    await world.after(DAY);
    await compactor.round();
    expect(await world.values(a)).toEqual(upTo(22));
  });

  test('compacts no row again of a log that leaves the register while the round reads what is stored', async () => {
    world.push(row(a));
    await world.cut();
    await world.compactor().round({ now: true });
    await closeLog(world.catalog, { log: world.log, writer: 'world' });
    let leaves = true;
    const objects: ObjectStore = {
      ...bound(world.objects),
      get: async (key) => {
        if (key.endsWith('/index') && leaves) {
          leaves = false;
          // Another compactor trims the log, which goes, and commits a job for the tenant, whose index forgets W of it.
          await raiseTrim(world.catalog, world.log, () => true);
          const { rev } = await readTenantIndex(world.catalog, a);
          const taken = [{ log: makeLogId('b'.repeat(32), 0), from: -1, end: 0 }];
          const job = { rev, taken, blocks: [], quarantine: [], gaps: [], goneLogs: new Set([world.log]) };
          await commitBlocks(world.catalog, a, job);
        }
        return world.objects.get(key);
      },
    };
    await world.compactor({}, undefined, { ...world.catalog, objects }).round({ now: true });
    expect(await world.values(a)).toEqual([1]);
  });

  test('of three compactors at once compacts each row once', async () => {
    for (let i = 0; i < 5; i++) {
      world.push(row(a), row(b));
      await world.cut();
    }
    const compactors = [1, 2, 3].map(() => world.compactor());
    const rounds = await world.clock.run(Promise.all(compactors.map((one) => one.round({ now: true }))));
    expect(rounds.flatMap(({ troubles }) => troubles)).toEqual([]);
    expect(await world.values(a)).toEqual([1, 3, 5, 7, 9]);
    expect(await world.values(b)).toEqual([2, 4, 6, 8, 10]);
  });

  test('that dies at any step changes no answer, and the next one ends the work and leaves nothing behind', async () => {
    const steps = ['before-blocks', 'after-block', 'after-blocks', 'after-commit', 'after-retain', 'after-trim'];
    for (const step of steps) {
      world = await World.make();
      next = 0;
      for (let i = 0; i < 3; i++) {
        world.push(row(a), row(a, HOUR));
        await world.cut();
      }
      const died = new KilnError('internal', 'died');
      const dying = world.compactor({}, (name) => {
        if (name === step) throw died;
      });
      const { troubles } = await dying.round({ now: true });
      expect(troubles.join(), step).toContain('died');
      expect(await world.values(a), step).toEqual(upTo(6));
      await world.after(2 * DAY);
      for (let i = 0; i < 2; i++) {
        expect((await world.compactor().round({ now: true })).troubles).toEqual([]);
        await world.after(2 * HOUR);
      }
      await world.compactor().round();
      expect(await world.values(a), step).toEqual(upTo(6));
      const named = (await blocks(a)).map(({ object }) => object);
      expect(await world.keys('/b/'), step).toEqual(named);
    }
  });

  test('of one tenant in trouble leaves the others alone', async () => {
    world.push(row(a), row(b));
    await world.cut();
    await world.objects.put('tenants/a/index', new Uint8Array(3));
    const { troubles } = await world
      .compactor()
      .round({ now: true })
      .catch((error: unknown) => ({
        troubles: [String(error)],
      }));
    expect(troubles.join()).toContain('tenants/a/index');
    expect(await blocks(b)).toHaveLength(1);
  });
});

describe('what is damaged', () => {
  const flip = async (key: string, at: (bytes: Uint8Array) => number): Promise<void> => {
    const bytes = (await world.objects.get(key))!.bytes.slice();
    bytes[at(bytes)]! ^= 1;
    await world.objects.put(key, bytes);
  };

  test('of a segment, the dataset is named and kept, and the others are in blocks', async () => {
    world.push(row(a, 0, 'sound'), row(a, 0, 'broken'));
    await world.cut();
    const [segment] = await world.keys('/s/');
    await flip(segment!, () => 42); // in the samples of the first dataset, which begin behind the heads of object and region
    const compactor = world.compactor();
    expect((await compactor.round({ now: true })).troubles).toEqual([]);
    const index = await readTenantIndex(world.catalog, a);
    expect(index.quarantine).toMatchObject([{ rows: 1, reason: expect.stringMatching(/dataset (sound|broken), cpu/) }]);
    expect(await world.values(a)).toHaveLength(1);
    expect(await world.keys('/q/')).toEqual([index.quarantine[0]!.object]);
    expect(compactor.notes()).toEqual([expect.stringContaining('1 rows of tenant a cannot be read')]);
    expect(world.lines.join('\n')).toContain('rows of a segment cannot be read');
  });

  test('of a segment in many datasets is kept once', async () => {
    const services = Array.from({ length: 9 }, (_, i) => `service ${i}`);
    world.push(...services.map((service) => row(a, 0, service)));
    await world.cut();
    const [segment] = await world.keys('/s/');
    const bytes = (await world.objects.get(segment!))!.bytes.slice();
    const [{ off, len } = { off: 0, len: 0 }] = world.chain.manifests.flatMap(({ tenants }) => tenants);
    bytes.fill(0, off, off + Math.floor(len / 3));
    await world.objects.put(segment!, bytes);
    await world.compactor().round({ now: true });
    const { quarantine } = await readTenantIndex(world.catalog, a);
    expect(quarantine.length).toBeGreaterThan(1);
    expect((await world.values(a)).length).toBe(services.length - quarantine.length);
    expect(await world.keys('/q/')).toHaveLength(1);
    expect(new Set(quarantine.map(({ object }) => object))).toEqual(new Set(await world.keys('/q/')));
  });

  test('of a segment as a whole, and one that is gone, stop nobody', async () => {
    world.push(row(a));
    await world.cut();
    world.push(row(a));
    await world.cut();
    world.push(row(a));
    await world.cut();
    const [first, second] = await world.keys('/s/');
    await world.objects.put(first!, new Uint8Array(500));
    await world.objects.delete(second!);
    const compactor = world.compactor();
    await compactor.round({ now: true });
    await compactor.round({ now: true });
    const { quarantine } = await readTenantIndex(world.catalog, a);
    expect(quarantine.map(({ reason }) => reason)).toEqual([
      expect.stringContaining(first!),
      expect.stringContaining(`${second} is gone`),
    ]);
    expect(await world.values(a)).toEqual([3]);
  });

  test('of a block is noted once, and its window merges no more with it', async () => {
    const compactor = world.compactor();
    await makeBlocks(compactor, 3);
    const [bad] = await blocks(a);
    await flip(bad!.object, (bytes) => Math.floor(bytes.length / 2));
    await world.after(2 * HOUR);
    for (let i = 0; i < 3; i++) expect((await compactor.round()).troubles).toEqual([]);
    const left = await blocks(a);
    expect(left.filter(({ damage }) => damage !== undefined)).toHaveLength(1);
    expect(left.map(({ rows }) => rows).toSorted((x, y) => x - y)).toEqual([1, 2]);
    expect(compactor.notes()).toEqual([expect.stringContaining(`block ${bad!.object} is damaged`)]);
  });

  test('of a block ends when it is put back: at once when somebody asks for a round, else within a day', async () => {
    const compactor = world.compactor();
    await makeBlocks(compactor, 2);
    const { object } = (await blocks(a))[0]!;
    const flipByte = (): Promise<void> => flip(object, (bytes) => Math.floor(bytes.length / 2));
    const damaged = async (): Promise<boolean> => (await blocks(a)).some(({ damage }) => damage !== undefined);
    await flipByte();
    await world.after(2 * HOUR);
    for (let i = 0; i < 2; i++) await compactor.round();
    expect([await damaged(), (await blocks(a)).length]).toEqual([true, 2]);
    await flipByte();
    await world.after(HOUR);
    await compactor.round();
    expect(await damaged()).toBe(true);
    await compactor.round({ now: true });
    expect([await damaged(), compactor.notes(), (await blocks(a)).length]).toEqual([false, [], 1]);
    expect(await world.values(a)).toEqual([1, 2]);
    expect(world.lines.join()).toContain('whole again');
  });

  test('of a block that is gone ends when it is put back, too', async () => {
    const compactor = world.compactor();
    await makeBlocks(compactor, 2);
    const { object } = (await blocks(a))[0]!;
    const { bytes } = (await world.objects.get(object))!;
    await world.objects.delete(object);
    await world.after(2 * HOUR);
    for (let i = 0; i < 3; i++) await compactor.round();
    expect(compactor.notes()).toEqual([expect.stringContaining(`${object} is gone`)]);
    await world.objects.put(object, bytes);
    await world.after(DAY);
    await compactor.round();
    expect([compactor.notes(), await world.values(a)]).toEqual([[], [1, 2]]);
  });

  test('is read again first: a store that errs once loses nothing', async () => {
    world.push(row(a));
    await world.cut();
    let reads = 0;
    const flaky: ObjectStore = {
      ...bound(world.objects),
      getRange: async (key, off, len) => {
        const bytes = await world.objects.getRange(key, off, len);
        return ++reads === 1 ? bytes!.slice(0, 10) : bytes;
      },
    };
    await world.compactor({}, undefined, { ...world.catalog, objects: flaky }).round({ now: true });
    expect(reads).toBe(2);
    expect(await world.values(a)).toEqual([1]);
  });

  test.each([
    ['cut', (bytes: Uint8Array) => bytes.slice(0, 10)],
    ['changed in a page', (bytes: Uint8Array) => bytes.with(Math.floor(bytes.length / 3), 0xee)],
  ])(
    'is read again part by part: a line on which every third reading is %s loses nothing of thirty',
    async (_, spoil) => {
      for (let i = 0; i < 30; i++) {
        world.push(row(a), row(a, 0, 'other'));
        await world.cut();
      }
      let reads = 0;
      const flaky: ObjectStore = {
        ...bound(world.objects),
        getRange: async (key, off, len) => {
          const bytes = (await world.objects.getRange(key, off, len))!;
          return ++reads % 3 === 0 ? spoil(bytes) : bytes;
        },
      };
      await world.compactor({}, undefined, { ...world.catalog, objects: flaky }).round({ now: true });
      expect((await readTenantIndex(world.catalog, a)).quarantine).toEqual([]);
      expect([await world.values(a), (await blocks(a)).length]).toEqual([upTo(60), 1]);
    },
  );
});

describe('letting go', () => {
  test('retention deletes blocks by tenant, an hour after their time and an hour after their name', async () => {
    world.limits.set(a, { retentionPeriodMs: 2 * DAY });
    world.limits.set(b, { retentionPeriodMs: 0 });
    world.push(row(a), row(b));
    await world.cut();
    const compactor = world.compactor();
    await compactor.round({ now: true });
    await world.after(2 * DAY + HOUR);
    await compactor.round();
    expect(await blocks(a)).toHaveLength(1);
    await world.after(1);
    await compactor.round();
    expect(await blocks(a)).toHaveLength(0);
    expect(await world.keys('/b/')).toHaveLength(2);
    await world.after(HOUR);
    await compactor.round();
    expect(await world.keys('tenants/a/b/')).toEqual([]);
    expect(await blocks(b)).toHaveLength(1);
  });

  test('works when nobody compacts: segments go when all of their rows are past it', async () => {
    world.limits.set(a, { retentionPeriodMs: DAY });
    world.limits.set(b, { retentionPeriodMs: 3 * DAY });
    for (const rows of [[row(a)], [row(a), row(b)], [row(a)]]) {
      world.push(...rows);
      await world.cut();
    }
    await world.after(DAY + HOUR + 1);
    world.push(row(a));
    await world.cut(); // the tip: what is older than the duplicate window is judged against it
    const compactor = world.compactor({ enabled: false });
    await compactor.round({ now: true });
    expect(await world.keys('/s/')).toHaveLength(3);
    expect(await world.values(b)).toEqual([3]);
    await world.after(2 * DAY);
    world.push(row(a));
    await world.cut();
    await compactor.round();
    expect(await world.keys('/s/')).toHaveLength(1);
    expect((await readTrim(world.catalog)).logs[0]!.T).toBe(4);
  });

  test('segments go when they are in blocks and their ids are two hours old, and not before', async () => {
    world.push(row(a));
    await world.cut();
    const compactor = world.compactor();
    await compactor.round({ now: true });
    await world.after(2 * HOUR);
    world.push(row(a));
    await world.cut();
    await compactor.round({ now: true });
    expect(await world.keys('/s/')).toHaveLength(2);
    await world.after(1);
    world.push(row(a));
    await world.cut();
    await compactor.round();
    expect(await world.keys('/s/')).toHaveLength(2);
    expect(await world.values(a)).toEqual([1, 2, 3]);
  });

  test('a segment stays while one of its tenants has it in no block', async () => {
    world.push(row(a), row(b));
    await world.cut();
    await world.after(3 * HOUR);
    world.push(row(a));
    await world.cut();
    // The index of b cannot be written.
    const objects: ObjectStore = {
      ...bound(world.objects),
      putIfAbsent: async (key, bytes) => {
        if (key.startsWith('tenants/b~1/')) throw new KilnError('failed_precondition', 'no room for b');
        return world.objects.putIfAbsent(key, bytes);
      },
    };
    const { troubles } = await world.compactor({}, undefined, { ...world.catalog, objects }).round({ now: true });
    expect(troubles.join()).toContain('no room for b');
    expect(await world.keys('/s/')).toHaveLength(2);
    expect(await world.values(b)).toEqual([2]);
  });

  test('when the disk is full the oldest blocks go, of whomever, when the setting says so', async () => {
    for (const rows of [[row(a, 2 * DAY)], [row(b, 3 * DAY)], [row(a)], [row(b)]]) {
      world.push(...rows);
      await world.cut();
    }
    await world.compactor().round({ now: true });
    world.usedBytes = 901;
    await world.compactor().round();
    expect([...(await world.values(a)), ...(await world.values(b))]).toEqual([1, 3, 2, 4]);
    world.whenFull = 'oldest-goes';
    const compactor = world.compactor();
    expect(compactor.notes()).toEqual([]);
    await compactor.round(); // 21 bytes too many: one block
    expect([...(await world.values(a)), ...(await world.values(b))]).toEqual([1, 3, 4]);
    expect(await world.keys('/b/')).toHaveLength(3);
    expect(world.lines.join()).toMatch(
      /^ts=\S+ level=warn msg="storage is full: .*" tenant=B blocks=1 bytes=\d+ upTo=2022-01-05T/,
    );
    expect(compactor.notes()).toEqual([expect.stringMatching(/^compactor: data up to 2022-01-05T.* of 1 tenant was/)]);
  });

  test('when the disk is full, what was merged or deleted already goes before any block, and it may be enough', async () => {
    for (const rows of [[row(a, 2 * DAY)], [row(b)], [row(b)]]) {
      world.push(...rows);
      await world.cut();
      await world.compactor().round({ now: true });
    }
    await world.after(2 * HOUR);
    await world.compactor().round();
    expect(await blocks(b)).toHaveLength(1);
    world.usedBytes = 901;
    world.whenFull = 'oldest-goes';
    await world.compactor({}, undefined, freeing(/\/b\//, 2)).round();
    expect([await world.values(a), await world.values(b)]).toEqual([[1], [2, 3]]);
    expect(await world.keys('/b/')).toHaveLength(2);
  });

  test('when the disk is full to the last byte, what is past its time goes in the room that was held; nothing is compacted meanwhile', async () => {
    const file = new FakeFile(80);
    let others = 0;
    const usage = async () => ({ usedBytes: others + file.takenBytes, totalBytes: 1000 });
    const log = createLogger({ level: 'info', write: () => undefined, nowMs: () => 0 });
    world.reserve = new Reserve({ file, usage, log, metrics: createMetrics({ ofProcess: false }) });
    world.limits.set(a, { retentionPeriodMs: DAY });
    const unlessFull = (): void => {
      if (others + file.takenBytes >= 1000) throw new KilnError('unavailable', 'not a byte is left');
    };
    const objects: ObjectStore = {
      ...bound(world.objects),
      put: async (key, bytes) => {
        unlessFull();
        await world.objects.put(key, bytes);
      },
      putIfMatch: async (key, bytes, etag) => {
        unlessFull();
        return world.objects.putIfMatch(key, bytes, etag);
      },
    };
    const compactor = world.compactor({}, undefined, { ...world.catalog, objects });
    world.push(row(a), row(b));
    await world.cut();
    expect(await compactor.round({ now: true })).toMatchObject({ jobs: 2, troubles: [] });
    expect(file.isThere()).toBe(true);

    await world.after(DAY + 2 * HOUR);
    world.push(row(b));
    await world.cut();
    others = 1000 - 80;
    const waits = expect.stringMatching(/^compaction waits: the disk of the data directory is full/);
    expect(await compactor.round({ now: true })).toMatchObject({ jobs: 0, troubles: [waits] });
    expect(await blocks(a)).toEqual([]);
    await world.after(HOUR);
    expect(await compactor.round({ now: true })).toMatchObject({ jobs: 0, deleted: 1, troubles: [waits] });

    others = 0;
    expect(await compactor.round({ now: true })).toMatchObject({ jobs: 1, troubles: [] });
    expect([file.isThere(), await world.values(b)]).toEqual([true, [2, 3]]);
  });

  test('a job that finds no room for its blocks leaves none of them', async () => {
    world.push(row(a), row(a, DAY), row(a, 2 * DAY));
    await world.cut();
    let room = 2;
    const objects: ObjectStore = {
      ...bound(world.objects),
      put: async (key, bytes) => {
        await world.objects.put(key, bytes);
        if (--room < 0) throw new KilnError('unavailable', 'not a byte is left');
      },
    };
    const { jobs, troubles } = await world.compactor({}, undefined, { ...world.catalog, objects }).round({ now: true });
    expect([jobs, troubles, await world.keys('/b/')]).toEqual([0, ['tenant a, compact: not a byte is left'], []]);
    await world.compactor().round({ now: true });
    expect([await world.values(a), await world.keys('/b/')]).toEqual([
      [1, 2, 3],
      expect.objectContaining({ length: 3 }),
    ]);
  });

  test('when the disk is full, segments that are in blocks and blocks past retention go before any that counts', async () => {
    world.limits.set(b, { retentionPeriodMs: 2 * DAY });
    for (const rows of [[row(a, DAY)], [row(b, DAY)]]) {
      world.push(...rows);
      await world.cut();
    }
    await world.compactor().round({ now: true });
    await world.after(DAY + 2 * HOUR);
    world.push(row(a));
    await world.cut();
    world.usedBytes = 903;
    world.whenFull = 'oldest-goes';
    await world.compactor({}, undefined, freeing(/\/(s|b)\//, 2)).round({ now: true });
    expect([await world.values(a), await world.values(b)]).toEqual([[1, 3], []]);
  });

  test('what goes for the limit of a tenant counts for the disk as well', async () => {
    for (const rows of [[row(b, 3 * DAY)], [row(a, 2 * DAY)], [row(a)]]) {
      world.push(...rows);
      await world.cut();
    }
    await world.compactor().round({ now: true });
    world.limits.set(a, { maxStoredBytes: Math.ceil((await blocks(a))[1]!.size * 1.03) });
    world.usedBytes = 901;
    world.whenFull = 'oldest-goes';
    await world.compactor({}, undefined, freeing(/\/b\//, 2)).round();
    expect([await world.values(a), await world.values(b)]).toEqual([[3], [1]]);
  });

  test('a tenant above its own limit loses its oldest, and nobody else does', async () => {
    for (const rows of [[row(b, 3 * DAY)], [row(a, 2 * DAY)], [row(a, DAY)], [row(a)]]) {
      world.push(...rows);
      await world.cut();
    }
    await world.compactor().round({ now: true });
    const [, second, third] = await blocks(a);
    world.limits.set(a, { maxStoredBytes: Math.ceil((second!.size + third!.size) * 1.03) });
    world.whenFull = 'oldest-goes';
    await world.compactor().round();
    expect(await world.values(a)).toEqual([3, 4]);
    expect(await world.values(b)).toEqual([1]);
  });

  test('a tenant above its own limit gives its oldest also when all it has is in segments that are not due', async () => {
    for (const rows of [[row(a, 2 * DAY)], [row(a)]]) {
      world.push(...rows);
      await world.cut();
    }
    world.limits.set(a, { maxStoredBytes: 1 });
    world.whenFull = 'oldest-goes';
    const compactor = world.compactor();
    await compactor.round();
    expect(await world.values(a)).toEqual([1, 2]);
    await compactor.round();
    expect(await world.values(a)).toEqual([]);
  });

  test('a tenant above its own limit is refused where the oldest should go and nobody makes blocks that could', async () => {
    for (let i = 0; i < 3; i++) {
      world.push(row(a));
      await world.cut();
    }
    world.limits.set(a, { maxStoredBytes: 100 });
    world.whenFull = 'oldest-goes';
    const room = world.room;
    await world.compactor({ enabled: false }, undefined, undefined, room).round();
    expect(() => room.check(a)).toThrow(/bytes stored, allowed are 100 .*not gone yet/);
    room.check(b);
    expect(await world.values(a)).toEqual([1, 2, 3]);
  });

  test('gaps are kept in the index of whom they concern, and in the register', async () => {
    world.push(row(a));
    await world.cut([{ after: -1, upTo: 0, reason: 'lost', fromMs: NOON, toMs: NOON }]);
    const compactor = world.compactor();
    await compactor.round({ now: true });
    expect((await readTenantIndex(world.catalog, a)).gaps).toMatchObject([{ upTo: 0, reason: 'lost' }]);
    await world.after(3 * HOUR);
    world.push(row(a));
    await world.cut();
    await compactor.round();
    expect((await readTrim(world.catalog)).gaps).toMatchObject([{ upTo: 0, reason: 'lost' }]);
    // Also of who comes later: its index alone says so to a reader whose register is older.
    world.push(row(b));
    await world.cut();
    await compactor.round({ now: true });
    expect((await readTenantIndex(world.catalog, b)).gaps).toMatchObject([{ upTo: 0, reason: 'lost' }]);
    // In the register for as long as any tenant may ask for what was lost, and an hour.
    await world.after(world.longestReachMs - 3 * HOUR);
    await compactor.round();
    expect((await readTrim(world.catalog)).gaps).toHaveLength(1);
    await world.after(DAY);
    expect((await compactor.round()).troubles).toEqual([]);
    expect((await readTrim(world.catalog)).gaps).toEqual([]);
  });

  test('gaps are forgotten when nobody may ask any more for a profile that was ahead of its time', async () => {
    world.limits.set(a, { rejectNewerThanMs: 3 * DAY });
    world.limits.set(b, { rejectNewerThanMs: 0 });
    world.push(row(a), row(b));
    await world.cut([{ after: -1, upTo: 0, reason: 'lost', fromMs: NOON, toMs: NOON }]);
    const compactor = world.compactor();
    await compactor.round({ now: true });
    const gapsOf = async (tenant: TenantId): Promise<number> =>
      (await readTenantIndex(world.catalog, tenant)).gaps.length;
    for (const [ms, ofA] of [
      [32 * DAY, 1],
      [2 * DAY, 0],
    ] as const) {
      await world.after(ms);
      expect((await compactor.round()).troubles).toEqual([]);
      expect([await gapsOf(a), await gapsOf(b)]).toEqual([ofA, 1]);
    }
  });

  test('a stop does not wait for a store in trouble, however many tenants there are', async () => {
    const tenants = Array.from({ length: 20 }, (_, i) => `t${i}` as TenantId);
    world.push(...tenants.map((tenant) => row(tenant)));
    await world.cut();
    await world.compactor().round({ now: true });
    await world.after(40 * DAY);
    const write = async (): Promise<never> => {
      tries++;
      throw new KilnError('unavailable', 'the file system is read-only');
    };
    let tries = 0;
    const objects = { ...bound(world.objects), putIfAbsent: write, putIfMatch: write };
    const compactor = world.compactor({}, undefined, { ...world.catalog, objects });
    const round = compactor.round();
    while (tries === 0) await new Promise((done) => setImmediate(done));
    const began = world.clock.nowMs();
    let isOver = false;
    const stopped = compactor.stop().then(() => (isOver = true));
    for (; !isOver; await new Promise((done) => setImmediate(done))) await world.clock.advance(100);
    await stopped;
    expect(world.clock.nowMs() - began).toBeLessThan(10_000);
    expect((await round).deleted).toBe(0);
  });

  test('what a janitor that died left of a closed log is deleted', async () => {
    world.push(row(a));
    await world.cut();
    await world.compactor().round({ now: true });
    await world.after(3 * HOUR);
    await closeLog(world.catalog, { log: world.log, writer: 'world' });
    await raiseTrim(world.catalog, world.log, () => true);
    expect((await readTrim(world.catalog)).logs).toEqual([]);
    expect(await world.keys(world.log)).toHaveLength(3);
    expect((await world.compactor().round()).troubles).toEqual([]);
    expect(await world.keys(world.log)).toEqual([]);
    expect(await world.values(a)).toEqual([1]);
  });
});

/** The catalog of the world, where each object of a name like that frees so many bytes when it is deleted. */
function freeing(name: RegExp, bytes: number): Catalog {
  const objects: ObjectStore = {
    ...bound(world.objects),
    delete: async (key) => {
      if (name.test(key)) world.usedBytes -= bytes;
      await world.objects.delete(key);
    },
  };
  return { ...world.catalog, objects };
}

/** The methods of a store as properties, so that they can be spread. */
function bound(store: ObjectStore): ObjectStore {
  return {
    get: (key) => store.get(key),
    getRange: (key, offset, length) => store.getRange(key, offset, length),
    put: (key, bytes) => store.put(key, bytes),
    putIfAbsent: (key, bytes) => store.putIfAbsent(key, bytes),
    putIfMatch: (key, bytes, etag) => store.putIfMatch(key, bytes, etag),
    list: (prefix, options) => store.list(prefix, options),
    delete: (key) => store.delete(key),
  };
}
