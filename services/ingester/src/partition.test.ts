import { randomFaults, type Fault } from '@kiln/disk';
import { seededRandom, systemClock, type Clock } from '@kiln/async';
import { closeLog } from '@kiln/catalog';
import { KilnError } from '@kiln/model';
import { faultyStore, memoryStore, type ObjectStore, type StoreCall } from '@kiln/objstore';
import { memoryLog, type LogEntry, type OpenLog } from '@kiln/partition-log';
import { describe, expect, test, vi } from 'vitest';
import type { Query } from '@kiln/query';
import type { Question } from './partition-answer.ts';
import { ANN, BOB, BY_MARK, marked, Rig, type StoredManifest } from './test-support/rig.ts';
import { recordOf } from './test-support/records.ts';
import { nodeCodecs } from './worker/node-codecs.ts';

vi.setConfig({ testTimeout: 30_000 });

const STEPS = ['before-segment', 'after-segment', 'after-manifest', 'after-chain', 'after-drop'];

/** Marks with values that no sum of others equals. */
function pushes(rig: Rig, from: number, to: number): Promise<void[]> {
  return Promise.all(
    Array.from({ length: to - from }, (_, i) => rig.push(ANN, marked(`m${from + i}`, 2 ** (from + i)))),
  );
}

function sums(from: number, to: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: to - from }, (_, i) => [`m${from + i}`, 2 ** (from + i)]));
}

/** Ann's question for all there is, from a reader that knows the log's end. */
function everything(upTo: number): Question {
  return { tenant: ANN, query: BY_MARK, from: -1, upTo };
}

describe('an answer', () => {
  test('covers what was pushed once, from the head, from objects, and from any mark between', async () => {
    const rig = await Rig.open();
    rig.start();
    for (let cut = 0; cut < 4; cut++) {
      await pushes(rig, cut * 5, cut * 5 + 5);
      await rig.caughtUp();
      expect((await rig.read(ANN)).sums).toEqual(sums(0, cut * 5 + 5));
      await rig.cut();
      expect((await rig.read(ANN)).sums).toEqual(sums(0, cut * 5 + 5));
    }
    await pushes(rig, 20, 23);
    await rig.caughtUp();
    const ends = (await rig.manifests()).map(({ end }) => end);
    expect(ends).toEqual([4, 9, 14, 19]);
    for (const from of [-1, ...ends])
      expect((await rig.read(ANN, from)).sums, `from ${from}`).toEqual(sums(from + 1, 23));
  });

  test('while a cut is under way holds the rows of both generations', async () => {
    const rig = await Rig.open();
    const held = Promise.withResolvers<void>();
    rig.start(undefined, { killPoint: (step) => (step === 'after-segment' ? held.promise : undefined) });
    await pushes(rig, 0, 5);
    await rig.caughtUp();
    await rig.clock.advance(300_000);
    await pushes(rig, 5, 8);
    expect(await rig.caughtUp()).toMatchObject({ generations: 2, committed: -1, consumed: 7 });
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 8));
    held.resolve();
    await rig.until(({ committed }) => committed === 4);
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 8));
    expect((await rig.read(ANN, 4)).sums).toEqual(sums(5, 8));
  });

  test('names only parts with rows in the range, and one step before it for a series', async () => {
    const rig = await Rig.open();
    rig.start();
    await rig.push(ANN, marked('m', 1, { timeMs: 5_000 }));
    await rig.cut();
    const range = { startMs: 6_000, endMs: 7_000 };
    const refs = async (query: Query): Promise<number> =>
      (await rig.partition.answer({ tenant: ANN, query, from: -1, upTo: 0 })).refs.length;
    expect(await refs({ kind: 'profileTypes', ...range })).toBe(0);
    expect(await refs({ kind: 'profileTypes', startMs: 5_000, endMs: 5_000 })).toBe(1);
    const series = {
      kind: 'selectSeries',
      profileType: 'a:b:c:d:e',
      selector: '{}',
      groupBy: [],
      aggregation: 'sum',
      limit: 0,
    } as const;
    expect(await refs({ ...series, ...range, stepMs: 1_000 })).toBe(0);
    expect(await refs({ ...series, ...range, stepMs: 1_001 })).toBe(1);
  });

  test('holds what was in the log when it was asked for, though the partition is still reading it', async () => {
    const rig = await Rig.open();
    await pushes(rig, 0, 20);
    const partition = rig.start();
    await rig.until(({ state }) => state === 'following');
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 20));
    for (let i = 20; i < 40; i++) {
      await pushes(rig, i, i + 1);
      expect((await rig.read(ANN)).sums).toEqual(sums(0, i + 1));
    }
    await rig.caughtUp();
    const asleep = rig.clock.sleeping;
    const answer = partition.answer(everything(39));
    expect(rig.clock.sleeping, 'nothing is waited for in ordinary times').toBe(asleep);
    expect(await answer).toMatchObject({ H: 39 });
  });

  test('is refused after a while when the log is replayed too slowly, never silently short', async () => {
    const gate = Promise.withResolvers<void>();
    const inner = await memoryLog({ partitions: 1, clock: systemClock() }).open(0);
    const slow = damaged(
      inner,
      (entry) => entry,
      async (entry) => void (entry.offset === 5 && (await gate.promise)),
    );
    const rig = await Rig.open({ log: slow });
    await pushes(rig, 0, 20);
    rig.start();
    await rig.until(({ consumed }) => consumed === 4);
    const early = rig.partition.answer(everything(19)).catch((error: unknown) => error);
    await rig.clock.advance(4_999);
    const late = rig.partition.answer(everything(19));
    await rig.clock.advance(1);
    expect(await early).toMatchObject({
      code: 'unavailable',
      reason: 'behind',
      retryAfterSeconds: 1,
      message: /^partition 0 has 15 records of its log still to read \(it is reading them\): /,
    });
    expect(await rig.sum(ANN, await rig.partition.answer(everything(4)))).toEqual(sums(0, 5));
    gate.resolve();
    expect(await rig.sum(ANN, await late)).toEqual(sums(0, 20));
  });

  test.each([
    ['stops', 'it is stopping'],
    ['fails', 'torn to pieces'],
  ])('is refused at once when the partition %s while it is waited for', async (end, why) => {
    const inner = await memoryLog({ partitions: 1, clock: systemClock() }).open(0);
    const slow = damaged(
      inner,
      (entry) => entry,
      async ({ offset }) => {
        if (offset === 0) return;
        if (end === 'fails') throw new KilnError('data_loss', why);
        await new Promise(() => undefined);
      },
    );
    const rig = await Rig.open({ log: slow });
    await pushes(rig, 0, 1);
    const partition = rig.start();
    await rig.caughtUp();
    const answer = partition.answer(everything(1));
    await pushes(rig, 1, 2);
    if (end === 'stops') void partition.stop();
    await expect(answer).rejects.toThrow(why);
  });

  test('is refused until the partition is open', async () => {
    const rig = await Rig.open();
    const partition = rig.start();
    await expect(partition.answer(everything(-1))).rejects.toThrow(/does not answer: it is opening/);
    await partition.stop();
    await expect(partition.answer(everything(-1))).rejects.toThrow(/it is stopped/);
  });
});

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

describe('a crash', () => {
  test('at any step of a cut loses nothing and doubles nothing; the start is at the tip', async () => {
    for (const step of STEPS) {
      const rig = await Rig.open();
      rig.start(step);
      await pushes(rig, 0, 6);
      await rig.caughtUp();
      await rig.clock.advance(300_000);
      await rig.died();
      const committed = (await rig.manifests()).at(-1)?.end ?? -1;
      expect(committed, `at ${step}`).toBe(step.includes('segment') ? -1 : 5);
      rig.start();
      const status = await rig.caughtUp();
      expect(status.committed, `at ${step}`).toBe(committed);
      expect(status.counts.records, `at ${step}`).toBe(5 - committed);
      expect((await rig.read(ANN)).sums, `at ${step}`).toEqual(sums(0, 6));
      await pushes(rig, 6, 8);
      await rig.cut();
      expect((await rig.read(ANN)).sums, `at ${step}`).toEqual(sums(0, 8));
      expect(await rig.log.startOffset(), `at ${step}`).toBe(8);
    }
  });

  test('leaves manifests that tile the offsets', async () => {
    const rig = await Rig.open();
    for (let life = 0; life < 20; life++) {
      rig.start(STEPS[life % STEPS.length]);
      await pushes(rig, life, life + 1);
      await rig.caughtUp();
      await rig.clock.advance(300_000);
      await rig.died();
    }
    const manifests = await rig.manifests();
    expect(manifests.length).toBeGreaterThan(8);
    manifests.forEach(({ start }, i) => expect(start).toBe(i === 0 ? -1 : manifests[i - 1]!.end));
  });
});

describe('cuts', () => {
  test('an idle partition makes no manifest', async () => {
    const rig = await Rig.open();
    rig.start();
    await rig.until(({ state }) => state === 'following');
    await rig.clock.advance(3_600_000);
    expect(await rig.manifests()).toEqual([]);
    await pushes(rig, 0, 1);
    await rig.cut();
    await rig.clock.advance(3_600_000);
    expect(await rig.manifests()).toHaveLength(1);
  });

  test('come by bytes of the log, by bytes of the object, by age since the first record', async () => {
    const byLog = await Rig.open({ cuts: { maxLogBytes: 2000 } });
    byLog.start();
    await pushes(byLog, 0, 20);
    await byLog.caughtUp();
    await byLog.until(({ counts }) => counts.cuts >= 2);
    const bySize = await Rig.open({ cuts: { maxBytes: 2000 } });
    bySize.start();
    await pushes(bySize, 0, 40);
    await bySize.until(({ counts }) => counts.cuts >= 1);
    const byAge = await Rig.open({ cuts: { maxAgeMs: 1000 } });
    byAge.start();
    await byAge.until(({ state }) => state === 'following');
    await byAge.clock.advance(10_000);
    await pushes(byAge, 0, 1);
    await byAge.caughtUp();
    await byAge.clock.advance(999);
    expect((await byAge.status()).committed).toBe(-1);
    await byAge.clock.advance(1);
    await byAge.until(({ committed }) => committed === 0);
  });

  test('are not put off by a clock that is set back', async () => {
    const rig = await Rig.open();
    let backMs = 0;
    const clock: Clock = {
      nowMs: () => rig.clock.nowMs() - backMs,
      sleep: (ms, signal) => rig.clock.sleep(ms, signal),
    };
    rig.start(undefined, { clock });
    await pushes(rig, 0, 1);
    await rig.caughtUp();
    backMs = 3_600_000;
    await rig.clock.advance(300_000);
    await rig.until(({ committed }) => committed === 0);
  });

  test('copies alone are committed without an object, and let go from the log', async () => {
    const rig = await Rig.open();
    rig.start();
    await rig.push(ANN, marked('m', 1));
    await rig.cut();
    await rig.push(ANN, marked('m', 1));
    await rig.cut();
    expect(await rig.log.startOffset()).toBe(2);
    expect(await rig.store.list(`log/${rig.log.id}/s/`)).toHaveLength(1);
    expect((await rig.read(ANN)).sums).toEqual({ m: 1 });
  });

  test('a clean stop commits what the head holds, so that the next start replays nothing', async () => {
    const rig = await Rig.open();
    const partition = rig.start();
    await pushes(rig, 0, 4);
    await rig.caughtUp();
    await partition.stop(true);
    expect((await rig.manifests()).at(-1)?.end).toBe(3);
    rig.start();
    expect((await rig.caughtUp()).counts.records).toBe(0);
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 4));
    await rig.partition.stop(false);
    expect(await rig.manifests()).toHaveLength(1);
  });
});

describe('while the store is in trouble', () => {
  /** A store that refuses what `refuses` says. */
  function moody(refuses: (call: StoreCall) => boolean): ReturnType<typeof memoryStore> {
    return faultyStore(memoryStore(), (call): Fault | undefined =>
      refuses(call) ? { before: new KilnError('unavailable', 'ENOSPC: no space left') } : undefined,
    );
  }

  test('reading stops with two full generations, and goes on by itself, with nothing lost', async () => {
    let full = false;
    const rig = await Rig.open({
      store: moody(({ operation }) => full && operation.startsWith('put')),
      cuts: { maxLogBytes: 1500 },
    });
    rig.start();
    await rig.until(({ state }) => state === 'following');
    full = true;
    await pushes(rig, 0, 40);
    const stuck = await rig.until(({ paused }) => paused !== undefined);
    expect(stuck).toMatchObject({ generations: 2, committed: -1 });
    expect(stuck.paused).toMatch(/both generations are full/);
    expect(stuck.error).toMatch(/no space left/);
    expect(stuck.lag).toBeGreaterThan(10);
    for (let i = 0; i < 20; i++) await rig.clock.advance(10_000);
    const later = await rig.status();
    expect(later.consumed).toBe(stuck.consumed);
    expect(later.counts.cutFailures).toBeGreaterThan(3);
    const refused = rig.clock.run(rig.partition.answer(everything(39)).catch((error: unknown) => error));
    expect(await refused).toMatchObject({ code: 'unavailable', reason: 'behind', message: /no space left/ });
    const head = await rig.partition.answer(everything(stuck.consumed));
    expect(await rig.sum(ANN, head)).toEqual(sums(0, stuck.consumed + 1));
    full = false;
    await rig.clock.advance(30_000);
    const well = await rig.caughtUp();
    expect(well).toMatchObject({ error: undefined, paused: undefined });
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 40));
  });

  test('a partition that cannot open says why, and opens when the trouble ends', async () => {
    let down = true;
    const rig = await Rig.open({ store: moody(() => down) });
    rig.start();
    await pushes(rig, 0, 2);
    expect((await rig.until(({ error }) => error !== undefined)).state).toBe('opening');
    down = false;
    await rig.clock.advance(60_000);
    await rig.caughtUp();
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 2));
  });

  test('a stop that cuts gives up after a while; the log still has everything', async () => {
    let full = false;
    const rig = await Rig.open({ store: moody(({ operation }) => full && operation === 'put') });
    const partition = rig.start();
    await pushes(rig, 0, 2);
    await rig.caughtUp();
    full = true;
    await rig.clock.run(partition.stop(true));
    full = false;
    rig.start();
    expect((await rig.caughtUp()).counts.records).toBe(2);
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 2));
  });

  test('calls that fail before or after their effect change no sum', async () => {
    for (let seed = 1; seed <= 15; seed++) {
      const random = seededRandom(seed);
      let calm = false;
      const faults = randomFaults(random, { before: 0.15, after: 0.15 }, () => new KilnError('unavailable', 'timeout'));
      const store = faultyStore(memoryStore(), (call) => (calm ? undefined : faults(call)));
      const rig = await Rig.open({ store, cuts: { maxAgeMs: 2_000 } });
      rig.start();
      for (let i = 0; i < 10; i++) {
        await pushes(rig, i, i + 1);
        if (i > 0) await rig.push(ANN, marked(`m${i - 1}`, 2 ** (i - 1)));
        await rig.clock.advance(3_000);
        if (random() < 0.3) {
          rig.kill();
          rig.start();
        }
      }
      calm = true;
      await rig.clock.advance(120_000);
      await rig.caughtUp();
      expect((await rig.read(ANN)).sums, `seed ${seed}`).toEqual(sums(0, 10));
      const manifests = await rig.manifests();
      manifests.forEach(({ start }, i) => expect(start).toBe(i === 0 ? -1 : manifests[i - 1]!.end));
    }
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
    const { bytes } = (await rig.store.get('log/trim'))!;
    const line = Buffer.from(Buffer.from(bytes).toString().split('\n', 1)[0]!.replace('"T":-1', `"T":${manifest.end}`));
    const crc = nodeCodecs.crc32(line).toString(16).padStart(8, '0');
    await rig.store.put('log/trim', Buffer.concat([line, Buffer.from(`\n${crc}\n`)]));
    trimmed.resolve();
    await pushes(rig, 2, 3);
    expect((await rig.caughtUp()).lostIds).toEqual([]);
    expect((await rig.partition.answer({ tenant: ANN, query: BY_MARK, from: manifest.end, upTo: -1 })).gaps).toEqual(
      [],
    );
  });
});

describe('what cannot be read', () => {
  test('row 17: goes to quarantine and becomes a gap of one offset; the next record is read', async () => {
    const rig = await Rig.open();
    rig.start();
    await pushes(rig, 0, 1);
    const garbage = new Uint8Array(100).fill(7);
    await rig.log.append(garbage);
    await pushes(rig, 1, 2);
    await rig.caughtUp();
    const [key] = await rig.store.list(`log/${rig.log.id}/q/`);
    expect((await rig.store.get(key!))!.bytes).toEqual(garbage);
    for (const step of ['head', 'cut']) {
      const { sums: found, gaps } = await rig.read(ANN);
      expect(found, `at ${step}`).toEqual(sums(0, 2));
      expect(gaps, `at ${step}`).toMatchObject([{ after: 0, upTo: 1 }]);
      if (step === 'head') await rig.cut();
    }
    expect((await rig.read(ANN, 2)).gaps).toEqual([]);
    expect((await rig.status()).counts).toMatchObject({ quarantined: 1, gaps: 1 });
  });

  test('is not passed over before its bytes are stored', async () => {
    let full = true;
    const store = faultyStore(memoryStore(), ({ operation, key }) =>
      full && operation === 'putIfAbsent' && key.includes('/q/')
        ? { before: new KilnError('unavailable', 'full') }
        : undefined,
    );
    const rig = await Rig.open({ store });
    rig.start();
    await rig.log.append(new Uint8Array(30));
    await pushes(rig, 0, 1);
    const stuck = await rig.until(({ error, paused }) => error !== undefined && paused !== undefined);
    expect(stuck.consumed).toBe(-1);
    expect(stuck.paused).toMatch(/quarantine/);
    full = false;
    await rig.clock.advance(30_000);
    await rig.caughtUp();
    expect((await rig.read(ANN)).sums).toEqual(sums(0, 1));
  });

  test('is a gap whose append times hold the lost record: what is not known of them is any time, never too short', async () => {
    const HOUR = 3_600_000;
    const startMs = 1_700_000_000_000;
    let aheadMs = 0;
    const clock = { nowMs: (): number => rig.clock.nowMs() + aheadMs, sleep: (): Promise<void> => Promise.resolve() };
    const inner = await memoryLog({ partitions: 1, clock }).open(0);
    let lastMs = 0;
    // As a file log: a damaged frame comes with the stamp before it.
    const log = damaged(inner, (entry) => {
      if (entry.offset % 2 === 1) return { ...entry, appendMs: lastMs, record: undefined };
      lastMs = entry.appendMs;
      return entry;
    });
    const rig = await Rig.open({ log });
    rig.start();
    const timesOf = async (offset: number): Promise<{ fromMs: number | string; toMs: number }> => {
      await rig.caughtUp();
      const { fromMs, toMs } = (await rig.read(ANN)).gaps.find(({ upTo }) => upTo === offset)!;
      return { fromMs: fromMs === 0 ? 'any' : fromMs - startMs, toMs: toMs - startMs };
    };
    await pushes(rig, 0, 1);
    await rig.caughtUp();
    await rig.clock.advance(3 * HOUR);
    await pushes(rig, 1, 2);
    expect(await timesOf(1), 'after an idle time').toEqual({ fromMs: 0, toMs: 3 * HOUR });
    await rig.log.append(Uint8Array.of(1, 2, 3));
    expect(await timesOf(2), 'with a stamp of its own').toEqual({ fromMs: 3 * HOUR, toMs: 3 * HOUR });
    await pushes(rig, 3, 4);
    await rig.caughtUp();
    aheadMs = 24 * HOUR;
    await pushes(rig, 4, 5);
    aheadMs = 0;
    await pushes(rig, 5, 6);
    expect(await timesOf(5), 'after a clock that was ahead').toEqual({ fromMs: 'any', toMs: 27 * HOUR });
  });

  test('a damaged frame is a gap with nothing to keep', async () => {
    const inner = await memoryLog({ partitions: 1, clock: { nowMs: () => 5, sleep: () => Promise.resolve() } }).open(0);
    const log = damaged(inner, (entry) => (entry.offset === 1 ? { ...entry, record: undefined } : entry));
    const rig = await Rig.open({ log });
    rig.start();
    await pushes(rig, 0, 3);
    await rig.caughtUp();
    const { sums: found, gaps } = await rig.read(ANN);
    expect(found).toEqual({ m0: 1, m2: 4 });
    expect(gaps).toMatchObject([{ after: 0, upTo: 1 }]);
    expect(await rig.store.list(`log/${log.id}/q/`)).toEqual([]);
  });

  test.each([
    { breaks: 1, kept: ['big0', 'big1', 'big2', 'm0', 'm1'], gap: [] },
    { breaks: 3, kept: ['big0', 'big2', 'm0', 'm1'], gap: [{ after: 1, upTo: 2 }] },
  ])(
    'a record that breaks $breaks times in the head leaves no half of it behind, also when a cut is due before the partition is open again',
    async ({ breaks, kept, gap }) => {
      let compressed = 0;
      let down = false;
      const codecs = {
        ...nodeCodecs,
        zstdCompress(bytes: Uint8Array): Uint8Array {
          compressed++;
          if (compressed > breaks) return nodeCodecs.zstdCompress(bytes);
          down = compressed === breaks;
          throw new RangeError('out of memory');
        },
      };
      const store = faultyStore(memoryStore(), ({ key }) =>
        down && key === 'log/trim' ? { before: new KilnError('unavailable', 'timeout') } : undefined,
      );
      const rig = await Rig.open({ store });
      rig.start(undefined, { codecs });
      const samples: Record<string, number[]> = {}; // 160 KB in a page: the second such row fills it
      for (let i = 0; i < 20_000; i++) samples[`main;f${i}`] = [2 ** 44 + i * 7919];
      await pushes(rig, 0, 1);
      for (const mark of ['big0', 'big1', 'big2']) await rig.push(ANN, { ...marked(mark, 1), groups: [{ samples }] });
      await pushes(rig, 1, 2);
      await rig.until(({ state }) => state === 'opening' && down);
      await rig.clock.advance(300_000);
      down = false;
      await rig.clock.advance(30_000);
      await rig.caughtUp();
      const { sums: found, gaps } = await rig.read(ANN);
      expect(Object.keys(found).toSorted()).toEqual(kept);
      expect(found['big0']).toBe(found['big2']);
      expect(gaps).toMatchObject(gap);
      expect(gaps.every(({ reason }) => reason.endsWith('in quarantine (RangeError)'))).toBe(true);
      await rig.cut();
      const { refs } = await rig.partition.answer(everything(-1));
      expect(refs.reduce((sum, { rows }) => sum + rows, 0)).toBe(kept.length);
    },
  );

  test('row 15: offsets that the log no longer holds are a gap; it goes on behind them', async () => {
    const rig = await Rig.open();
    rig.start();
    await pushes(rig, 0, 2);
    await rig.caughtUp();
    rig.kill();
    await pushes(rig, 2, 6);
    await rig.log.trim(3);
    rig.start();
    await rig.caughtUp();
    expect((await rig.read(ANN)).gaps).toMatchObject([{ after: -1, upTo: 3 }]);
    await rig.cut();
    expect((await rig.read(ANN)).sums).toEqual(sums(4, 6));
    expect((await rig.read(ANN)).gaps).toMatchObject([{ after: -1, upTo: 3 }]);
  });

  test('row 15: the last offsets of a log that holds nothing any more are a gap too, without waiting for a push', async () => {
    const rig = await Rig.open();
    rig.start();
    await pushes(rig, 0, 2);
    await rig.caughtUp();
    rig.kill();
    await pushes(rig, 2, 4);
    await rig.log.trim(3);
    rig.start();
    await rig.caughtUp();
    const gap = [{ after: -1, upTo: 3, fromMs: 0, toMs: rig.clock.nowMs() }];
    expect((await rig.read(ANN)).gaps).toMatchObject(gap);
    await rig.cut();
    await pushes(rig, 4, 6);
    await rig.caughtUp();
    expect(await rig.read(ANN)).toMatchObject({ sums: sums(4, 6), gaps: gap });
  });

  test('offsets that the log says it holds are never passed over', async () => {
    const inner = await memoryLog({ partitions: 1, clock: { nowMs: () => 5, sleep: () => Promise.resolve() } }).open(0);
    const log = damaged(inner, (entry) => (entry.offset === 1 ? undefined : entry));
    const rig = await Rig.open({ log });
    rig.start();
    await pushes(rig, 0, 3);
    const status = await rig.until(({ state }) => state === 'failed');
    expect(status.error).toMatch(/says it holds offset 1 but delivers 2/);
  });

  test('row 16: a log that ends below the manifests is refused', async () => {
    const rig = await Rig.open();
    rig.start();
    await pushes(rig, 0, 3);
    await rig.cut();
    await rig.partition.stop();
    const empty = await memoryLog({ partitions: 1, clock: rig.clock }).open(0);
    rig.start(undefined, { log: empty });
    const status = await rig.until(({ state }) => state === 'failed');
    expect(status.error).toMatch(/ends at offset -1, but its manifests reach 2.*kiln log close/);
  });
});

describe('two owners of one log', () => {
  test('one manifest wins; the other lets go of what it covers and cuts the rest', async () => {
    const rig = await Rig.open();
    rig.start();
    const other = rig.newLife().partition;
    await pushes(rig, 0, 4);
    await rig.caughtUp();
    await rig.clock.advance(100_000);
    other.start();
    await pushes(rig, 4, 6);
    await rig.caughtUp();
    await rig.clock.advance(200_000);
    await rig.until(({ committed }) => committed === 5);
    await pushes(rig, 6, 9);
    await rig.caughtUp();
    await rig.clock.advance(100_000);
    await rig.until(({ consumed }) => consumed === 8);
    for (const partition of [rig.partition, other])
      expect((await rig.read(ANN, -1, partition)).sums).toEqual(sums(0, 9));
    await rig.clock.advance(400_000);
    const manifests = await rig.manifests();
    manifests.forEach(({ start }, i) => expect(start).toBe(i === 0 ? -1 : manifests[i - 1]!.end));
    expect(manifests.at(-1)?.end).toBe(8);
    for (const partition of [rig.partition, other])
      expect((await rig.read(ANN, -1, partition)).sums).toEqual(sums(0, 9));
  });
});

describe('two tenants', () => {
  test('share an object, never a byte of a part, and each is answered only its own', async () => {
    const rig = await Rig.open();
    rig.start();
    for (let i = 0; i < 5; i++) {
      await rig.push(ANN, marked(`annmark${i}`, 1 + i));
      await rig.push(BOB, marked(`bobmark${i}`, 100 + i));
    }
    await rig.caughtUp();
    for (const step of ['head', 'cut']) {
      const answer = await rig.partition.answer({
        tenant: ANN,
        query: { kind: 'series', matchers: [], labelNames: [], utf8: true, startMs: 0, endMs: 2e12 },
        from: -1,
        upTo: 9,
      });
      const bytes = [answer.partial];
      for (const { object, off, len } of answer.refs) bytes.push((await rig.store.getRange(object, off, len))!);
      for (const part of bytes) expect(Buffer.from(part).toString('latin1'), `at ${step}`).not.toContain('bobmark');
      expect(Object.keys((await rig.read(ANN)).sums).toSorted(), `at ${step}`).toEqual(
        [0, 1, 2, 3, 4].map((i) => `annmark${i}`),
      );
      expect(Object.keys((await rig.read(BOB)).sums).toSorted(), `at ${step}`).toEqual(
        [0, 1, 2, 3, 4].map((i) => `bobmark${i}`),
      );
      if (step === 'head') await rig.cut();
    }
  });
});

/** A log whose entries come out changed, undefined leaves one out; or that waits or breaks before one. */
function damaged(
  log: OpenLog,
  change: (entry: LogEntry) => LogEntry | undefined,
  before: (entry: LogEntry) => Promise<void> = () => Promise.resolve(),
): OpenLog {
  return {
    id: log.id,
    partition: log.partition,
    append: (record) => log.append(record),
    startOffset: () => log.startOffset(),
    endOffset: () => log.endOffset(),
    trim: (to) => log.trim(to),
    async *read(from, signal) {
      for await (const entries of log.read(from, signal)) {
        for (const entry of entries) {
          await before(entry);
          yield [change(entry) ?? []].flat();
        }
      }
    },
  };
}
