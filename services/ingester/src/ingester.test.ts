import { ManualClock, seededRandom, systemClock, type Clock } from '@kiln/async';
import type { TenantId } from '@kiln/model';
import { faultyStore, memoryStore, type ObjectStore } from '@kiln/objstore';
import { memoryLog, type OpenLog } from '@kiln/partition-log';
import { finishQuery, mergePartials, runQuery } from '@kiln/query';
import { createLogger, createMetrics, noTelemetry, silentLogger } from '@kiln/telemetry';
import { openPart } from '@kiln/block';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Budget } from './budget.ts';
import { ingesterDefaults, type IngesterConfig } from './config.ts';
import { Ingester } from './ingester.ts';
import { recordOf } from './test-support/records.ts';
import { ANN, BY_MARK, marked } from './test-support/rig.ts';
import { nodeCodecs } from './worker/node-codecs.ts';
import { WorkerHost } from './worker/worker-host.ts';

vi.setConfig({ testTimeout: 30_000 }); // threads start slowly on a busy machine

async function openLogs(partitions: number, clock: Clock): Promise<OpenLog[]> {
  const log = memoryLog({ partitions, clock });
  return Promise.all(Array.from({ length: partitions }, (_, p) => log.open(p)));
}

function ingester(logs: OpenLog[], objects: ObjectStore, clock: Clock, config: Partial<IngesterConfig>): Ingester {
  const made = new Ingester(
    { ...ingesterDefaults, ...config },
    {
      logs,
      objects,
      clock,
      random: seededRandom(5),
      telemetry: noTelemetry,
      writer: 'test',
    },
  );
  made.start();
  return made;
}

async function read(
  target: Ingester,
  logs: OpenLog[],
  objects: ObjectStore,
  tenant: TenantId,
): Promise<Record<string, number>> {
  const from = logs.map(({ id, partition }) => ({ logId: id, partition, from: -1 }));
  const partials: Uint8Array[] = [];
  for (const { partial, refs } of await target.answer(tenant, BY_MARK, from)) {
    partials.push(partial);
    for (const { object, off, len } of refs) {
      const part = openPart((await objects.getRange(object, off, len))!, tenant, nodeCodecs);
      partials.push(
        runQuery(
          BY_MARK,
          part.datasets.map((dataset) => dataset.tables()),
        ),
      );
    }
  }
  const series = finishQuery(BY_MARK, mergePartials(BY_MARK, partials));
  return Object.fromEntries(series.map(({ labels, value }) => [labels[0]!.value, value[0]!]));
}

/** Waits for real time, or turns a manual clock. */
async function until(clock: Clock, want: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 2500; turn++) {
    if (await want()) return;
    if (clock instanceof ManualClock) await clock.advance(10);
    await (clock instanceof ManualClock ? setImmediate() : setTimeout(10));
  }
  throw new Error('it did not happen in time');
}

for (const workers of [0, 2]) {
  test(`with ${workers} workers: pushes are answered once, before and after cuts and a restart`, async () => {
    const clock = systemClock();
    const logs = await openLogs(4, clock);
    const objects = memoryStore();
    const config = { workers, cutMaxAgeMs: 100 };
    const first = ingester(logs, objects, clock, config);
    const want: Record<string, number> = {};
    for (let i = 0; i < 40; i++) {
      await logs[i % 4]!.append(recordOf('ann', [marked(`m${i}`, 1 + i)]));
      want[`m${i}`] = 1 + i;
    }
    await until(clock, async () => (await first.notReady()) === undefined);
    await until(clock, async () => (await first.status()).every(({ lag }) => lag === 0));
    expect(await read(first, logs, objects, ANN)).toEqual(want);
    await until(clock, async () => (await first.status()).every(({ committed }) => committed === 9));
    expect(await read(first, logs, objects, ANN)).toEqual(want);
    await first.stop();

    const second = ingester(logs, objects, clock, config);
    for (let i = 0; i < 8; i++) await logs[i % 4]!.append(recordOf('ann', [marked(`m${i}`, 1 + i)]));
    await until(clock, async () => (await second.status()).every(({ lag }) => lag === 0));
    expect(await read(second, logs, objects, ANN)).toEqual(want);
    const counts = (await second.status()).map((status) => status.counts);
    expect(counts.map(({ records, copiesDropped }) => [records, copiesDropped])).toEqual([
      [2, 2],
      [2, 2],
      [2, 2],
      [2, 2],
    ]);
    await second.stop();
  });
}

for (const workers of [0, 2]) {
  test(`with ${workers} workers: a query that comes after an acknowledged push sees it`, async () => {
    const clock = systemClock();
    const logs = await openLogs(2, clock);
    const objects = memoryStore();
    const target = ingester(logs, objects, clock, { workers });
    onTestFinished(() => target.stop());
    await until(clock, async () => (await target.notReady()) === undefined);
    const want: Record<string, number> = {};
    for (let i = 0; i < 100; i++) {
      await logs[i % 2]!.append(recordOf('ann', [marked(`m${i}`, 1 + i)]));
      want[`m${i}`] = 1 + i;
      expect(await read(target, logs, objects, ANN)).toEqual(want);
    }
  });
}

describe('an answer is refused', () => {
  test('for a partition that is not followed, and when the reader does not know the log', async () => {
    const clock = new ManualClock(1e12);
    const logs = await openLogs(2, clock);
    const objects = memoryStore();
    const only = ingester([logs[0]!], objects, clock, { workers: 0 });
    onTestFinished(() => only.stop());
    await until(clock, async () => (await only.notReady()) === undefined);
    const [zero, one] = logs.map(({ id, partition }) => ({ logId: id, partition, from: -1 }));
    await expect(only.answer(ANN, BY_MARK, [one!])).rejects.toMatchObject({ code: 'unavailable', reason: 'not_owner' });
    await expect(only.answer(ANN, BY_MARK, [{ ...zero!, logId: one!.logId }])).rejects.toMatchObject({
      reason: 'stale_index',
    });
    expect(await only.answer(ANN, BY_MARK, [zero!])).toMatchObject([
      { logId: zero!.logId, E: -1, H: -1, refs: [], gaps: [] },
    ]);
  });

  test('across threads with the same code, reason and sentence', async () => {
    const clock = systemClock();
    const [log] = await openLogs(1, clock);
    const target = ingester([log!], memoryStore(), clock, { workers: 1 });
    onTestFinished(() => target.stop());
    await until(clock, async () => (await target.notReady()) === undefined);
    const from = [{ logId: log!.id, partition: 0, from: -1 }];
    await expect(target.answer(ANN, { ...BY_MARK, stepMs: -1 }, from)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: /stepMs/,
    });
  });
});

describe('the budget', () => {
  test('cuts the largest head first, then the next', async () => {
    const clock = new ManualClock(1_700_000_000_000);
    const logs = await openLogs(2, clock);
    const target = ingester(logs, memoryStore(), clock, { workers: 0, headMaxBytes: 100_000, cutOnStop: false });
    onTestFinished(() => target.stop());
    await push(logs[1]!, 0, 40);
    await until(clock, async () => (await target.status())[1]!.lag === 0);
    await push(logs[0]!, 0, 300);
    await until(clock, async () => (await target.status()).every(({ lag }) => lag === 0));
    const [large, small] = await target.status();
    expect(large!.counts.cuts).toBeGreaterThan(0);
    expect(small!.counts.cuts).toBe(0);
    expect(large!.headBytes + small!.headBytes).toBeLessThan(100_000);
  });

  test('over it reading stops while the store is down, says so, and goes on with nothing lost', async () => {
    const clock = new ManualClock(1_700_000_000_000);
    const logs = await openLogs(2, clock);
    let down = false;
    const store = memoryStore();
    const moody = faultyStore(store, ({ operation }) =>
      down && operation === 'put' ? { before: new Error('ENOSPC') } : undefined,
    );
    const target = ingester(logs, moody, clock, { workers: 0, headMaxBytes: 100_000, cutOnStop: false });
    onTestFinished(() => target.stop());
    await until(clock, async () => (await target.notReady()) === undefined);
    down = true;
    await Promise.all([push(logs[0]!, 0, 500), push(logs[1]!, 500, 600)]);
    await until(clock, async () => (await target.status()).every(({ paused }) => paused !== undefined));
    const stuck = await target.status();
    expect(stuck[0]!.paused).toMatch(/limit 100000 \(ingester.head-max-bytes\)/);
    expect(stuck.reduce((sum, { headBytes }) => sum + headBytes, 0)).toBeLessThan(150_000);
    await until(clock, async () => (await target.notReady())?.includes('ENOSPC') === true);
    down = false;
    for (let i = 0; i < 60 && !(await target.status()).every(({ lag }) => lag === 0); i++) {
      await clock.advance(10_000);
      await setImmediate();
    }
    expect(await target.notReady()).toBeUndefined();
    const want = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`m${i}`, 1 + i]));
    expect(await read(target, logs, store, ANN)).toEqual(want);
  });

  async function push(log: OpenLog, from: number, to: number): Promise<void> {
    for (let i = from; i < to; i++) await log.append(recordOf('ann', [marked(`m${i}`, 1 + i)]));
  }
});

test('a worker that dies makes it not ready with the reason, and is started again from the chain', async () => {
  const clock = systemClock();
  const [log] = await openLogs(1, clock);
  const budget = Budget.create(1 << 28, 1);
  const host = new WorkerHost({
    setup: {
      places: [{ slot: 0, logId: log!.id, partition: 0 }],
      budget: budget.share(),
      cuts: { maxAgeMs: 300_000, maxBytes: 1 << 26, maxLogBytes: 1 << 30 },
      writer: 'test',
      dieAt: undefined,
    },
    heapMaxBytes: 256 << 20,
    logs: new Map([[0, log!]]),
    objects: memoryStore(),
    budget,
    clock,
    log: silentLogger,
  });
  onTestFinished(() => host.stop(false));
  await log!.append(recordOf('ann', [marked('m', 5)]));
  await until(clock, async () => (await host.status(0)).consumed === 0);
  expect(budget.usedBytes).toBeGreaterThan(1000);
  const question = { tenant: ANN, query: BY_MARK, from: -1, upTo: 0 };
  const died = host.crash();
  await expect(host.answer(0, question)).rejects.toMatchObject({
    code: 'unavailable',
    message: /^the ingester 0 thread is not running: exit code 1/,
  });
  await died;
  expect(await host.status(0)).toMatchObject({ state: 'opening', error: /exit code 1/ });
  expect(budget.usedBytes).toBe(0);
  await until(clock, async () => (await host.status(0)).consumed === 0);
  const { partial, H } = await host.answer(0, question);
  expect(finishQuery(BY_MARK, partial)).toMatchObject([{ value: Float64Array.of(5) }]);
  expect(H).toBe(0);
});

describe('a worker that hangs', () => {
  const answersPing = `
    import { parentPort } from 'node:worker_threads';
    parentPort.on('message', ({ id, method }) => {
      if (method === 'ping') parentPort.postMessage({ kind: 'done', id });
      if (method === 'status') parentPort.postMessage({ kind: 'failed', id, error: { message: 'no status' } });
    });`;

  test.each([
    ['for ever in one step', 'for (;;);', 'status of a worker thread did not end within 5000 ms', 'ping'],
    ['only when it shall stop', answersPing, 'no status', 'stop'],
  ])('%s is ended: it is not ready, a stop takes seconds and says so', async (_, code, reason, method) => {
    const clock = systemClock();
    const quick: Clock = { nowMs: () => clock.nowMs(), sleep: (ms, signal) => clock.sleep(ms / 20, signal) };
    const lines: string[] = [];
    const log = createLogger({ level: 'warn', nowMs: () => 0, write: (line) => lines.push(line) });
    const target = new Ingester(
      { ...ingesterDefaults, workers: 1 },
      {
        logs: await openLogs(2, clock),
        objects: memoryStore(),
        clock: quick,
        random: seededRandom(5),
        telemetry: { ...noTelemetry, log },
        writer: 'test',
        workerEntry: new URL(`data:text/javascript,${encodeURIComponent(code)}`),
      },
    );
    target.start();
    await until(clock, async () => (await target.notReady())!.includes(reason));
    const began = clock.nowMs();
    await target.stop();
    expect(clock.nowMs() - began).toBeLessThan(5_000);
    expect(lines.join('')).toMatch(new RegExp(`did not stop and is ended.*${method} of a worker thread did not end`));
  });
});

test('a worker that runs out of memory says so in one sentence, is started again later each time, and stops nothing else', async () => {
  const clock = systemClock();
  const [log] = await openLogs(1, clock);
  const lines: string[] = [];
  const budget = Budget.create(1 << 20, 1);
  const host = new WorkerHost({
    setup: {
      places: [{ slot: 0, logId: log!.id, partition: 0 }],
      budget: budget.share(),
      cuts: { maxAgeMs: 1e6, maxBytes: 1e9, maxLogBytes: 1e9 },
      writer: 'test',
      dieAt: undefined,
    },
    heapMaxBytes: 4 << 20, // less than its code takes
    logs: new Map([[0, log!]]),
    objects: memoryStore(),
    budget,
    clock,
    log: createLogger({ level: 'info', nowMs: () => 0, write: (line) => lines.push(line) }),
  });
  await until(clock, async () => lines.length > 1);
  const sentence = /it ran out of memory at 4 MiB of JavaScript heap: .*ingester\.head-max-bytes/;
  expect((await host.status(0)).error).toMatch(sentence);
  const [first, second] = lines.map((line) => Number(/waitMs=(\d+)/.exec(line)![1]));
  for (const line of lines) expect(line).toMatch(sentence);
  expect(second).toBe(2 * first!);
  await expect(host.answer(0, { tenant: ANN, query: BY_MARK, from: -1, upTo: -1 })).rejects.toMatchObject({
    code: 'unavailable',
    message: sentence,
  });
  await host.stop(true);
  expect((await host.status(0)).state).toBe('stopped');
});

test('what each partition holds and has done is in the metrics, what was lost in the log', async () => {
  const clock = new ManualClock(1_700_000_000_000);
  const logs = await openLogs(2, clock);
  const metrics = createMetrics({ ofProcess: false });
  const lines: string[] = [];
  const target = new Ingester(
    { ...ingesterDefaults, workers: 0 },
    {
      logs,
      objects: memoryStore(),
      clock,
      random: seededRandom(5),
      telemetry: { metrics, log: createLogger({ level: 'info', nowMs: () => 0, write: (line) => lines.push(line) }) },
      writer: 'test',
    },
  );
  target.start();
  onTestFinished(() => target.stop());
  await logs[0]!.append(new Uint8Array(9));
  for (const mark of ['a', 'b', 'a']) await logs[1]!.append(recordOf('ann', [marked(mark, 1)]));
  await until(clock, async () => (await target.status()).every(({ lag }) => lag === 0));
  await clock.advance(5_000);
  await clock.advance(5_000);
  expect(lines.join('')).toMatch(/records were lost or could not be decoded.*partition=0.*gaps=1 quarantined=1/);
  const text = await metrics.text();
  expect(text).toContain('kiln_ingester_records_total{partition="1"} 3');
  expect(text).toContain('kiln_ingester_copies_dropped_total{partition="1"} 1');
  expect(text).toContain('kiln_ingester_consumed_offset{partition="1"} 2');
  expect(text).toContain('kiln_ingester_lag_records{partition="0"} 0');
});
