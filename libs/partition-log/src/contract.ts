import { ManualClock, seededRandom } from '@kiln/async';
import { randomFaults } from '@kiln/disk';
import { KilnError } from '@kiln/model';
import { describe, expect, test } from 'vitest';
import { faultyLog } from './faulty-log.ts';
import type { LogEntry, OpenLog, PartitionLog } from './partition-log.ts';

/** Makes an empty log of 3 partitions; small segments, so that they change often. */
export type MakeLog = (clock: ManualClock) => Promise<PartitionLog>;

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

/** Reads from an offset until `last` was seen. */
export async function readUpTo(log: OpenLog, from: number, last: number): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  const done = new AbortController();
  if (last < from) return entries;
  for await (const batch of log.read(from, done.signal)) {
    entries.push(...batch);
    if (entries.at(-1)!.offset >= last) done.abort();
  }
  return entries;
}

const texts = (entries: readonly LogEntry[]): string[] =>
  entries.map(({ record }) => (record === undefined ? 'damaged' : new TextDecoder().decode(record)));
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof KilnError ? error.code : `not a KilnError: ${String(error)}`),
  );

/** What every log promises. */
export function logContract(name: string, make: MakeLog): void {
  const withLog = (work: (log: PartitionLog) => Promise<void>) => async (): Promise<void> => {
    const log = await make(new ManualClock(7));
    await work(log);
    await log[Symbol.asyncDispose]();
  };
  describe(`the log contract: ${name}`, { timeout: 60_000 }, () => {
    test(
      'an empty log starts at 0 and has no end',
      withLog(async (log) => {
        expect(log.partitions).toBe(3);
        const one = await log.open(1);
        expect(one.partition).toBe(1);
        expect(one.id).toMatch(/^[0-9a-f]{16,64}-1$/);
        expect([await one.startOffset(), await one.endOffset()]).toEqual([0, -1]);
        const ids = await Promise.all(numbers(3).map(async (p) => (await log.open(p)).id.replace(/-.*/, '')));
        expect(new Set(ids).size).toBe(1);
        for (const partition of [-1, 3, 0.5]) expect(await codeOf(log.open(partition))).toBe('invalid_argument');
      }),
    );

    test(
      'records are read back in order, with offsets from 0 without holes, from any offset',
      withLog(async (log) => {
        const one = await log.open(0);
        const records = numbers(50).map((i) => `record ${i} ${'x'.repeat(i * 3)}`);
        for (const [i, record] of records.entries())
          expect(await one.append(text(record))).toEqual({ offset: i, appendMs: 7 });
        expect(await one.endOffset()).toBe(49);
        for (const from of [0, 1, 17, 49]) {
          const entries = await readUpTo(one, from, 49);
          expect(texts(entries)).toEqual(records.slice(from));
          expect(entries.map(({ offset }) => offset)).toEqual(numbers(50 - from, from));
        }
        expect(texts(await readUpTo(one, -5, 49))).toEqual(records);
      }),
    );

    test(
      'partitions know nothing of each other',
      withLog(async (log) => {
        const [one, two] = [await log.open(0), await log.open(2)];
        await one.append(text('one'));
        await two.append(text('two'));
        expect(texts(await readUpTo(one, 0, 0))).toEqual(['one']);
        expect(texts(await readUpTo(two, 0, 0))).toEqual(['two']);
      }),
    );

    test(
      'appends made together keep their order; empty and large records pass',
      withLog(async (log) => {
        const one = await log.open(0);
        const records = [
          ...numbers(300).map((i) => text(`${i}`)),
          new Uint8Array(0),
          new Uint8Array(3_000_000).fill(7),
        ];
        const appended = await Promise.all(records.map((record) => one.append(record)));
        expect(appended.map(({ offset }) => offset)).toEqual(numbers(302));
        const entries = await readUpTo(one, 0, 301);
        for (const [i, entry] of entries.entries())
          expect(Buffer.compare(entry.record ?? text('damaged'), records.at(i) ?? text('none')), `record ${i}`).toBe(0);
        expect(await codeOf(one.append(new Uint8Array(16_000_001)))).toBe('invalid_argument');
        expect(await one.endOffset()).toBe(301);
      }),
    );

    test('stamps never go back, even when the clock does, and never stand still for long', async () => {
      let nowMs = 1_790_000_000_000;
      const clock = new ManualClock();
      clock.nowMs = () => nowMs;
      const log = await make(clock);
      const one = await log.open(0);
      const stamps: number[] = [];
      for (const step of [0, 5, -100, 2, 1, 1, 50, 200, 1]) {
        nowMs += step;
        stamps.push((await one.append(text('x'))).appendMs - 1_790_000_000_000);
      }
      expect(stamps).toEqual([0, 5, 5, 6, 6, 7, 32, 159, 160]);
      const read = await readUpTo(one, 0, 8);
      expect(read.map(({ appendMs }) => appendMs - 1_790_000_000_000)).toEqual(stamps);
      await log[Symbol.asyncDispose]();
    });

    test(
      'a reader waits for more, and ends without error when its signal aborts',
      withLog(async (log) => {
        const one = await log.open(0);
        const stop = new AbortController();
        const seen: string[] = [];
        const reading = (async () => {
          for await (const entries of one.read(0, stop.signal)) seen.push(...texts(entries));
        })();
        for (const record of ['a', 'b', 'c']) {
          await one.append(text(record));
          while (!seen.includes(record)) await new Promise(setImmediate);
        }
        stop.abort();
        await reading;
        expect(seen).toEqual(['a', 'b', 'c']);
        for await (const _ of one.read(0, AbortSignal.abort())) throw new Error('read after abort');
        // One that waits at the end, and beyond it, ends too.
        const late = new AbortController();
        const ended = Promise.all([3, 99].map((from) => readUntilAbort(one, from, late.signal)));
        await new Promise(setImmediate);
        late.abort();
        expect(await ended).toEqual([0, 0]);
      }),
    );

    test(
      'several readers at once each see everything, while it is appended',
      withLog(async (log) => {
        const one = await log.open(0);
        const readers = numbers(4).map((i) => readUpTo(one, i * 10, 199));
        for (let i = 0; i < 200; i += 10) await Promise.all(numbers(10, i).map((n) => one.append(text(`${n}`))));
        for (const [i, entries] of (await Promise.all(readers)).entries())
          expect(texts(entries)).toEqual(numbers(200 - i * 10, i * 10).map(String));
      }),
    );

    test(
      'what is delivered is never more than 256 entries at once',
      withLog(async (log) => {
        const one = await log.open(0);
        await Promise.all(numbers(1000).map((i) => one.append(text(`${i}`))));
        const stop = new AbortController();
        for await (const entries of one.read(0, stop.signal)) {
          expect(entries.length).toBeLessThanOrEqual(256);
          if (entries.at(-1)!.offset === 999) stop.abort();
        }
      }),
    );

    test(
      'trim lets go of nothing after its mark, and the end stays',
      withLog(async (log) => {
        const one = await log.open(0);
        for (const i of numbers(100)) await one.append(text(`record ${i}`.padEnd(100)));
        await one.trim(59);
        const start = await one.startOffset();
        expect(start).toBeGreaterThan(0);
        expect(start).toBeLessThanOrEqual(60);
        const entries = await readUpTo(one, 0, 99);
        expect(entries.map(({ offset }) => offset)).toEqual(numbers(100 - start, start));
        await one.trim(99);
        await one.trim(1_000);
        expect(await one.endOffset()).toBe(99);
        expect((await one.append(text('next'))).offset).toBe(100);
        expect(texts(await readUpTo(one, 100, 100))).toEqual(['next']);
      }),
    );

    test(
      'a reader that is overtaken by a trim goes on at the start',
      withLog(async (log) => {
        const one = await log.open(0);
        for (let i = 0; i < 600; i += 20)
          await Promise.all(numbers(20, i).map((n) => one.append(text(`record ${n}`.padEnd(100)))));
        await one.append(text('last'));
        const stop = new AbortController();
        const offsets: number[] = [];
        for await (const entries of one.read(0, stop.signal)) {
          if (offsets.length === 0) await one.trim(550);
          offsets.push(...entries.map(({ offset }) => offset));
          expect(texts(entries)).not.toContain('damaged');
          if (offsets.at(-1) === 600) stop.abort();
        }
        expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
        expect(new Set(offsets).size).toBe(offsets.length);
        expect(offsets.length).toBeLessThan(601);
      }),
    );

    test('closing ends the readers and refuses appends', async () => {
      const log = await make(new ManualClock());
      const one = await log.open(0);
      const appended = one.append(text('before'));
      const reading = readUntilAbort(one, 1, new AbortController().signal);
      await log[Symbol.asyncDispose]();
      expect(await appended).toMatchObject({ offset: 0 });
      expect(await reading).toBe(0);
      expect(await codeOf(one.append(text('after')))).toBe('failed_precondition');
    });

    test(
      'with errors before and after the effect, what was acknowledged is there and nothing else was invented',
      withLog(async (inner) => {
        const error = (): Error => new KilnError('unavailable', 'planned');
        const rates = { before: 0.2, after: 0.2, overtaken: 0.3 };
        const log = faultyLog(inner, randomFaults(seededRandom(3), rates, error));
        const opened = await inner.open(0);
        let one: OpenLog | undefined;
        while (one === undefined) one = await log.open(0).catch(() => undefined);
        const acknowledged = new Map<number, string>();
        const tried = new Set<string>();
        await Promise.all(
          numbers(100).map(async (i) => {
            tried.add(`${i}`);
            const appended = await one.append(text(`${i}`)).catch(() => undefined);
            if (appended !== undefined) acknowledged.set(appended.offset, `${i}`);
          }),
        );
        expect(acknowledged.size).toBeGreaterThan(40);
        expect(acknowledged.size).toBeLessThan(90);
        const found = texts(await readUpTo(opened, 0, await opened.endOffset()));
        for (const [offset, record] of acknowledged) expect(found[offset]).toBe(record);
        expect(new Set(found).size).toBe(found.length);
        expect(found.filter((record) => !tried.has(record))).toEqual([]);
        expect(found.length).toBeGreaterThan(acknowledged.size);
      }),
    );
  });
}

async function readUntilAbort(log: OpenLog, from: number, signal: AbortSignal): Promise<number> {
  let count = 0;
  for await (const entries of log.read(from, signal)) count += entries.length;
  return count;
}
