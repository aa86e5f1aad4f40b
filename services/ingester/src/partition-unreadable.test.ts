import { KilnError } from '@kiln/model';
import { faultyStore, memoryStore } from '@kiln/objstore';
import { memoryLog } from '@kiln/partition-log';
import { describe, expect, test, vi } from 'vitest';
import { damaged } from './test-support/damaged-log.ts';
import { everything, pushes, sums } from './test-support/marks.ts';
import { ANN, marked, Rig } from './test-support/rig.ts';
import { nodeCodecs } from './worker/node-codecs.ts';

vi.setConfig({ testTimeout: 30_000 });

const HOUR = 3_600_000;

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

  test('a damaged manifest is told with what is kept, what is refused and what to do, until it is put back', async () => {
    const rig = await Rig.open();
    rig.start();
    await pushes(rig, 0, 1);
    await rig.caughtUp();
    await rig.cut();
    rig.kill();
    const [key] = await rig.store.list(`log/${rig.log.id}/m/`);
    const { bytes } = (await rig.store.get(key!))!;
    await rig.store.put(key!, Uint8Array.of(1));
    rig.start();
    const { error, state } = await rig.until((status) => status.error !== undefined);
    expect([state, error]).toEqual([
      'opening',
      expect.stringMatching(
        /^open: corrupt log\/\S+\/m\/0+ at byte 0: .*kept in the log, queries are refused: put the object back from a backup .*kiln verify/,
      ),
    ]);
    await rig.store.put(key!, bytes);
    await rig.clock.advance(10_000);
    expect((await rig.caughtUp()).error).toBeUndefined();
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
    expect(await timesOf(1), 'after an idle time').toEqual({ fromMs: 0, toMs: 4 * HOUR });
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
    const gap = [{ after: -1, upTo: 3, fromMs: 0, toMs: rig.clock.nowMs() + HOUR }];
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
