import type { Chain, LiveBlock, Manifest, TenantIndex, TrimmedGap } from '@kiln/catalog';
import { makeLogId, type LogId, type TenantId } from '@kiln/model';
import { describe, expect, test } from 'vitest';
import { compactorDefaults } from './config.ts';
import { planCompaction, planMerge } from './plan.ts';

const team = 'team' as TenantId;
const a = makeLogId('a'.repeat(32), 0);
const b = makeLogId('b'.repeat(32), 1);
const MIN = 60_000;
const HOUR = 60 * MIN;
const DAY = 24 * HOUR;
const MIB = 1024 * 1024;
/** Noon of a day. */
const NOW = 20_000 * DAY + 12 * HOUR;

/** A log whose manifests end at 9, 19, …; each holds `bytes` of the team, appended `ages[i]` before now. */
function chain(log: LogId, ages: readonly number[], bytes = 2 * MIB, T = -1): Chain {
  const manifests = ages.map((ageMs, seq): Manifest => ({
    log,
    seq,
    digest: '',
    start: seq * 10 - 1,
    end: seq * 10 + 9,
    aMax: NOW - ageMs,
    tenants: [{ tenant: team, off: 8, len: bytes, rows: 1, minMs: NOW, maxMs: NOW }],
    object: `log/${log}/s/${seq * 10 - 1}-${seq * 10 + 9}-00000000`,
    idsOff: 0,
    idsLen: 0,
    gaps: seq === 0 ? [{ after: 0, upTo: 1, reason: 'lost', fromMs: 0, toMs: 0 }] : [],
    final: false,
    writer: '',
    prevDigest: '',
  }));
  const E = manifests.at(-1)?.end ?? -1;
  const tip = manifests.at(-1);
  return { log, partition: 0, manifests, fresh: [], tip, E, T, trimmed: [], closed: undefined, trimRev: 1 };
}

function index(more: Partial<TenantIndex> = {}): TenantIndex {
  return { rev: 7, floor: 0, contained: [], blocks: [], quarantine: [], tombstones: [], gaps: [], ...more };
}

const compact = (chains: readonly Chain[], of = index(), config = compactorDefaults, now = false) =>
  planCompaction({ chains, tenant: team, index: of, goneLogs: new Set() }, config, NOW, now);

let names = 0;
function block(minMs: number, level: number, rows = 100, size = MIB): LiveBlock {
  const object = `block ${++names}`;
  return { object, off: 8, len: size, rows, minMs, maxMs: minMs + 1, level, size };
}

const merge = (blocks: readonly LiveBlock[], config = compactorDefaults): readonly string[] | undefined =>
  planMerge({ tenant: team, index: index({ blocks }) }, config, NOW)?.sources.map(({ object }) => object);

describe('segments are compacted', () => {
  test('after 15 minutes when there is a MiB, after an hour whatever there is, at once when there are 64 MiB', () => {
    expect(compact([chain(a, [14 * MIN])])).toBeUndefined();
    expect(compact([chain(a, [15 * MIN])])).toBeDefined();
    expect(compact([chain(a, [59 * MIN], 1)])).toBeUndefined();
    expect(compact([chain(a, [60 * MIN], 1)])).toBeDefined();
    expect(compact([chain(a, [0], 64 * MIB)])).toBeDefined();
    expect(compact([chain(a, [0], 1)], index(), compactorDefaults, true)).toBeDefined();
    expect(compact([chain(a, [])], index(), compactorDefaults, true)).toBeUndefined();
  });

  test('also while the stamps of the log lie ahead of a clock that was set back: by the time of the log', () => {
    expect(compact([chain(a, [-DAY, -DAY - 59 * MIN], 1)])).toBeUndefined();
    expect(compact([chain(a, [-DAY, -DAY - 60 * MIN], 1)])).toBeDefined();
    expect(compact([chain(a, [-DAY], 64 * MIB)])).toBeDefined();
  });

  test('of all logs together, oldest first, from where the tenant is contained', () => {
    const job = compact([chain(a, [30 * MIN, 10 * MIN]), chain(b, [20 * MIN])])!;
    expect(job.sources.map(({ object }) => object.slice(4, 6))).toEqual(['aa', 'bb', 'aa']);
    expect(job.commit.taken).toEqual([
      { log: a, from: -1, end: 19 },
      { log: b, from: -1, end: 9 },
    ]);
    expect(job.commit.gaps).toHaveLength(2);
  });

  test('only above W and above T', () => {
    const contained = [{ log: a, upTo: 9 }];
    const job = compact([chain(a, [30 * MIN, 20 * MIN])], index({ contained }))!;
    expect(job.commit.taken).toEqual([{ log: a, from: 9, end: 19 }]);
    expect(job.commit.gaps).toEqual([]);
    const trimmed = compact([chain(a, [30 * MIN, 20 * MIN], 2 * MIB, 9)])!;
    expect(trimmed.commit.taken).toEqual([{ log: a, from: -1, end: 19 }]);
    expect(trimmed.sources).toHaveLength(1);
  });

  test('with every gap above W, those that T has passed too: their manifests may be gone', () => {
    const lost = (after: number): TrimmedGap => ({
      log: a,
      partition: 0,
      after,
      upTo: after + 1,
      reason: 'lost',
      fromMs: 0,
      toMs: 0,
    });
    const passed = { ...chain(a, [30 * MIN, 20 * MIN], 2 * MIB, 9), trimmed: [lost(0), lost(5)] };
    const gaps = (contained: TenantIndex['contained']): unknown => compact([passed], index({ contained }))?.commit.gaps;
    expect(gaps([])).toEqual([lost(0), lost(5)]);
    expect(gaps([{ log: a, upTo: 3 }])).toEqual([lost(5)]);
    expect(gaps([{ log: a, upTo: 9 }])).toEqual([]);
  });

  test('up to a bound of bytes, so that what is left of each log is whole', () => {
    const config = { ...compactorDefaults, maxJobBytes: 3 * MIB };
    const job = compact([chain(a, [30 * MIN, 10 * MIN]), chain(b, [40 * MIN])], index(), config)!;
    expect(job.commit.taken).toEqual([{ log: b, from: -1, end: 9 }]);
    const next = index({ contained: [{ log: b, upTo: 9 }] });
    const second = compact([chain(a, [30 * MIN, 10 * MIN]), chain(b, [40 * MIN])], next, config)!;
    expect(second.commit.taken).toEqual([{ log: a, from: -1, end: 9 }]);
  });
});

describe('blocks are merged', () => {
  const yesterday = NOW - 1.5 * DAY;
  const lastHour = NOW - 2 * HOUR;

  test('when their hour is over, and not before', () => {
    const two = [block(lastHour, 1), block(lastHour + MIN, 1)];
    expect(merge(two)).toEqual(two.map(({ object }) => object));
    expect(merge([block(NOW, 1), block(NOW, 1)])).toBeUndefined();
    expect(merge([block(lastHour, 1), block(lastHour + HOUR, 1)])).toBeUndefined();
  });

  test('before that when there are many', () => {
    const many = Array.from({ length: 8 }, () => block(NOW, 1));
    expect(merge(many)).toHaveLength(8);
    expect(merge(many.slice(1))).toBeUndefined();
  });

  test('when their day is over, oldest day first', () => {
    const old = [block(yesterday - DAY, 1), block(yesterday - DAY + HOUR, 1)];
    expect(merge([block(yesterday, 1), block(yesterday + HOUR, 1), ...old])).toEqual(old.map(({ object }) => object));
    expect(merge([block(yesterday, 1)])).toBeUndefined();
  });

  test('with what came late once it is a tenth of the rows, or eight blocks', () => {
    const day = block(yesterday, 2, 1000);
    const late = (rows: number): LiveBlock => ({ ...block(yesterday, 2, rows), madeMs: NOW });
    expect(merge([day, late(99)])).toBeUndefined();
    expect(merge([day, late(100)])).toHaveLength(2);
    expect(merge([day, ...Array.from({ length: 8 }, () => late(1))])).toHaveLength(9);
  });

  test('with what came late once it has waited for a day, so that copies among it do not count for ever', () => {
    const day = block(yesterday, 2, 1000);
    const late = (ageMs: number): LiveBlock => ({ ...block(yesterday, 2, 1), madeMs: NOW - ageMs });
    expect(merge([day, late(DAY - 1)])).toBeUndefined();
    expect(merge([day, late(0), late(DAY)])).toHaveLength(3);
    expect(merge([{ ...day, madeMs: NOW - 3 * DAY }])).toBeUndefined();
    expect(merge([day, block(yesterday, 2, 1)])).toHaveLength(2); // of an index that does not say when
  });

  test('never beyond a bound of bytes, smallest first, and then no more', () => {
    const sizes = [5, 1, 4, 2];
    const blocks = sizes.map((size) => block(yesterday, 1, 100, size * MIB));
    const config = { ...compactorDefaults, maxJobBytes: 3 * MIB };
    expect(merge(blocks, config)).toEqual([blocks[1]!.object, blocks[3]!.object]);
    expect(merge([block(yesterday, 2, 100, 2 * MIB), block(yesterday, 2, 100, 2 * MIB)], config)).toBeUndefined();
  });

  test('without those that are damaged', () => {
    const damaged = { ...block(lastHour, 1), damage: 'CRC' };
    expect(merge([damaged, block(lastHour, 1)])).toBeUndefined();
  });
});
