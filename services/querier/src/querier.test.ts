import {
  blockKey,
  closeLog,
  commitBlocks,
  quarantineKey,
  raiseTrim,
  tenantIndexKey,
  type Manifest,
} from '@kiln/catalog';
import { KilnError, parseTenantId } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import {
  finishQuery,
  partialBytes,
  rowRange,
  type Answer,
  type QueryLimits,
  type SelectSeriesQuery,
} from '@kiln/query';
import { beforeEach, describe, expect, test } from 'vitest';
import { canTouch } from './acceptance.ts';
import type { Owners } from './owners.ts';
import type { Querier } from './querier.ts';
import { newStats } from './read-parts.ts';
import { withinRetention } from './retention.ts';
import { HOUR, NOW, World, type OwnedLog } from './test-support/world.ts';

const a = parseTenantId('team-a');
const b = parseTenantId('Team-B');
const all = seriesOf(NOW - HOUR, NOW + HOUR);
/** A client that stays. */
const going = new AbortController().signal;
let world: World;

beforeEach(() => {
  world = new World();
});

/** One point that holds the rows of (startMs - 2h, endMs]: their sum is the query's answer. */
function seriesOf(startMs: number, endMs: number): SelectSeriesQuery {
  return {
    kind: 'selectSeries',
    startMs,
    endMs,
    profileType: 'cpu:cpu:nanoseconds:cpu:nanoseconds',
    selector: '{}',
    stepMs: 2 * HOUR,
    groupBy: [],
    aggregation: 'sum',
    limit: 0,
  };
}

function sum(query: SelectSeriesQuery, { partial }: Answer): number {
  return finishQuery(query, partial).reduce((total, { value }) => total + value.reduce((x, y) => x + y, 0), 0);
}

const ask = async (querier: Querier = world.querier(), tenant = a): Promise<[number, Answer]> => {
  const answer = await world.run(querier.query(tenant, all, going));
  return [sum(all, answer), answer];
};

let copies = 0;
/** The part of the newest cut as a block of its tenant, and T behind it, when it is called. @param mayGo which manifests T passes. */
async function blockOfTip(
  { log, chain }: OwnedLog,
  mayGo: (manifest: Manifest) => boolean = () => true,
): Promise<() => Promise<void>> {
  const { object, tenants, start, end } = chain.tip!;
  const { tenant, off, len, rows, minMs, maxMs } = tenants[0]!;
  const copy = blockKey(tenant, 0, (++copies).toString(16).padStart(32, '0'));
  await world.objects.put(copy, (await world.objects.get(object!))!.bytes);
  const block = { object: copy, level: 1, size: off + len, off, len, rows, minMs, maxMs } as const;
  const taken = [{ log, from: start, end }];
  const job = { rev: 0, taken, blocks: [block], quarantine: [], gaps: [], goneLogs: new Set<never>() };
  return async () => {
    expect((await commitBlocks(world.catalog, tenant, job)).outcome).toBe('committed');
    expect(await raiseTrim(world.catalog, log, mayGo)).toMatchObject({ T: end });
  };
}

/** A store on which the reads of parts are as told. */
function reading(getRange: ObjectStore['getRange']): ObjectStore {
  const { objects } = world;
  return Object.assign(Object.create(objects) as ObjectStore, {
    get: objects.get.bind(objects),
    list: objects.list.bind(objects),
    getRange,
  });
}

describe('an answer', () => {
  test('holds every row of the tenant once, from heads and objects, at any moment between pushes and cuts', async () => {
    const outcomes: object[] = [];
    const wanted: object[] = [];
    for (let seed = 1; seed <= 40; seed++) {
      world = new World(seed);
      const random = world.random;
      const logs = [await world.open(0), await world.open(1), await world.open(2)];
      const querier = world.querier();
      for (let step = 0; step < 60; step++) {
        const log = logs[Math.floor(random() * 3)]!;
        const tenant = random() < 0.7 ? a : b;
        if (random() < 0.7) log.push(tenant, NOW - Math.floor(random() * 6 * HOUR), 1 + Math.floor(random() * 1000));
        else if (random() < 0.5) await log.cut();
        else {
          const startMs = NOW - Math.floor(random() * 6 * HOUR);
          const query = seriesOf(startMs, startMs + Math.floor(random() * 3 * HOUR));
          const range = rowRange(query);
          const want = logs
            .flatMap(({ rows }) => rows)
            .filter((row) => row.tenant === tenant && row.timeMs >= range.startMs && row.timeMs <= range.endMs)
            .reduce((total, { value }) => total + value, 0);
          // A cut may land while the query runs: what the owner said before it is still whole.
          const [answer] = await world.run(
            Promise.all([querier.query(tenant, query, going), random() < 0.3 ? log.cut() : undefined]),
          );
          outcomes.push({ seed, step, found: sum(query, answer), gaps: answer.gaps.length });
          wanted.push({ seed, step, found: want, gaps: 0 });
        }
      }
    }
    expect(outcomes).toEqual(wanted);
    expect(outcomes.length).toBeGreaterThan(200);
  });

  test('is refused where the register of logs is lost: it would lack what is in no block, and say that it is whole', async () => {
    const log = await world.open(0);
    log.push(a, NOW, 1);
    await world.objects.delete('log/trim');
    await expect(ask()).rejects.toMatchObject({
      code: 'data_loss',
      message: expect.stringMatching(/^object log\/trim, .* is missing/),
    });
  });

  test('of an empty world, or a tenant that nobody knows, is empty and whole', async () => {
    const log = await world.open(0);
    const [total, answer] = await ask();
    expect(total).toBe(0);
    expect({ ...answer, partial: partialBytes(answer.partial) }).toEqual({
      partial: new Uint8Array(),
      gaps: [],
      stats: { ...newStats(), plans: 1, totalMs: 0 },
    });
    log.push(a, NOW, 5);
    await log.cut();
    expect((await ask(undefined, b))[0]).toBe(0);
    expect((await ask())[1].stats).toMatchObject({ objects: 1, rows: 1, plans: 1 });
  });

  test('never reads an object whose rows lie outside the range', async () => {
    const log = await world.open(0);
    log.push(a, NOW - 20 * HOUR, 5);
    await log.cut();
    expect((await ask())[1].stats.objects).toBe(0);
  });

  test('asks the owner of each partition once', async () => {
    await world.run(Promise.all([0, 1, 2].map((partition) => world.open(partition))));
    const asked: number[] = [];
    const owners: Owners = {
      answer: (tenant, query, from, limits) => {
        asked.push(...from.map(({ partition }) => partition));
        return world.owners().answer(tenant, query, from, limits);
      },
    };
    await ask(world.querier({ owners }));
    expect(asked.toSorted((x, y) => x - y)).toEqual([0, 1, 2]);
  });

  test('holds what is compacted and passed by T while the plan is made', async () => {
    const log = await world.open(0);
    log.push(a, NOW, 3);
    await log.cut();
    await (
      await blockOfTip(log)
    )(); // so that there is an index: one that is missing is looked for twice
    log.push(a, NOW, 5);
    await log.cut();
    log.push(a, NOW, 7);
    const compact = await blockOfTip(log);
    let reads = 0;
    const objects = Object.assign(reading(world.objects.getRange.bind(world.objects)), {
      get: async (wanted: string) => {
        const found = await world.objects.get(wanted);
        if (reads++ === 0) await compact();
        return found;
      },
    });
    expect(await ask(world.querier({ objects }))).toMatchObject([15, { gaps: [] }]);
  });

  test('holds what lies at the very ends of its range, in an object that has nothing else', async () => {
    const log = await world.open(0);
    const { startMs, endMs } = rowRange(all);
    for (const [i, timeMs] of [startMs - 1, startMs, endMs, endMs + 1].entries()) {
      log.push(a, timeMs, 10 ** i);
      await log.cut();
    }
    expect((await ask())[0]).toBe(110);
  });

  test('asks nobody for what T has passed, also of a tenant that has nothing there', async () => {
    const log = await world.open(0);
    log.push(a, NOW, 5);
    await log.cut();
    log.push(b, NOW, 7);
    await (
      await blockOfTip(log)
    )();
    const from: number[] = [];
    const owners: Owners = {
      answer: (tenant, query, logs, limits) => {
        from.push(...logs.map((one) => one.from));
        return world.owners().answer(tenant, query, logs, limits);
      },
    };
    expect(await ask(world.querier({ owners }), b)).toMatchObject([7, { gaps: [] }]);
    expect(from).toEqual([0]);
  });

  test('lets other work run between two objects', async () => {
    const log = await world.open(0);
    for (let i = 0; i < 10; i++) {
      log.push(a, NOW, 1);
      await log.cut();
    }
    let turns = 0;
    const clock = { nowMs: () => NOW, sleep: async () => void turns++ };
    await ask(world.querier({ clock }));
    expect(turns).toBe(10);
  });
});

describe('a query that nobody waits for any more', () => {
  test('stops between two objects', async () => {
    const log = await world.open(0);
    for (let i = 0; i < 10; i++) {
      log.push(a, NOW, 1);
      await log.cut();
    }
    const leaving = new AbortController();
    let reads = 0;
    const objects = reading(async (key, off, len) => {
      if (++reads === 3) leaving.abort(new KilnError('canceled', 'the client left'));
      return world.objects.getRange(key, off, len);
    });
    const asked = world.querier({ objects, concurrency: 1 }).query(a, all, leaving.signal);
    await expect(world.run(asked)).rejects.toMatchObject({ code: 'canceled', message: 'the client left' });
    expect(reads).toBe(3);
    await expect(world.run(world.querier({ objects }).query(a, all, leaving.signal))).rejects.toThrow('left');
    expect(reads).toBe(3);
  });
});

describe('a plan that is out of date', () => {
  beforeEach(async () => {
    const log = await world.open(0);
    for (const value of [1, 10, 100]) {
      log.push(a, NOW, value);
      await log.cut();
    }
    log.push(a, NOW, 1000);
  });

  test('is made anew as a whole when an object is gone', async () => {
    let failures = 2;
    const objects = reading(async (key, off, len) =>
      failures-- > 0 ? undefined : world.objects.getRange(key, off, len),
    );
    const [total, answer] = await ask(world.querier({ objects, concurrency: 1 }));
    expect([total, answer.stats.plans, answer.gaps]).toEqual([1111, 3, []]);
  });

  test('the third one is answered without what is still gone, and says so by name', async () => {
    const [, second] = world.logs[0]!.chain.manifests;
    await world.objects.delete(second!.object!);
    const [total, { gaps, stats }] = await ask();
    expect([total, stats.plans]).toEqual([1101, 3]);
    expect(gaps).toEqual([{ object: second!.object!, reason: 'the object is gone' }]);
  });

  test('a stale index leads to a new plan, three times in a row to an error', async () => {
    let stale = 2;
    const owners: Owners = {
      answer: (tenant, query, from, limits) => {
        if (stale-- > 0) throw new KilnError('aborted', 'stale', { reason: 'stale_index' });
        return world.owners().answer(tenant, query, from, limits);
      },
    };
    expect((await ask(world.querier({ owners })))[0]).toBe(1111);
    stale = 3;
    await expect(ask(world.querier({ owners }))).rejects.toMatchObject({ code: 'unavailable', retryAfterSeconds: 1 });
  });

  test('a damaged part is read again, then left out and named', async () => {
    const damaged = world.logs[0]!.chain.manifests[2]!.object!;
    let reads = 0;
    let lies = 1;
    const objects = reading(async (key, off, len) => {
      const bytes = (await world.objects.getRange(key, off, len))!;
      return key === damaged && reads++ < lies ? bytes.slice(1) : bytes;
    });
    const heard: unknown[] = [];
    const leftOut = (gaps: unknown): void => void heard.push(gaps);
    expect((await ask(world.querier({ objects, leftOut })))[0]).toBe(1111);
    expect(heard).toEqual([]);
    [reads, lies] = [0, 2];
    const [total, { gaps }] = await ask(world.querier({ objects, leftOut }));
    expect(total).toBe(1011);
    expect(gaps).toEqual([{ object: damaged, reason: expect.stringContaining('the object ends in its part') }]);
    expect(heard).toEqual([gaps]);
  });

  test('an error of an owner or of the store is passed on', async () => {
    const owners: Owners = { answer: () => Promise.reject(new KilnError('unavailable', 'partition 0 is opening')) };
    await expect(ask(world.querier({ owners }))).rejects.toThrow('partition 0 is opening');
    const objects = reading(() => Promise.reject(new KilnError('unavailable', 'no connection')));
    await expect(ask(world.querier({ objects }))).rejects.toThrow('no connection');
  });
});

describe('a log that nobody follows', () => {
  let log: OwnedLog;
  beforeEach(async () => {
    log = await world.open(0);
    log.push(a, NOW, 1);
    await log.cut();
    log.push(a, NOW, 10);
    world.logs.pop();
  });

  test('is read from its manifests, and what may follow is named', async () => {
    const [total, { gaps }] = await ask();
    expect(total).toBe(1);
    expect(gaps).toEqual([
      {
        log: expect.any(String),
        after: 0,
        upTo: Number.MAX_SAFE_INTEGER,
        reason: expect.stringContaining('nobody follows'),
      },
    ]);
  });

  test('is whole when it was closed, but for what was lost', async () => {
    const lost = { upTo: 1, reason: 'disk lost', fromMs: NOW, toMs: NOW };
    await closeLog(world.catalog, { log: log.log, writer: 'w', lost });
    const [total, { gaps }] = await ask();
    expect([total, gaps]).toEqual([1, [{ log: log.log, after: 0, upTo: 1, reason: 'disk lost' }]]);
  });

  test('is planned anew when T has passed some of it since the plan read the index', async () => {
    await (
      await blockOfTip(log)
    )(); // so that there is an index: one that is missing is looked for twice
    await log.cut();
    const compact = await blockOfTip(log, ({ seq }) => seq <= 1);
    log.push(a, NOW, 100);
    await log.cut();
    await closeLog(world.catalog, { log: log.log, writer: 'w' });
    let isRead = false;
    const objects = Object.assign(reading(world.objects.getRange.bind(world.objects)), {
      get: async (wanted: string) => {
        const found = await world.objects.get(wanted);
        if (!isRead && wanted === tenantIndexKey(a)) {
          isRead = true;
          await compact();
        }
        return found;
      },
    });
    expect(await ask(world.querier({ objects }))).toMatchObject([111, { gaps: [], stats: { plans: 2 } }]);
  });
});

describe('gaps', () => {
  test('flag the answers that they can touch', async () => {
    const log = await world.open(0);
    log.push(a, NOW, 1);
    log.H++;
    log.gaps = [
      { after: 0, upTo: 1, reason: `not decodable, kept as ${quarantineKey(log.log, 1)}`, fromMs: NOW, toMs: NOW },
    ];
    for (const place of ['head', 'object']) {
      if (place === 'object') await log.cut();
      expect((await ask())[1].gaps).toHaveLength(1);
      const gapsOf = async (startMs: number, endMs: number): Promise<readonly unknown[]> =>
        (await world.run(world.querier().query(a, seriesOf(startMs, endMs), going))).gaps;
      // It may have been an import, which reaches back as far as the retention.
      expect(await gapsOf(NOW - 10 * HOUR, NOW - 9 * HOUR)).toHaveLength(1);
      expect(await gapsOf(NOW + 10 * HOUR, NOW + 11 * HOUR)).toEqual([]);
    }
  });

  test('touch a range up to their last append time and how far ahead a profile may be; what is unknown touches all', () => {
    const gap = { after: 0, upTo: 1, reason: '', fromMs: 1000, toMs: 2000 };
    const window = { rejectNewerThanMs: 10 };
    const f = (startMs: number, endMs: number, want: boolean, change = {}, other = window) =>
      expect(canTouch({ ...gap, ...change }, { startMs, endMs }, other)).toBe(want);
    f(0, 1, true);
    f(2010, 9999, true);
    f(2011, 9999, false);
    f(9999, 9999, true, { toMs: 0 });
    f(9999, 9999, true, {}, { rejectNewerThanMs: 0 });
  });
});

describe('a limit of results', () => {
  const query: SelectSeriesQuery = { ...all, startMs: NOW - 2 * HOUR, stepMs: HOUR };
  const points = async (maxResultPoints: number): Promise<number> => {
    world.limits = { ...world.limits, maxResultPoints };
    const { partial } = await world.run(world.querier().query(a, query, going));
    return finishQuery(query, partial).reduce((count, { timeMs }) => count + timeMs.length, 0);
  };
  const refusal = { code: 'resource_exhausted', message: expect.stringContaining('max_result_points') as string };

  test('holds for a head, for an object, and for what they are together', async () => {
    const [first, second] = [await world.open(0), await world.open(1)];
    first.push(a, NOW, 1);
    first.push(a, NOW - HOUR, 1);
    expect(await points(2)).toBe(2);
    await expect(points(1)).rejects.toMatchObject(refusal);
    await first.cut();
    expect(await points(2)).toBe(2);
    await expect(points(1)).rejects.toMatchObject(refusal);
    second.push(a, NOW - 2 * HOUR, 1);
    await expect(points(2)).rejects.toMatchObject(refusal);
    expect(await points(3)).toBe(3);
    expect(await points(0)).toBe(3);
  });

  test('is told to the owners, so that a head stops at it too', async () => {
    await world.open(0);
    world.limits = { ...world.limits, maxResultNodes: 7, maxResultSeries: 8, maxResultPoints: 9 };
    const told: QueryLimits[] = [];
    const owners: Owners = {
      answer: (tenant, asked, from, limits) => {
        told.push(limits);
        return world.owners().answer(tenant, asked, from, limits);
      },
    };
    await ask(world.querier({ owners }));
    expect(told).toEqual([expect.objectContaining({ maxResultNodes: 7, maxResultSeries: 8, maxResultPoints: 9 })]);
  });
});

describe('retention', () => {
  const names = { kind: 'labelNames' as const, matchers: [], utf8: false };

  test('moves the start up, and empties what is wholly older', () => {
    const f = (startMs: number, endMs: number, retentionMs: number) =>
      withinRetention({ ...names, startMs, endMs }, retentionMs, NOW);
    expect(f(NOW - 9 * HOUR, NOW, HOUR)).toMatchObject({ startMs: NOW - HOUR, endMs: NOW });
    expect(f(NOW - 9 * HOUR, NOW - 2 * HOUR, HOUR)).toBeUndefined();
    expect(f(NOW - 9 * HOUR, NOW, 0)).toMatchObject({ startMs: NOW - 9 * HOUR });
    expect(f(NOW - 10, NOW, HOUR)).toMatchObject({ startMs: NOW - 10 });
  });

  test('takes old rows out of a series and leaves its steps where they are', async () => {
    const log = await world.open(0);
    log.push(a, NOW - 5 * HOUR, 1);
    log.push(a, NOW - 2.5 * HOUR, 10);
    await log.cut();
    log.push(a, NOW - 1.5 * HOUR, 100);
    log.push(a, NOW, 1000);
    const query = { ...seriesOf(NOW - 4 * HOUR, NOW) };
    const points = async (retentionPeriodMs: number): Promise<number[][]> => {
      world.limits = { ...world.limits, retentionPeriodMs };
      const { partial } = await world.run(world.querier().query(a, query, going));
      return finishQuery(query, partial).map(({ timeMs, value }) => [...timeMs, ...value]);
    };
    expect(await points(0)).toEqual([[NOW - 4 * HOUR, NOW - 2 * HOUR, NOW, 1, 10, 1100]]);
    expect(await points(3 * HOUR)).toEqual([[NOW - 2 * HOUR, NOW, 10, 1100]]);
    expect(await points(HOUR)).toEqual([[NOW, 1000]]);
    expect(withinRetention(seriesOf(NOW - 9 * HOUR, NOW - 2 * HOUR), HOUR, NOW)).toBeUndefined();
    // The first step reaches back behind the start.
    expect(withinRetention(seriesOf(NOW - HOUR, NOW), HOUR, NOW)).toMatchObject({ oldestMs: NOW - HOUR });
  });

  test('is obeyed by an answer', async () => {
    world.limits = { ...world.limits, retentionPeriodMs: HOUR };
    const log = await world.open(0);
    log.push(a, NOW - 3 * HOUR, 1);
    await log.cut();
    const discover = async (startMs: number, endMs: number) => {
      const query = { kind: 'labelValues' as const, name: 'service_name', matchers: [], startMs, endMs };
      return finishQuery(query, (await world.run(world.querier().query(a, query, going))).partial);
    };
    expect(await discover(1, NOW + HOUR)).toEqual([]);
    expect(await discover(NOW - 9 * HOUR, NOW)).toEqual([]);
    log.push(a, NOW, 1);
    expect(await discover(1, NOW + HOUR)).toEqual(['web']);
    expect(await discover(NOW - 9 * HOUR, NOW - 2 * HOUR)).toEqual([]);
  });
});
