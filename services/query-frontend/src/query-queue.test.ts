import { describe, expect, test } from 'vitest';
import { MemoryLedger, seededRandom } from '@kiln/async';
import { KilnError, parseTenantId, parseTenantIds, type TenantId } from '@kiln/model';
import { QueryQueue, type QueryOutcome, type QueryQueueOptions } from './query-queue.ts';

/** A queue, and queries that run until they are told to end. */
class Rig {
  readonly outcomes: QueryOutcome[] = [];
  /** Names, in the order in which they began. */
  readonly began: string[] = [];
  readonly #ends = new Map<string, () => void>();
  readonly queue: QueryQueue;

  constructor(options: Partial<QueryQueueOptions> = {}) {
    this.queue = new QueryQueue({
      maxConcurrent: 1,
      maxWaiting: 100,
      limitOf: () => 0,
      observe: (outcome) => this.outcomes.push(outcome),
      ...options,
    });
  }

  ask(name: string, tenants: string, signal = new AbortController().signal): Promise<string> {
    return this.queue.run(parseTenantIds(tenants), signal, () => {
      this.began.push(name);
      const { promise, resolve } = Promise.withResolvers<string>();
      this.#ends.set(name, () => resolve(name));
      return promise;
    });
  }

  /** Ends a query that runs, and lets others begin. */
  async end(name: string): Promise<void> {
    this.#ends.get(name)!();
    await settled();
  }
}

const settled = async (): Promise<void> => {
  for (let i = 0; i < 16; i++) await Promise.resolve();
};

describe('queries', () => {
  test('run up to the limit; the others wait, first in, first out', async () => {
    const rig = new Rig({ maxConcurrent: 2 });
    const asked = ['1', '2', '3', '4'].map((name) => rig.ask(name, 'a'));
    await settled();
    expect([rig.began, rig.queue.running, rig.queue.waiting]).toEqual([['1', '2'], 2, 2]);
    await rig.end('2');
    expect(rig.began).toEqual(['1', '2', '3']);
    await rig.end('1');
    await rig.end('4');
    await rig.end('3');
    expect(await Promise.all(asked)).toEqual(['1', '2', '3', '4']);
    expect([rig.queue.running, rig.queue.waiting, rig.outcomes]).toEqual([0, 0, Array(4).fill('answered')]);
  });

  test('are counted while they run, and refused when memory has no room for one more, before any push is', async () => {
    const ledger = MemoryLedger.create(200 * 2 ** 20);
    const rig = new Rig({ ledger, maxConcurrent: 4 });
    const asked = ['1', '2', '3'].map((name) => rig.ask(name, 'a'));
    await settled();
    expect([rig.began, ledger.bytesOf('queries')]).toEqual([['1', '2', '3'], 192 * 2 ** 20]);
    expect(ledger.fits(8 * 2 ** 20)).toBe(true); // a push still fits
    await expect(rig.ask('4', 'a')).rejects.toMatchObject({
      code: 'resource_exhausted',
      reason: 'memory_ceiling',
      retryAfterSeconds: 1,
      message: expect.stringMatching(/below 209715200 \(memory\.ceiling\)/) as string,
    });
    for (const name of ['1', '2', '3']) await rig.end(name);
    await Promise.all(asked);
    expect([ledger.usedBytes, rig.queue.running, rig.outcomes]).toEqual([
      0,
      0,
      ['refused', 'answered', 'answered', 'answered'],
    ]);
  });

  test('of tenants are served in turn, however many one of them has', async () => {
    const rig = new Rig();
    for (const [name, tenant] of [
      ['a1', 'a'],
      ['a2', 'a'],
      ['a3', 'a'],
      ['a4', 'a'],
      ['b1', 'b'],
      ['b2', 'b'],
      ['c1', 'c'],
    ] as const)
      void rig.ask(name, tenant);
    await settled();
    for (let i = 0; i < 6; i++) await rig.end(rig.began.at(-1)!);
    expect(rig.began).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
  });

  test('of a tenant at its own limit wait, and hold up nobody else', async () => {
    const limits: Record<string, number> = { a: 1 };
    const rig = new Rig({ maxConcurrent: 3, limitOf: (tenant: TenantId) => limits[tenant] ?? 0 });
    for (const name of ['a1', 'a2']) void rig.ask(name, 'a');
    void rig.ask('b1', 'b');
    await settled();
    expect(rig.began).toEqual(['a1', 'b1']);
    void rig.ask('b2', 'b');
    await settled();
    expect(rig.began).toEqual(['a1', 'b1', 'b2']);
    await rig.end('a1');
    expect(rig.began).toEqual(['a1', 'b1', 'b2', 'a2']);
  });

  test('over several tenants count for each of them', async () => {
    const rig = new Rig({ maxConcurrent: 9, limitOf: () => 1 });
    for (const [name, tenants] of [
      ['b', 'b'],
      ['ab', 'a|b'],
      ['c', 'c'],
    ] as const)
      void rig.ask(name, tenants);
    await settled();
    expect(rig.began).toEqual(['b', 'c']);
    await rig.end('b');
    expect(rig.began).toEqual(['b', 'c', 'ab']);
  });

  test('that fail make room as well', async () => {
    const rig = new Rig();
    const failed = rig.queue.run([parseTenantId('a')], new AbortController().signal, async () => {
      await settled();
      throw new KilnError('out_of_range', 'too much');
    });
    void rig.ask('next', 'a');
    await expect(failed).rejects.toMatchObject({ code: 'out_of_range' });
    await settled();
    expect([rig.began, rig.outcomes]).toEqual([['next'], ['failed']]);
  });
});

describe('a full queue', () => {
  test('refuses with the settings, their values and what waits', async () => {
    const rig = new Rig({ maxConcurrent: 1, maxWaiting: 2 });
    for (const name of ['1', '2', '3']) void rig.ask(name, 'a');
    await expect(rig.ask('4', 'a')).rejects.toMatchObject({
      code: 'resource_exhausted',
      reason: 'too_many_queries',
      retryAfterSeconds: 1,
      message:
        'too many queries: 1 run (querier.max-concurrent is 1) and 2 wait, of at most 2 (query-frontend.max-waiting): ask again in a moment',
    });
    expect([rig.queue.waiting, rig.outcomes]).toEqual([2, ['refused']]);
  });

  test('refuses the newest of whoever has the most, so that nobody can shut out others', async () => {
    const rig = new Rig({ maxWaiting: 3 });
    const refused: string[] = [];
    for (const name of ['a1', 'a2', 'a3', 'a4']) rig.ask(name, 'a').catch(() => refused.push(name));
    await settled();
    for (const name of ['b1', 'b2', 'b3']) rig.ask(name, 'b').catch(() => refused.push(name));
    await settled();
    expect(refused.toSorted()).toEqual(['a4', 'b2', 'b3']); // two and one wait: no better for another b
    await rig.end('a1');
    await rig.end('a2');
    await rig.end('b1');
    expect(rig.began).toEqual(['a1', 'a2', 'b1', 'a3']);
  });
});

describe('a client that leaves', () => {
  test('takes its query out of the queue, and lets those behind it run', async () => {
    const rig = new Rig({ maxConcurrent: 2, limitOf: (tenant: TenantId) => (String(tenant) === 'b' ? 1 : 0) });
    void rig.ask('b', 'b');
    const leaving = new AbortController();
    const left = rig.ask('ab', 'a|b', leaving.signal);
    void rig.ask('a', 'a'); // behind one that waits for b
    await settled();
    expect(rig.began).toEqual(['b']);
    leaving.abort(new KilnError('canceled', 'gone'));
    await expect(left).rejects.toMatchObject({ code: 'canceled', message: 'gone' });
    expect([rig.began, rig.queue.waiting, rig.outcomes]).toEqual([['b', 'a'], 0, ['left']]);
    await expect(rig.ask('late', 'a', AbortSignal.abort(new KilnError('canceled', 'gone')))).rejects.toThrow('gone');
    expect(rig.began).toEqual(['b', 'a']);
  });

  test('gives back its turn when its query has ended, not before', async () => {
    const rig = new Rig();
    const leaving = new AbortController();
    void rig.ask('1', 'a', leaving.signal);
    void rig.ask('2', 'a');
    leaving.abort(new KilnError('deadline_exceeded', 'late'));
    await settled();
    expect(rig.began).toEqual(['1']);
    await rig.end('1');
    expect([rig.began, rig.outcomes]).toEqual([['1', '2'], ['late']]);
  });
});

test('whatever comes, ends and leaves: no limit is passed, nothing that fits waits, and nothing is forgotten', async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seededRandom(seed);
    const pick = (n: number): number => Math.floor(random() * n);
    const options = { maxConcurrent: 1 + pick(4), maxWaiting: pick(8), limitOf: () => limit };
    const limit = pick(3);
    const rig = new Rig(options);
    const open = new Map<string, { tenants: string; leaving: AbortController }>();
    for (let step = 0; step < 200; step++) {
      const name = String(step);
      const running = rig.began.filter((one) => open.has(one));
      const act = random();
      if (act < 0.5) {
        const tenants = ['a', 'b', 'c', 'a|b', 'b|c'][pick(5)]!;
        const leaving = new AbortController();
        open.set(name, { tenants, leaving });
        rig
          .ask(name, tenants, leaving.signal)
          .catch(() => undefined)
          .finally(() => open.delete(name));
      } else if (act < 0.85 && running.length > 0) await rig.end(running[pick(running.length)]!);
      else if (open.size > 0) [...open.values()][pick(open.size)]!.leaving.abort(new KilnError('canceled', 'gone'));
      await settled();
      const now = rig.began.filter((one) => open.has(one));
      const counts = (tenant: string): number =>
        now.filter((one) => open.get(one)!.tenants.split('|').includes(tenant)).length;
      expect(rig.queue.running).toBe(now.length);
      expect(rig.queue.waiting).toBe(open.size - now.length);
      expect(now.length).toBeLessThanOrEqual(options.maxConcurrent);
      expect(rig.queue.waiting).toBeLessThanOrEqual(options.maxWaiting);
      for (const tenant of ['a', 'b', 'c']) if (limit > 0) expect(counts(tenant)).toBeLessThanOrEqual(limit);
      const waiting = [...open].filter(([one]) => !rig.began.includes(one));
      const heads = [...new Map(waiting.toReversed().map(([, { tenants }]) => [tenants.split('|')[0]!, tenants]))];
      if (now.length < options.maxConcurrent)
        for (const [, tenants] of heads) expect(tenants.split('|').some((one) => counts(one) >= limit)).toBe(true);
    }
  }
});
