import { CorruptDataError } from '@kiln/bytes';
import { makeLogId, type TenantId } from '@kiln/model';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Catalog } from './catalog.ts';
import { readChain, type Chain } from './chain.ts';
import { closeLog } from './close-log.ts';
import { openCluster } from './cluster.ts';
import { compareAndSet } from './compare-and-set.ts';
import { commitCut, type Cut } from './cut.ts';
import { encodeJsonObject } from './json-object.ts';
import { clusterKey, manifestKey, quarantineKey, segmentKey, tenantIndexKey, trimKey } from './keys.ts';
import { logTrim, readTrim, withLog } from './log-trim.ts';
import { encodeManifest } from './manifest.ts';
import { quarantineRecord } from './quarantine.ts';
import { newestEnd } from './read-manifests.ts';
import { registerLog } from './register-log.ts';
import { raiseTrim } from './trim-log.ts';
import { MapStore, testCatalog } from './test-support/store.ts';

const log = makeLogId('0'.repeat(32), 2);
const other = makeLogId('f'.repeat(32), 2);
const now = { deadlineMs: 0 };
let store: MapStore;
let catalog: Catalog;

beforeEach(() => {
  store = new MapStore();
  catalog = testCatalog(store);
});

const chainOf = async (known?: Chain): Promise<Chain> => (await readChain(catalog, log, known))!;

/** A cut of `rows` offsets after the chain's end, with one tenant per name. */
function cutOf(chain: Chain, rows: number, more: Partial<Cut> = {}): Cut {
  const part = { off: 0, len: 8, rows, minMs: 1, maxMs: 2 };
  const segment = {
    bytes: new Uint8Array(8),
    tenants: [{ tenant: 'team' as TenantId, ...part }],
    idsOff: 0,
    idsLen: 0,
  };
  return { chain, end: chain.E + rows, aMax: 100 + chain.E, segment, gaps: [], writer: 'me', ...more };
}

async function cutTimes(count: number): Promise<Chain> {
  let chain = await chainOf();
  for (let i = 0; i < count; i++) chain = (await commitCut(catalog, cutOf(chain, 10))).chain!;
  return chain;
}

/** TRIM by hand: T at the end of the manifest `seq`, the next one is the first that is kept. */
async function trimTo(chain: Chain, seq: number): Promise<void> {
  const T = chain.manifests.find((manifest) => manifest.seq === seq)!.end;
  const first = Math.min(seq + 1, chain.tip!.seq);
  await compareAndSet(catalog, logTrim, now, (trim) => {
    const entry = trim!.logs.find((one) => one.log === log)!;
    return { ...trim!, logs: withLog(trim!.logs, { ...entry, T, seq: first }) };
  });
  for (const { seq: old } of chain.manifests) if (old < first) store.objects.delete(manifestKey(log, old));
}

describe('cluster', () => {
  test('is made once and then stays', async () => {
    const made = await openCluster(catalog, { partitions: 4 });
    expect(made).toEqual({ id: expect.stringMatching(/^[0-9a-f]{32}$/), partitions: 4, layout: 1 });
    expect(await openCluster(testCatalog(store, 2), { partitions: 4, id: made.id })).toEqual(made);
  });

  test('two processes that make it at once agree', async () => {
    const made = await Promise.all([1, 2, 3].map((seed) => openCluster(testCatalog(store, seed), { partitions: 4 })));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
  });

  test('another number of partitions, another id and a newer layout are refused with a sentence', async () => {
    const { id } = await openCluster(catalog, { partitions: 4 });
    await expect(openCluster(catalog, { partitions: 8 })).rejects.toThrow(
      /made with 4 partitions, this process is set to 8/,
    );
    await expect(openCluster(catalog, { partitions: 4, id: 'abc' })).rejects.toThrow(
      `belong to cluster ${id}, the log to cluster abc`,
    );
    await store.put(clusterKey, encodeJsonObject(catalog.crc32, { version: 1, id, partitions: 4, layout: 2 }));
    await expect(openCluster(catalog, { partitions: 4 })).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining('layout 2, this build of Kiln knows layouts up to 1'),
    });
    await store.put(clusterKey, new Uint8Array(5));
    await expect(openCluster(catalog, { partitions: 4 })).rejects.toThrow(CorruptDataError);
  });

  test('that is lost is not made anew beside a register of logs', async () => {
    await openCluster(catalog, { partitions: 4 });
    await registerLog(catalog, { log, partition: 2 });
    await store.delete(clusterKey);
    await expect(openCluster(catalog, { partitions: 4 })).rejects.toMatchObject({
      code: 'data_loss',
      message: expect.stringContaining('object cluster is missing'),
    });
    expect(store.objects.has(clusterKey)).toBe(false);
  });
});

describe('register', () => {
  test('enters the log once', async () => {
    await registerLog(catalog, { log, partition: 2 });
    const trim = await registerLog(catalog, { log, partition: 2 });
    expect(trim).toEqual({ rev: 1, logs: [{ log, partition: 2, seq: 0, T: -1 }], gaps: [] });
    await registerLog(catalog, { log: makeLogId('a'.repeat(32), 0), partition: 0 });
    expect((await readTrim(catalog)).logs.map(({ partition }) => partition)).toEqual([0, 2]);
  });

  test('a second open log of the partition is refused, and the way out is named', async () => {
    await registerLog(catalog, { log, partition: 2 });
    await expect(registerLog(catalog, { log: other, partition: 2 })).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining(`kiln log close ${log}`),
    });
    await closeLog(catalog, { log, writer: 'me' });
    expect((await registerLog(catalog, { log: other, partition: 2 })).logs).toHaveLength(2);
    await expect(registerLog(catalog, { log, partition: 2 })).rejects.toThrow(/was closed at offset -1/);
    await expect(registerLog(catalog, { log: other, partition: 3 })).rejects.toThrow(
      /is registered for partition 2, not for 3/,
    );
  });

  test('a log with records that the register let go is refused, because its rows are in blocks', async () => {
    await registerLog(catalog, { log, partition: 2 });
    await closeLog(catalog, { log, writer: 'me' });
    await raiseTrim(catalog, log, () => true);
    await expect(registerLog(catalog, { log, partition: 2, end: 7 })).rejects.toThrow(
      /log\/trim does not name it: if the objects are those of another .* put both back from one backup; else it was closed/,
    );
    expect((await registerLog(catalog, { log: other, partition: 2 })).logs).toHaveLength(1);
  });

  test('a log with records is refused where the register is lost: blocks may be lost with it, or may hold its rows', async () => {
    await expect(registerLog(catalog, { log, partition: 2, end: 7 })).rejects.toMatchObject({
      code: 'data_loss',
      message: expect.stringMatching(/holds records up to offset 7, but object log\/trim, .* is missing/),
    });
    expect(store.objects.size).toBe(0);
  });

  test('a log without records is refused where the register is lost: one made anew would let go of what other logs have', async () => {
    for (const key of [segmentKey(other, -1, 3, '0'.repeat(32)), tenantIndexKey('team' as TenantId)]) {
      store.objects.clear();
      await catalog.objects.put(key, new Uint8Array(1));
      await expect(registerLog(catalog, { log, partition: 2 })).rejects.toMatchObject({
        code: 'data_loss',
        message: expect.stringContaining(`object log/trim is missing, but ${key}`),
      });
      expect([...store.objects.keys()]).toEqual([key]);
    }
  });

  test('of many at once for one partition exactly one is in', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const races = new MapStore();
      const ids = [0, 1, 2, 3].map((i) => makeLogId(String(i).repeat(32), 1));
      const outcomes = await Promise.allSettled(
        ids.map((id, i) => registerLog(testCatalog(races, i), { log: id, partition: 1 }, { deadlineMs: 0 })),
      );
      const { logs } = await readTrim(testCatalog(races));
      expect(logs).toHaveLength(1);
      expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual(ids.map((id) => id === logs[0]!.log));
    }
  });
});

describe('chain', () => {
  beforeEach(() => registerLog(catalog, { log, partition: 2 }));

  test('a log that nobody registered is gone', async () => {
    expect(await readChain(catalog, other)).toBeUndefined();
  });

  test('a log without cuts has none', async () => {
    expect(await chainOf()).toMatchObject({
      manifests: [],
      tip: undefined,
      E: -1,
      T: -1,
      trimmed: [],
      closed: undefined,
      partition: 2,
      trimRev: 1,
    });
  });

  test('2,000 manifests are read at most 32 at a time, and only what is new the next time', async () => {
    let chain = await cutTimes(2000);
    let gets = 0;
    let open = 0;
    let most = 0;
    const get = store.get.bind(store);
    store.get = async (key) => {
      gets++;
      most = Math.max(most, ++open);
      await Promise.resolve();
      open--;
      return get(key);
    };
    const again = await chainOf();
    expect(again.manifests.map(({ seq }) => seq)).toEqual(Array.from({ length: 2000 }, (_, i) => i));
    expect([again.E, most]).toEqual([19_999, 32]);
    expect(gets).toBeLessThan(2010);
    gets = 0;
    chain = await chainOf(chain);
    expect([gets, chain.fresh.length, chain.manifests.length]).toEqual([3, 0, 2000]);
  });

  test('where the newest manifest ends is one object read', async () => {
    expect(await newestEnd(catalog, log)).toBe(-1);
    const { E } = await cutTimes(3);
    const gets: string[] = [];
    const get = store.get.bind(store);
    store.get = (key) => {
      gets.push(key);
      return get(key);
    };
    expect(await newestEnd(catalog, log)).toBe(E);
    expect(gets).toEqual([manifestKey(log, 2)]);
    expect(await newestEnd(catalog, other)).toBe(-1);
  });

  test('a list that shows nothing changes nothing', async () => {
    await cutTimes(100);
    store.list = () => Promise.resolve([]);
    expect((await chainOf()).manifests).toHaveLength(100);
  });

  test('a chain read before grows by what is new', async () => {
    const before = await cutTimes(3);
    await cutTimes(2);
    const after = await chainOf(before);
    expect(after.fresh.map(({ seq }) => seq)).toEqual([3, 4]);
    expect(after).toEqual({ ...(await chainOf()), fresh: after.fresh });
  });

  test('what was trimmed falls off, read anew or continued', async () => {
    const before = await cutTimes(5);
    await trimTo(before, 2);
    for (const chain of [await chainOf(), await chainOf(before)]) {
      expect([chain.T, chain.E, chain.manifests.map(({ seq }) => seq)]).toEqual([29, 49, [3, 4]]);
    }
    const short = { ...before, manifests: before.manifests.slice(0, 1), tip: before.manifests[0]!, E: 9 };
    expect((await chainOf(short)).fresh.map(({ seq }) => seq)).toEqual([3, 4]);
    await trimTo(await chainOf(), 4);
    expect(await chainOf()).toMatchObject({ T: 49, E: 49, manifests: [{ seq: 4 }] });
  });

  test('a damaged, foreign or missing manifest is named, never the end of a shorter chain', async () => {
    const chain = await cutTimes(5);
    const key = manifestKey(log, 2);
    const good = store.objects.get(key)!;
    const f = async (bytes: Uint8Array | undefined, found: RegExp) => {
      if (bytes === undefined) store.objects.delete(key);
      else await store.put(key, bytes);
      await expect(chainOf()).rejects.toThrow(found);
      store.objects.set(key, good);
    };
    const { manifests } = chain;
    const as = (change: object) =>
      encodeManifest(catalog, log, 2, { ...manifests[2]!, object: undefined, tenants: [], ...change }).bytes;
    await f(good.bytes.with(9, 0), new RegExp(`corrupt ${key}`));
    await f(new Uint8Array(), new RegExp(`corrupt ${key}`));
    await f(as({ start: 18 }), new RegExp(`corrupt ${key}.*starts at 18, the one before ends at 19`));
    await f(as({ prevDigest: 'beef' }), new RegExp(`corrupt ${key}.*follows beef`));
    await f(as({ aMax: 0 }), /append time 0/);
    await f(as({ end: 30 }), /corrupt .*m\/000000000003.*starts at 29, the one before ends at 30/);
    await f(as({ final: true }), /corrupt .*m\/000000000003.*is final/);
    await f(undefined, new RegExp(`${key} is missing, but .*m/000000000004 exists`));
    expect((await chainOf()).E).toBe(49);
    await trimTo(chain, 1);
    await f(as({ start: 18 }), /is \(18, 29\], log\/trim keeps it for what follows 19/);
    for (const seq of [2, 3, 4]) store.objects.delete(manifestKey(log, seq));
    await expect(chainOf()).rejects.toThrow(/m\/000000000002 is missing, but log\/trim keeps it/);
    await expect(chainOf({ ...chain, manifests: [], tip: undefined })).rejects.toThrow(/is missing/);
  });

  test('a damaged register stops everything by name', async () => {
    await store.put(trimKey, store.objects.get(trimKey)!.bytes.with(3, 0));
    await expect(readTrim(catalog)).rejects.toThrow(/corrupt log\/trim/);
    await expect(chainOf()).rejects.toThrow(/corrupt log\/trim/);
    await expect(registerLog(catalog, { log, partition: 2 })).rejects.toThrow(/corrupt log\/trim/);
  });
});

describe('cut', () => {
  beforeEach(() => registerLog(catalog, { log, partition: 2 }));

  test('commits the range with the tenants of its object', async () => {
    const { won, chain } = await commitCut(catalog, cutOf(await chainOf(), 10));
    expect(won).toBe(true);
    expect(chain!.tip).toMatchObject({
      seq: 0,
      start: -1,
      end: 9,
      aMax: 99,
      tenants: [{ tenant: 'team', rows: 10 }],
      prevDigest: '',
    });
    expect(store.objects.has(chain!.tip!.object!)).toBe(true);
    const next = await commitCut(catalog, cutOf(chain!, 5, { segment: undefined, aMax: 0 }));
    expect(next.chain!.tip).toMatchObject({
      start: 9,
      end: 14,
      aMax: 99,
      object: undefined,
      prevDigest: chain!.tip!.digest,
    });
  });

  test('of two owners one wins and the other learns it', async () => {
    const start = await chainOf();
    const [a, b] = await Promise.all([
      commitCut(catalog, cutOf(start, 10, { writer: 'a' })),
      commitCut(testCatalog(store, 2), cutOf(start, 20, { writer: 'b' })),
    ]);
    expect(a.won).toBe(!b.won);
    expect(a.chain).toEqual(b.chain);
    expect(a.chain!.tip!.writer).toBe(a.won ? 'a' : 'b');
  });

  test('a manifest that was put anew after it was trimmed is void', async () => {
    const asleep = await cutTimes(2);
    const ahead = await cutTimes(3);
    await trimTo(ahead, 3);
    const { won, chain } = await commitCut(catalog, cutOf(asleep, 500));
    expect(store.objects.has(manifestKey(log, 2))).toBe(true);
    expect([won, chain!.E, chain!.tip!.seq]).toEqual([false, 49, 4]);
    expect((await chainOf()).manifests.map(({ seq }) => seq)).toEqual([4]);
  });

  test('a cut that dies between two steps leaves the chain as it was or whole', async () => {
    for (const [step, end] of [
      ['before-segment', -1],
      ['after-segment', -1],
      ['after-manifest', 9],
      ['after-chain', 9],
    ] as const) {
      const before = (await chainOf()).E;
      const die = (name: string): void => {
        if (name === step) throw new RangeError(`died ${step}`);
      };
      await expect(commitCut(catalog, cutOf(await chainOf(), 10, { killPoint: die }))).rejects.toThrow(`died ${step}`);
      expect([step, (await chainOf()).E - before]).toEqual([step, end + 1]);
    }
  });

  test('trouble is outwaited; the signal ends the waiting', async () => {
    let failures = 20;
    const put = store.put.bind(store);
    store.put = async (key, bytes) => {
      if (failures-- > 0) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      await put(key, bytes);
    };
    const clock = catalog.clock as unknown as { run<T>(work: Promise<T>): Promise<T> };
    expect((await clock.run(commitCut(catalog, cutOf(await chainOf(), 10)))).won).toBe(true);
    failures = 1e9;
    const stop = new AbortController();
    const stuck = commitCut(catalog, cutOf(await chainOf(), 10, { signal: stop.signal }));
    setTimeout(() => stop.abort(new Error('shutting down')), 5);
    await expect(stuck).rejects.toThrow('shutting down');
  });

  test('a gap travels in the manifest', async () => {
    const gap = { after: 3, upTo: 4, reason: 'not decodable', fromMs: 1, toMs: 2 };
    const { chain } = await commitCut(catalog, cutOf(await chainOf(), 10, { gaps: [gap] }));
    expect(chain!.tip!.gaps).toEqual([gap]);
    await expect(commitCut(catalog, cutOf(chain!, 10, { gaps: [gap] }))).rejects.toThrow(/gaps/);
  });

  test('nothing is cut of nothing, and nothing after the end', async () => {
    await expect(commitCut(catalog, cutOf(await chainOf(), 0))).rejects.toThrow('nothing to cut');
    await closeLog(catalog, { log, writer: 'me' });
    await expect(commitCut(catalog, cutOf(await chainOf(), 1))).rejects.toMatchObject({ code: 'failed_precondition' });
  });
});

describe('close', () => {
  beforeEach(() => registerLog(catalog, { log, partition: 2 }));

  test('ends the chain with a final manifest, once', async () => {
    await cutTimes(2);
    expect(await closeLog(catalog, { log, writer: 'me' })).toBe(19);
    expect(await closeLog(catalog, { log, writer: 'me' })).toBe(19);
    expect(await chainOf()).toMatchObject({
      E: 19,
      closed: 19,
      tip: { seq: 2, start: 19, end: 19, final: true, gaps: [] },
    });
  });

  test('what nobody can read any more becomes a gap', async () => {
    await cutTimes(2);
    const lost = { upTo: 30, reason: 'disk lost', fromMs: 5, toMs: 9 };
    expect(await closeLog(catalog, { log, writer: 'me', lost })).toBe(30);
    expect((await chainOf()).tip!.gaps).toEqual([{ ...lost, after: 19 }]);
  });

  test('a log that is not registered is named', async () => {
    await expect(closeLog(catalog, { log: other, writer: 'me' })).rejects.toThrow(`there is no log ${other}`);
  });

  test('an owner that cuts at the same time is either before the end or told of it', async () => {
    const start = await chainOf();
    const [cut, end] = await Promise.all([
      commitCut(catalog, cutOf(start, 10)),
      closeLog(testCatalog(store, 3), { log, writer: 'closer' }),
    ]);
    expect(end).toBe(cut.won ? 9 : -1);
    expect((await chainOf()).tip!.final).toBe(true);
  });
});

test('a quarantined record is kept as it first came', async () => {
  expect(await quarantineRecord(catalog, { log, offset: 7, record: new Uint8Array([1, 2]) })).toBe(
    quarantineKey(log, 7),
  );
  await quarantineRecord(catalog, { log, offset: 7, record: new Uint8Array([3]) });
  expect([...store.objects.get(quarantineKey(log, 7))!.bytes]).toEqual([1, 2]);
});
