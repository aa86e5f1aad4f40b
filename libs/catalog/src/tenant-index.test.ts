import { ManualClock, seededRandom } from '@kiln/async';
import { CorruptDataError } from '@kiln/bytes';
import { makeLogId, type LogId, type TenantId } from '@kiln/model';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Catalog } from './catalog.ts';
import { readChain, type Chain } from './chain.ts';
import { closeLog } from './close-log.ts';
import { commitBlocks, type Compacted } from './commit-blocks.ts';
import { commitCut } from './cut.ts';
import { forgetGaps } from './forget-gaps.ts';
import { encodeJsonObject } from './json-object.ts';
import {
  blockKey,
  damagedPartKey,
  indexedKey,
  manifestKey,
  quarantinedOffset,
  tenantIndexKey,
  trimKey,
} from './keys.ts';
import { listTenants } from './list-tenants.ts';
import { readTrim } from './log-trim.ts';
import { mergeBlocks, noteDamage } from './merge-blocks.ts';
import { quarantineRecord } from './quarantine.ts';
import { registerLog } from './register-log.ts';
import { retainBlocks } from './retain-blocks.ts';
import { sweepLogs } from './sweep-logs.ts';
import { deleteTombstones, sweepBlocks } from './sweep-tenant.ts';
import { containedUpTo, olderThanBlocks, readTenantIndex, type LiveBlock } from './tenant-index.ts';
import { MapStore, testCatalog, troubled } from './test-support/store.ts';
import { deleteTrimmed, raiseTrim } from './trim-log.ts';

const team = 'Team' as TenantId;
const log = makeLogId('a'.repeat(32), 0);
const other = makeLogId('b'.repeat(32), 1);
const HOUR = 3_600_000;
const NOW = 1_700_000_000_000;
let store: MapStore;
let clock: ManualClock;
let catalog: Catalog;

beforeEach(() => {
  store = new MapStore();
  clock = new ManualClock(NOW);
  catalog = testCatalog(store, 1, clock);
});

let names = 0;
const newKey = (rev: number): string => blockKey(team, rev, (++names).toString(16).padStart(32, '0'));

function block(rev: number, minMs = NOW, maxMs = minMs + 10): LiveBlock {
  return { object: newKey(rev), off: 8, len: 100, rows: 3, minMs, maxMs, level: 1, size: 200 };
}

function job(rev: number, from: number, end: number, more: Partial<Compacted> = {}): Compacted {
  return {
    rev,
    taken: [{ log, from, end }],
    blocks: [block(rev)],
    quarantine: [],
    gaps: [],
    goneLogs: new Set(),
    ...more,
  };
}

const index = () => readTenantIndex(catalog, team);
const live = async (): Promise<string[]> => (await index()).blocks.map(({ object }) => object);

describe('a commit of blocks', () => {
  test('makes the blocks and W true at once', async () => {
    const mine = job(0, -1, 9, {
      gaps: [{ log, partition: 0, after: 3, upTo: 4, reason: 'lost', fromMs: 1, toMs: 2 }],
    });
    const { outcome } = await commitBlocks(catalog, team, mine);
    expect(outcome).toBe('committed');
    const stored = await index();
    expect(stored.blocks).toEqual(mine.blocks);
    expect(containedUpTo(stored, log)).toBe(9);
    expect(containedUpTo(stored, other)).toBe(-1);
    expect(stored.gaps).toEqual(mine.gaps);
  });

  test('is discarded when W has moved, so that no row is in two live blocks', async () => {
    const first = job(0, -1, 9);
    const second = job(0, -1, 19);
    await commitBlocks(catalog, team, first);
    expect((await commitBlocks(catalog, team, second)).outcome).toBe('discarded');
    expect(await live()).toEqual([first.blocks[0]!.object]);
    expect(containedUpTo(await index(), log)).toBe(9);
  });

  test('of jobs over different logs both stand', async () => {
    await commitBlocks(catalog, team, job(0, -1, 9));
    const taken = [{ log: other, from: -1, end: 4 }];
    expect((await commitBlocks(catalog, team, job(0, -1, 4, { taken }))).outcome).toBe('committed');
    expect((await index()).blocks).toHaveLength(2);
  });

  test('is discarded when the floor has passed its plan', async () => {
    await commitBlocks(catalog, team, job(0, -1, 9));
    await sweepBlocks(catalog, team);
    const late = job(0, 9, 19);
    expect((await commitBlocks(catalog, team, late)).outcome).toBe('discarded');
    const { rev } = await index();
    expect((await commitBlocks(catalog, team, job(rev, 9, 19))).outcome).toBe('committed');
  });

  test('that is repeated changes nothing, also after its blocks were merged away', async () => {
    const mine = job(0, -1, 9);
    const { index: before } = await commitBlocks(catalog, team, mine);
    expect(await commitBlocks(catalog, team, mine)).toEqual({ outcome: 'committed', index: before });
    await mergeBlocks(catalog, team, { rev: before!.rev, sources: await live(), blocks: [block(before!.rev)] });
    expect((await commitBlocks(catalog, team, mine)).outcome).toBe('committed');
    expect((await index()).blocks).toHaveLength(1);
  });

  test('forgets W of logs that are gone, and of no others', async () => {
    await commitBlocks(catalog, team, job(0, -1, 9));
    const taken = [{ log: other, from: -1, end: 4 }];
    const { rev } = await index();
    await commitBlocks(catalog, team, job(rev, -1, 4, { taken, goneLogs: new Set([log]) }));
    expect((await index()).contained).toEqual([{ log: other, upTo: 4 }]);
  });
});

describe('a merge', () => {
  test('puts its blocks in the place of the sources, which become tombstones', async () => {
    const sources = [block(0), block(0)];
    await commitBlocks(catalog, team, job(0, -1, 9, { blocks: sources }));
    const { rev } = await index();
    const merged = block(rev);
    await mergeBlocks(catalog, team, { rev, sources: sources.map(({ object }) => object), blocks: [merged] });
    expect(await live()).toEqual([merged.object]);
    expect((await index()).tombstones).toEqual(sources.map(({ object }) => ({ object, sinceMs: NOW })));
  });

  test('does not bring back what retention removed meanwhile', async () => {
    const sources = [block(0, NOW - 40 * HOUR), block(0)];
    await commitBlocks(catalog, team, job(0, -1, 9, { blocks: sources }));
    const { rev } = await index();
    await retainBlocks(catalog, team, {
      goes: ({ maxMs }) => maxMs < NOW - HOUR,
      beforeMs: NOW - HOUR,
      gapsBeforeMs: NOW - HOUR,
    });
    const merge = { rev, sources: sources.map(({ object }) => object), blocks: [block(rev)] };
    expect((await mergeBlocks(catalog, team, merge)).outcome).toBe('discarded');
    expect(await live()).toEqual([sources[1]!.object]);
  });

  test('notes damage once and keeps the block, and notes that it is whole again', async () => {
    const [bad, good] = [block(0), block(0)];
    await commitBlocks(catalog, team, job(0, -1, 9, { blocks: [bad, good] }));
    await noteDamage(catalog, team, new Map([[bad.object, 'CRC']]));
    await noteDamage(catalog, team, new Map([[bad.object, 'another']]));
    expect((await index()).blocks.map(({ damage }) => damage)).toEqual(['CRC', undefined]);
    await noteDamage(catalog, team, new Map([[bad.object, undefined]]));
    expect((await index()).blocks.map(({ damage }) => damage)).toEqual([undefined, undefined]);
    const { rev } = await index();
    await noteDamage(catalog, team, new Map([[bad.object, undefined]]));
    expect((await index()).rev).toBe(rev);
  });
});

describe('retention', () => {
  test('takes blocks, gaps and damaged parts of the past, and nothing else', async () => {
    const [old, young] = [block(0, NOW - 10 * HOUR), block(0, NOW)];
    const part = {
      object: damagedPartKey(team, 0, 'f'.repeat(32)),
      off: 0,
      len: 5,
      rows: 1,
      reason: 'CRC',
      sinceMs: NOW,
    };
    const gap = { log, partition: 0, after: 0, upTo: 1, reason: 'lost' };
    await commitBlocks(
      catalog,
      team,
      job(0, -1, 9, {
        blocks: [old, young],
        quarantine: [
          { ...part, minMs: 1, maxMs: 2 },
          { ...part, minMs: 1, maxMs: NOW },
        ],
        gaps: [
          { ...gap, fromMs: 1, toMs: 2 },
          { ...gap, fromMs: 1, toMs: NOW },
          { ...gap, fromMs: 1, toMs: NOW - 2 * HOUR },
          { ...gap, fromMs: 1, toMs: NOW - 2 * HOUR - 1 },
          { ...gap, fromMs: 0, toMs: 0 },
        ],
      }),
    );
    const { gone } = await retainBlocks(catalog, team, {
      goes: ({ maxMs }) => maxMs < NOW - HOUR,
      beforeMs: NOW - HOUR,
      gapsBeforeMs: NOW - 2 * HOUR,
    });
    expect(gone).toEqual([old]);
    const now = await index();
    expect(now.blocks).toEqual([young]);
    expect(now.quarantine.map(({ maxMs }) => maxMs)).toEqual([NOW]);
    expect(now.gaps.map(({ toMs }) => toMs)).toEqual([NOW, NOW - 2 * HOUR, 0]);
    expect(now.tombstones).toEqual([{ object: old.object, sinceMs: NOW }]);
  });

  test('writes nothing when there is nothing to do', async () => {
    await commitBlocks(catalog, team, job(0, -1, 9));
    const before = await index();
    await retainBlocks(catalog, team, { goes: () => false, beforeMs: 0, gapsBeforeMs: 0 });
    expect((await index()).rev).toBe(before.rev);
  });
});

describe('a sweep', () => {
  test('deletes blocks that nobody can commit any more, and no block that is named or may still be', async () => {
    const mine = job(0, -1, 9);
    for (const { object } of mine.blocks) await store.put(object, new Uint8Array(1));
    await commitBlocks(catalog, team, mine);
    const orphan = newKey(0);
    const damaged = damagedPartKey(team, 0, 'e'.repeat(32));
    for (const key of [orphan, damaged]) await store.put(key, new Uint8Array(1));
    const { rev } = await index();
    const young = newKey(rev + 1);
    const list = store.list.bind(store);
    store.list = async (prefix, options) => {
      // Of a job that was planned on the index with the raised floor.
      if ((await index()).floor === rev + 1) await store.put(young, new Uint8Array(1));
      return list(prefix, options);
    };
    expect(await sweepBlocks(catalog, team)).toBe(2);
    expect(store.objects.has(mine.blocks[0]!.object)).toBe(true);
    expect(store.objects.has(young)).toBe(true);
    expect(store.objects.has(orphan)).toBe(false);
    expect(store.objects.has(damaged)).toBe(false);
  });

  test('deletes nothing where the index is older than a block, and says so', async () => {
    await commitBlocks(catalog, team, job(0, -1, 9));
    const older = (await store.get(tenantIndexKey(team)))!.bytes;
    for (const from of [9, 19]) await commitBlocks(catalog, team, job((await index()).rev, from, from + 10));
    const orphan = newKey(0);
    for (const key of [...(await live()), orphan]) await store.put(key, new Uint8Array(1));
    const newest = await index();
    expect(await olderThanBlocks(catalog, team, newest)).toBeUndefined();
    // Beside a job that commits meanwhile an index that was read before is none that is too old.
    expect(await olderThanBlocks(catalog, team, { rev: 1 })).toBeUndefined();
    await store.put(tenantIndexKey(team), older);
    const told = {
      code: 'data_loss',
      message: expect.stringMatching(/is at revision 1, and .* on revision 2: the index was/),
    };
    await expect(sweepBlocks(catalog, team)).rejects.toMatchObject(told);
    expect(store.objects.has(orphan)).toBe(true);
    expect(await index()).toMatchObject({ rev: 1, floor: 0 });
  });

  test('deletes tombstones after an hour, the object before its name', async () => {
    const source = block(0);
    await store.put(source.object, new Uint8Array(1));
    await commitBlocks(catalog, team, job(0, -1, 9, { blocks: [source] }));
    const { rev } = await index();
    await mergeBlocks(catalog, team, { rev, sources: [source.object], blocks: [block(rev)] });
    await clock.run(clock.sleep(HOUR - 1));
    expect(await deleteTombstones(catalog, team)).toBe(0);
    await clock.run(clock.sleep(1));
    expect(await deleteTombstones(catalog, team)).toBe(1);
    expect(store.objects.has(source.object)).toBe(false);
    expect((await index()).tombstones).toEqual([]);
  });
});

describe('trim', () => {
  async function cuts(count: number, of = log): Promise<Chain> {
    let chain = (await readChain(catalog, of))!;
    for (let i = 0; i < count; i++) {
      const part = { tenant: team, off: 0, len: 8, rows: 10, minMs: 1, maxMs: 2 };
      const segment = { bytes: new Uint8Array(8), tenants: [part], idsOff: 0, idsLen: 0 };
      const cut = { chain, end: chain.E + 10, aMax: NOW, segment, gaps: [], writer: 'me' };
      chain = (await commitCut(catalog, cut)).chain!;
    }
    return chain;
  }

  beforeEach(async () => {
    await registerLog(catalog, { log, partition: 0 });
  });

  test('goes over the longest run that may go, and keeps the rest', async () => {
    await cuts(5);
    const raised = await raiseTrim(catalog, log, ({ seq }) => seq !== 2);
    expect(raised!.T).toBe(19);
    expect((await readTrim(catalog)).logs[0]).toMatchObject({ T: 19, seq: 2 });
    await deleteTrimmed(catalog, log);
    const chain = (await readChain(catalog, log))!;
    expect(chain.manifests.map(({ seq }) => seq)).toEqual([2, 3, 4]);
    expect([...store.objects.keys()].filter((key) => key.includes('/s/'))).toHaveLength(3);
    for (const { object } of chain.manifests) expect(store.objects.has(object!)).toBe(true);
  });

  test('never takes the tip', async () => {
    await cuts(3);
    expect((await raiseTrim(catalog, log, () => true))!.T).toBe(29);
    await deleteTrimmed(catalog, log);
    expect(store.objects.has(manifestKey(log, 2))).toBe(true);
    const chain = (await readChain(catalog, log))!;
    expect(chain).toMatchObject({ E: 29, T: 29 });
    expect((await cuts(1)).E).toBe(39);
  });

  test('keeps the gaps that it passes', async () => {
    const chain = (await readChain(catalog, log))!;
    const gap = { after: 3, upTo: 4, reason: 'lost', fromMs: 1, toMs: 2 };
    await commitCut(catalog, { chain, end: 9, aMax: NOW, segment: undefined, gaps: [gap], writer: 'me' });
    await raiseTrim(catalog, log, () => true);
    await raiseTrim(catalog, log, () => true);
    expect((await readTrim(catalog)).gaps).toEqual([{ log, partition: 0, ...gap }]);
  });

  test('lets a closed log go when it has reached its end, with all its objects', async () => {
    await cuts(2);
    await closeLog(catalog, { log, writer: 'me' });
    expect((await raiseTrim(catalog, log, () => true))!.T).toBe(19);
    expect((await readTrim(catalog)).logs).toEqual([]);
    await deleteTrimmed(catalog, log);
    expect([...store.objects.keys()].filter((key) => key.startsWith(`log/${log}/`))).toEqual([]);
  });

  test('that dies after a closed log has left the register leaves objects, which a sweep of the logs deletes', async () => {
    await registerLog(catalog, { log: other, partition: 1 });
    await cuts(2);
    await cuts(2, other);
    await quarantineRecord(catalog, { log, offset: 7, record: new Uint8Array(1) });
    await closeLog(catalog, { log, writer: 'me' });
    await raiseTrim(catalog, log, () => true);
    const left = (of: LogId): string[] => [...store.objects.keys()].filter((key) => key.startsWith(`log/${of}/`));
    const others = left(other);
    expect([left(log).length, others.length]).toEqual([6, 4]);
    expect(await sweepLogs(catalog)).toBe(6);
    expect([left(log), left(other)]).toEqual([[], others]);
    expect(store.objects.has(trimKey)).toBe(true);
  });

  test('sweeps no log while the register is lost, and none that is registered while the sweep runs', async () => {
    await cuts(2);
    const before = [...store.objects.keys()].filter((key) => key.startsWith(`log/${log}/`));
    const register = (await store.get(trimKey))!.bytes;
    await store.delete(trimKey);
    expect(await sweepLogs(catalog)).toBe(0);
    await store.put(trimKey, register);
    const get = store.get.bind(store);
    let read = false;
    store.get = async (key) => {
      const found = await get(key);
      if (key !== trimKey || read) return found;
      read = true;
      await registerLog(catalog, { log: other, partition: 1 });
      await cuts(1, other);
      return found;
    };
    expect(await sweepLogs(catalog)).toBe(0);
    expect([...store.objects.keys()].filter((key) => key.startsWith(`log/${log}/`))).toEqual(before);
    expect(await cuts(1, other)).toMatchObject({ E: 19 });
  });

  test('gaps of times that nobody can ask for are forgotten, and with them the records that they passed', async () => {
    const gaps = [5, 10, 0].map((hours, i) => {
      const toMs = hours === 0 ? 0 : NOW - hours * HOUR;
      return { after: 3 * i, upTo: 3 * i + 1, reason: 'lost', fromMs: 0, toMs };
    });
    for (const offset of [1, 4, 7, 11])
      await quarantineRecord(catalog, { log, offset, record: new Uint8Array([offset]) });
    const chain = (await readChain(catalog, log))!;
    await commitCut(catalog, { chain, end: 9, aMax: NOW, segment: undefined, gaps, writer: 'me' });
    const kept = (): number[] =>
      [...store.objects.keys()].flatMap((key) => quarantinedOffset(log, key) ?? []).toSorted((a, b) => a - b);
    await sweepLogs(catalog);
    expect(kept()).toEqual([1, 4, 7, 11]);
    await raiseTrim(catalog, log, () => true);
    await forgetGaps(catalog, -Infinity);
    await sweepLogs(catalog);
    expect(kept()).toEqual([1, 4, 7, 11]);
    await forgetGaps(catalog, NOW - 6 * HOUR);
    expect((await readTrim(catalog)).gaps.map(({ after }) => after)).toEqual([0, 6]);
    expect(await sweepLogs(catalog)).toBe(1);
    expect(kept()).toEqual([1, 7, 11]);
    const { rev } = await readTrim(catalog);
    await forgetGaps(catalog, NOW - 6 * HOUR);
    expect((await readTrim(catalog)).rev).toBe(rev);
  });

  test('deletes a segment that no manifest names, once no later cut can name it', async () => {
    const { E } = await cuts(1);
    const orphan = `log/${log}/s/-1-7-${'0'.repeat(8)}`;
    const next = `log/${log}/s/${E}-${E + 5}-${'0'.repeat(8)}`;
    for (const key of [orphan, next]) await store.put(key, new Uint8Array(1));
    await deleteTrimmed(catalog, log);
    expect(store.objects.has(orphan)).toBe(false);
    expect(store.objects.has(next)).toBe(true);
  });
});

describe('the index', () => {
  test('of a newer Kiln is refused with a sentence, and a damaged one by its key', async () => {
    await store.put(tenantIndexKey(team), encodeJsonObject(catalog.crc32, { version: 2, rev: 1 }));
    await expect(index()).rejects.toThrow(/version 2, this build of Kiln reads up to 1/);
    await store.put(tenantIndexKey(team), new Uint8Array([1, 2, 3]));
    await expect(index()).rejects.toThrow(CorruptDataError);
  });

  test('that is lost is an error, not an empty one, and no commit puts a new one in its place', async () => {
    await commitBlocks(catalog, team, job(0, -1, 9));
    const { rev } = await index();
    const [object] = (await live()) as [string];
    await store.put(object, new Uint8Array(1));
    await store.delete(tenantIndexKey(team));
    const lost = { code: 'data_loss', message: expect.stringContaining(`${tenantIndexKey(team)} is missing`) };
    await expect(index()).rejects.toMatchObject(lost);
    await expect(commitBlocks(catalog, team, job(0, -1, 9))).rejects.toMatchObject(lost);
    await expect(commitBlocks(catalog, team, job(rev, 9, 19))).rejects.toMatchObject(lost);
    await expect(sweepBlocks(catalog, team)).rejects.toMatchObject(lost);
    expect(store.objects.has(object)).toBe(true);
    // Also with everything else of the tenant.
    for (const key of await store.list('tenants/', {})) await store.delete(key);
    expect(await listTenants(catalog)).toEqual([team]);
    await expect(index()).rejects.toMatchObject(lost);
    expect(await readTenantIndex(catalog, 'new' as TenantId)).toMatchObject({ rev: 0, blocks: [] });
  });

  test('is known to exist after the next sweep where who made it died first, or is older than the mark', async () => {
    await commitBlocks(catalog, team, job(0, -1, 9));
    await store.delete(indexedKey(team));
    await sweepBlocks(catalog, team);
    await store.delete(tenantIndexKey(team));
    await expect(index()).rejects.toMatchObject({ code: 'data_loss' });
  });

  test('that is lost and older than the mark is told by a block that was planned on it, and one that was planned on none tells nothing', async () => {
    await store.put(blockKey(team, 0, 'f'.repeat(32)), new Uint8Array(1));
    expect(await index()).toMatchObject({ rev: 0 });
    await store.put(blockKey(team, 1, '0'.repeat(32)), new Uint8Array(1));
    await expect(index()).rejects.toMatchObject({ code: 'data_loss' });
    await expect(commitBlocks(catalog, team, job(0, -1, 9))).rejects.toMatchObject({ code: 'data_loss' });
  });

  test('that is made while it is read is no lost one', async () => {
    const get = store.get.bind(store);
    store.get = async (key) => {
      const found = await get(key);
      if (key !== tenantIndexKey(team) || found !== undefined) return found;
      store.get = get;
      await commitBlocks(catalog, team, job(0, -1, 9));
      return undefined;
    };
    expect(await index()).toMatchObject({ rev: 1 });
  });

  test('that names a block of another tenant is corrupt', async () => {
    const foreign = { ...block(0), object: blockKey('other' as TenantId, 0, '1'.repeat(32)) };
    await expect(commitBlocks(catalog, team, job(0, -1, 9, { blocks: [foreign] }))).resolves.toBeDefined();
    await expect(index()).rejects.toThrow(/is no block of this tenant/);
  });

  test('shows which tenants there are, capitals and all', async () => {
    const tenants = ['Team', 'team', 'a', 'a-b', 'a!', 'A', 'z'] as TenantId[];
    for (const tenant of tenants) {
      await store.put(tenantIndexKey(tenant), new Uint8Array(1));
      for (let i = 0; i < 3; i++) await store.put(blockKey(tenant, i, String(i).repeat(32)), new Uint8Array(1));
    }
    expect((await listTenants(catalog)).toSorted()).toEqual(tenants.toSorted());
  });
});

test('jobs, merges, retention and sweeps at once over a bad line never lose a block nor count one twice', async () => {
  let discarded = 0;
  let merged = 0;
  for (let seed = 1; seed <= 150; seed++) {
    const random = seededRandom(seed);
    const map = new MapStore();
    const time = new ManualClock(NOW);
    const line = troubled(map, time, random, {
      errorBefore: 0.05,
      errorAfter: 0.1,
      late: 0.05,
      delayMs: () => random() * 50,
      lateMs: () => random() * 5_000,
    });
    const end = 30;
    /** Which offsets each block that was ever made holds. */
    const held = new Map<string, number[]>();
    const made = (rev: number, rows: number[], salt: number): LiveBlock => {
      const object = blockKey(team, rev, salt.toString(16).padStart(32, '0'));
      held.set(object, rows);
      return { object, off: 8, len: 1, rows: rows.length, minMs: NOW, maxMs: NOW, level: 1, size: 1 };
    };
    const worker = async (id: number): Promise<void> => {
      const mine = testCatalog(line, seed * 10 + id, time);
      for (let turn = 0; turn < 12; turn++) {
        await time.sleep(random() * 500);
        const salt = (seed * 100 + id) * 1000 + turn;
        try {
          const current = await readTenantIndex(mine, team);
          await time.sleep(random() * 1000);
          const from = containedUpTo(current, log);
          if (random() < 0.15) {
            await sweepBlocks(mine, team, {});
          } else if (random() < 0.5 && current.blocks.length > 1) {
            const sources = current.blocks.slice(0, 1 + Math.ceil(random() * 3));
            const rows = sources.flatMap(({ object }) => held.get(object)!);
            const into = [made(current.rev, rows, salt)];
            for (const { object } of into) await mine.objects.put(object, new Uint8Array(1));
            const replaced = sources.map(({ object }) => object);
            const { outcome } = await mergeBlocks(
              mine,
              team,
              { rev: current.rev, sources: replaced, blocks: into },
              {},
            );
            if (outcome === 'committed') merged++;
            else discarded++;
          } else if (from < end) {
            const to = Math.min(end, from + 1 + Math.floor(random() * 5));
            const rows = Array.from({ length: to - from }, (_, i) => from + 1 + i);
            const blocks = [made(current.rev, rows, salt)];
            for (const { object } of blocks) await mine.objects.put(object, new Uint8Array(1));
            const { outcome } = await commitBlocks(mine, team, { ...job(current.rev, from, to), blocks }, {});
            if (outcome === 'discarded') discarded++;
          }
        } catch (error) {
          if (!/no connection|no answer|connection lost/.test(String(error))) throw error;
        }
      }
    };
    await time.run(Promise.all([1, 2, 3].map(worker)));
    await time.run(time.sleep(10_000)); // writes that land late
    const last = await readTenantIndex(testCatalog(map, 1, time), team);
    const rows = last.blocks.flatMap(({ object }) => held.get(object)!).toSorted((a, b) => a - b);
    const upTo = containedUpTo(last, log);
    expect(rows, `seed ${seed}`).toEqual(Array.from({ length: upTo + 1 }, (_, i) => i));
    for (const { object } of last.blocks) expect(map.objects.has(object), `seed ${seed}: ${object}`).toBe(true);
  }
  expect(discarded).toBeGreaterThan(50);
  expect(merged).toBeGreaterThan(50);
});
