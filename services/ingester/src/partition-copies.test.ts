import { seededRandom } from '@kiln/async';
import { closeLog } from '@kiln/catalog';
import { KilnError } from '@kiln/model';
import { faultyStore, memoryStore, type ObjectStore } from '@kiln/objstore';
import { memoryLog } from '@kiln/partition-log';
import { describe, expect, test, vi } from 'vitest';
import { pushes, STEPS, sums } from './test-support/marks.ts';
import { recordOf } from './test-support/records.ts';
import { ANN, BY_MARK, marked, Rig, type StoredManifest } from './test-support/rig.ts';
import { nodeCodecs } from './worker/node-codecs.ts';

vi.setConfig({ testTimeout: 30_000 });

describe('a retried push counts once', () => {
  test('in the head, after its cut, after a crash, after both', async () => {
    const rig = await Rig.open();
    rig.start();
    const retry = (): Promise<void> => rig.push(ANN, marked('again', 7));
    await retry();
    await retry();
    await rig.cut();
    await retry();
    await rig.caughtUp();
    rig.kill();
    rig.start();
    await retry();
    expect((await rig.caughtUp()).counts).toMatchObject({ copiesDropped: 2 });
    await rig.cut();
    rig.kill();
    rig.start();
    await retry();
    await rig.caughtUp();
    expect((await rig.read(ANN)).sums).toEqual({ again: 7 });
  });

  test('through a crash at every step of its cut', async () => {
    for (const step of STEPS) {
      const rig = await Rig.open();
      rig.start(step);
      await pushes(rig, 0, 3);
      await rig.caughtUp();
      await rig.clock.advance(300_000);
      await rig.died();
      rig.start();
      await pushes(rig, 0, 5);
      await rig.caughtUp();
      expect((await rig.read(ANN)).sums, `at ${step}`).toEqual(sums(0, 5));
      await rig.cut();
      expect((await rig.read(ANN)).sums, `at ${step}`).toEqual(sums(0, 5));
    }
  });

  test('until its window has passed, in append time', async () => {
    const rig = await Rig.open();
    rig.start();
    await rig.log.append(recordOf('ann', [marked('m', 3)], 600_000));
    await rig.cut();
    rig.kill();
    rig.start();
    await rig.log.append(recordOf('ann', [marked('m', 3)], 600_000));
    await rig.caughtUp();
    expect((await rig.read(ANN)).sums).toEqual({ m: 3 });
    await rig.clock.advance(300_000);
    await rig.log.append(recordOf('ann', [marked('m', 3)], 600_000));
    await rig.caughtUp();
    expect((await rig.read(ANN)).sums).toEqual({ m: 6 });
  });

  test('until its window has passed also when the clock went ahead by a year and back', async () => {
    let nowMs = 1_700_000_000_000;
    const clock = { nowMs: (): number => nowMs, sleep: (): Promise<void> => Promise.resolve() };
    const rig = await Rig.open({ log: await memoryLog({ partitions: 1, clock }).open(0) });
    rig.start();
    await rig.caughtUp();
    const pushAgain = async (): Promise<Record<string, number>> => {
      await rig.log.append(recordOf('ann', [marked('m', 3)], 600_000));
      return (await rig.read(ANN)).sums;
    };
    nowMs += 365 * 86_400_000;
    expect(await pushAgain()).toEqual({ m: 3 });
    nowMs -= 365 * 86_400_000;
    expect(await pushAgain()).toEqual({ m: 3 });
    nowMs += 600_000;
    expect(await pushAgain(), 'half its pace').toEqual({ m: 3 });
    nowMs += 600_000;
    expect(await pushAgain()).toEqual({ m: 6 });
  });

  test('also on the log that follows a closed one', async () => {
    const rig = await Rig.open();
    const partition = rig.start();
    await rig.push(ANN, marked('m', 3));
    await rig.caughtUp();
    await partition.stop(true);
    const catalog = { objects: rig.store, crc32: nodeCodecs.crc32, clock: rig.clock, random: seededRandom(9) };
    expect(await closeLog(catalog, { log: rig.log.id, writer: 'rig' })).toBe(0);
    const log = await memoryLog({ partitions: 1, clock: rig.clock, writer: 'ab'.repeat(16) }).open(0);
    const next = await Rig.open({ log, store: rig.store });
    next.start();
    await next.push(ANN, marked('m', 3), marked('n', 5));
    expect((await next.caughtUp()).counts).toMatchObject({ copiesDropped: 1, rows: 1 });
    expect((await next.read(ANN)).sums).toEqual({ n: 5 });
    rig.start();
    expect((await rig.until(({ state }) => state === 'failed')).error).toMatch(/was closed at offset 0/);
  });

  test('when two are in one record', async () => {
    const rig = await Rig.open();
    rig.start();
    await rig.push(ANN, marked('m', 3), marked('n', 5), marked('m', 3));
    await rig.caughtUp();
    expect((await rig.read(ANN)).sums).toEqual({ m: 3, n: 5 });
  });
});

describe('ids that cannot be read back', () => {
  /** A partition of one cut, killed, with the object that holds its ids. */
  async function killedAfterCut(store: ObjectStore = memoryStore()): Promise<{ rig: Rig; manifest: StoredManifest }> {
    const rig = await Rig.open({ store });
    rig.start();
    await pushes(rig, 0, 2);
    await rig.cut();
    rig.kill();
    return { rig, manifest: (await rig.manifests())[0]! };
  }

  const harm: Record<string, (bytes: Uint8Array, idsOff: number) => Uint8Array | undefined> = {
    damaged: (bytes, idsOff) => bytes.with(idsOff + 30, bytes[idsOff + 30]! ^ 1),
    'cut off': (bytes, idsOff) => bytes.slice(0, idsOff + 8),
    gone: () => undefined,
  };

  test.each(Object.keys(harm))(
    'because their object is %s: the partition opens, names the object, and answers say what may count twice until no window is open',
    async (how) => {
      const { rig, manifest } = await killedAfterCut();
      const object = manifest.object!;
      const harmed = harm[how]!((await rig.store.get(object))!.bytes, manifest.idsOff);
      await (harmed === undefined ? rig.store.delete(object) : rig.store.put(object, harmed));
      rig.start();
      await pushes(rig, 0, 1); // a copy that cannot be told any more
      await pushes(rig, 2, 3);
      const status = await rig.caughtUp();
      expect(status).toMatchObject({ error: undefined, caughtUp: true });
      expect(status.lostIds).toEqual([expect.stringContaining(`the ids of object ${object} are lost`)]);
      const flagged = { after: 1, upTo: 3, reason: `copies may count twice: the ids of ${object} are lost` };
      expect((await rig.partition.answer({ tenant: ANN, query: BY_MARK, from: -1, upTo: -1 })).gaps).toMatchObject([
        flagged,
      ]);
      expect((await rig.partition.answer({ tenant: ANN, query: BY_MARK, from: 2, upTo: -1 })).gaps).toMatchObject([
        { ...flagged, after: 2 },
      ]);
      await rig.cut();
      expect((await rig.manifests())[1]!.gaps).toMatchObject([flagged]);
      rig.kill();
      rig.start();
      await rig.caughtUp();
      expect((await rig.partition.answer({ tenant: ANN, query: BY_MARK, from: -1, upTo: -1 })).gaps).toMatchObject([
        flagged,
      ]);

      await rig.clock.advance(7_200_000);
      await pushes(rig, 3, 4);
      expect((await rig.caughtUp()).lostIds).toEqual([]);
      expect((await rig.partition.answer({ tenant: ANN, query: BY_MARK, from: -1, upTo: -1 })).gaps).toMatchObject([
        flagged,
      ]);
      expect((await rig.status()).counts).toMatchObject({ gaps: 0, quarantined: 0 });
    },
  );

  test('only once are read again: nothing is lost and a copy is dropped', async () => {
    let reads = 0;
    const store = readAs(memoryStore(), (bytes) => (reads++ === 0 ? bytes?.with(30, bytes[30]! ^ 1) : bytes));
    const { rig } = await killedAfterCut(store);
    rig.start();
    await pushes(rig, 0, 1);
    expect(await rig.caughtUp()).toMatchObject({ lostIds: [], counts: { copiesDropped: 1 } });
    expect(reads).toBe(2);
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 2));
    expect((await rig.read(ANN)).gaps).toEqual([]);
  });

  test('for want of the store or of memory keep it opening, with the reason, until they can be', async () => {
    for (const trouble of [new KilnError('unavailable', 'timeout'), new RangeError('Array buffer allocation failed')]) {
      let down = false;
      const store = faultyStore(memoryStore(), ({ operation }) =>
        down && operation === 'getRange' ? { before: trouble } : undefined,
      );
      const { rig } = await killedAfterCut(store);
      down = true;
      rig.start();
      const stuck = await rig.until(({ error }) => error !== undefined);
      expect(stuck).toMatchObject({ state: 'opening', error: expect.stringContaining(trouble.message), lostIds: [] });
      await rig.clock.advance(60_000);
      expect((await rig.status()).state).toBe('opening');
      down = false;
      await rig.clock.advance(20_000);
      await pushes(rig, 0, 1);
      expect(await rig.caughtUp()).toMatchObject({ lostIds: [], counts: { copiesDropped: 1 } });
    }
  });

  test('because their object is trimmed meanwhile are not missed', async () => {
    const { rig, manifest } = await killedAfterCut();
    await rig.store.delete(manifest.object!);
    const [asked, trimmed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const late = async (bytes: Uint8Array | undefined): Promise<Uint8Array | undefined> => {
      asked.resolve();
      await trimmed.promise;
      return bytes;
    };
    rig.start(undefined, { objects: readAs(rig.store, late) });
    await asked.promise;
    await rig.raiseT(manifest.end);
    trimmed.resolve();
    await pushes(rig, 2, 3);
    expect((await rig.caughtUp()).lostIds).toEqual([]);
    expect((await rig.partition.answer({ tenant: ANN, query: BY_MARK, from: manifest.end, upTo: -1 })).gaps).toEqual(
      [],
    );
  });
});

/** A store whose ranged reads deliver something else. */
function readAs(
  store: ObjectStore,
  deliver: (bytes: Uint8Array | undefined) => Uint8Array | undefined | Promise<Uint8Array | undefined>,
): ObjectStore {
  return {
    get: (key) => store.get(key),
    getRange: async (key, offset, length) => deliver(await store.getRange(key, offset, length)),
    put: (key, bytes) => store.put(key, bytes),
    putIfAbsent: (key, bytes) => store.putIfAbsent(key, bytes),
    putIfMatch: (key, bytes, etag) => store.putIfMatch(key, bytes, etag),
    list: (prefix, options) => store.list(prefix, options),
    delete: (key) => store.delete(key),
  };
}
