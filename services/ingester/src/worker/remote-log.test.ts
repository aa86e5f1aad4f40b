import { describe, expect, test, vi } from 'vitest';
import type { LogId } from '@kiln/model';
import { ManualClock } from '@kiln/async';
import { memoryLog, type LogEntry, type OpenLog } from '@kiln/partition-log';
import { Moved } from '@kiln/threads';
import { setImmediate } from 'node:timers/promises';
import { unpackEntries, type RecordBatch } from './record-batch.ts';
import { LogServer } from './remote-log.ts';

describe('readers of a log for a worker', () => {
  test.each(['log.stop', 'close'])(
    'let go of what they hold when they are stopped between two batches: %s',
    async (how) => {
      const open = { readers: 0 };
      const server = new LogServer(new Map([[0, endless(open)]]), new ManualClock());
      const {
        'log.read': read,
        'log.next': next,
        'log.stop': stop,
      } = server.handlers() as Record<string, (n: number, from?: number) => unknown>;
      const reader = read!(0, 0) as number;
      await next!(reader);
      expect(open.readers).toBe(1);
      if (how === 'close') server.close();
      else stop!(reader);
      await setImmediate();
      expect(open.readers).toBe(0);
      expect(await next!(reader)).toBeUndefined();
    },
  );
});

describe('records for a worker', () => {
  test('that come soon after those before are handed over together, later ones at once', async () => {
    const { clock, log, next } = await served();
    await log.append(Uint8Array.of(1));
    expect(await next()).toEqual([0]);
    await log.append(Uint8Array.of(2));
    const coming = next();
    await vi.waitUntil(() => clock.sleeping === 1);
    await log.append(Uint8Array.of(3));
    await clock.advance(20);
    expect(await coming).toEqual([1, 2]);
    await clock.advance(20);
    await log.append(Uint8Array.of(4));
    expect(await next()).toEqual([3]);
  });

  test('are handed over at once when somebody waits for them, before they are gathered or meanwhile', async () => {
    const { clock, log, server, next } = await served();
    await log.append(Uint8Array.of(1));
    expect(await next()).toEqual([0]);
    await log.append(Uint8Array.of(2));
    const coming = next();
    await vi.waitUntil(() => clock.sleeping === 1);
    server.hurry(1, 1); // another slot
    expect(clock.sleeping).toBe(1);
    server.hurry(0, 1);
    expect(await coming).toEqual([1]);
    await log.append(Uint8Array.of(3));
    server.hurry(0, 2);
    expect(await next()).toEqual([2]);
    server.hurry(0, 3); // before it is there, and another comes with it
    await Promise.all([log.append(Uint8Array.of(4)), log.append(Uint8Array.of(5))]);
    expect(await next()).toEqual([3, 4]);
  });

  test('are given up by a reader that is stopped while they are gathered', async () => {
    const { clock, log, stop, next } = await served();
    await log.append(Uint8Array.of(1));
    expect(await next()).toEqual([0]);
    await log.append(Uint8Array.of(2));
    const coming = next();
    await vi.waitUntil(() => clock.sleeping === 1);
    stop();
    await coming;
    expect(clock.sleeping).toBe(0);
  });
});

/** A log of memory, and a reader of it as a worker has one: `next` gives the offsets of a batch. */
async function served() {
  const clock = new ManualClock(1_000_000);
  const log = await memoryLog({ partitions: 1, clock }).open(0);
  const server = new LogServer(new Map([[0, log]]), clock);
  const calls = server.handlers() as Record<string, (n: number, from?: number) => unknown>;
  const reader = calls['log.read']!(0, 0) as number;
  const next = async (): Promise<number[]> => {
    const batch = (await calls['log.next']!(reader)) as Moved<RecordBatch>;
    return unpackEntries(batch.value).map(({ offset }) => offset);
  };
  return { clock, log, server, next, stop: () => calls['log.stop']!(reader) };
}

/** A log that counts its open readers, as files are open while a file log is read. */
function endless(open: { readers: number }): OpenLog {
  async function* read(from: number): AsyncGenerator<LogEntry[], void, undefined> {
    open.readers++;
    try {
      for (let offset = from; ; offset++) yield [{ offset, appendMs: 1, record: Uint8Array.of(1) }];
    } finally {
      open.readers--;
    }
  }
  const none = (): never => {
    throw new Error('not asked for');
  };
  return { id: 'x' as LogId, partition: 0, read, append: none, startOffset: none, endOffset: none, trim: none };
}
