import { KilnError } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';
import type { OpenLog } from '@kiln/partition-log';
import type { Life } from './life.ts';

/** How often each trouble comes to a call, 0 to 1. */
export interface Weather {
  readonly errorBefore: number;
  readonly errorAfter: number;
  /** A write that is answered with an error and lands up to three hours later. */
  readonly late: number;
  readonly slow: number;
  /** A read that brings too few or other bytes. */
  readonly wrong: number;
  /** A list without the newest keys. */
  readonly oldList: number;
  /** A call of a machine's disk that fails. */
  readonly disk: number;
}

export const CALM: Weather = { errorBefore: 0, errorAfter: 0, late: 0, slow: 0, wrong: 0, oldList: 0, disk: 0 };
export const ROUGH: Weather = {
  errorBefore: 0.03,
  errorAfter: 0.03,
  late: 0.02,
  slow: 0.02,
  wrong: 0.003,
  oldList: 0.2,
  disk: 0.001,
};
export const DOWN: Weather = { ...ROUGH, errorBefore: 1 };

/** What a test wants to happen to one call: an error before or after its effect, or other bytes than are stored. */
export type Trouble = 'before' | 'after' | 'wrong' | undefined;

const WRITES = new Set(['put', 'putIfAbsent', 'putIfMatch', 'delete']);
const HOUR = 3_600_000;

/** The store as a process has it: behind a line with the world's weather. */
export function storeLine(life: Life, sleepy = 0): ObjectStore {
  const { world } = life;
  const { random, clock, tally } = world;
  const store = world.objects;
  const delay = async (): Promise<void> => {
    const slow = random() < world.weather.slow;
    if (slow) tally.add('store: slow call');
    if (slow) await clock.sleep(random() * 3_000);
    else if (sleepy > 0 && random() < sleepy) await clock.sleep(random() * 2 * HOUR);
    else if (random() < 0.3) await clock.sleep(random() * 20);
  };
  async function call<T>(name: keyof ObjectStore, key: string, run: () => Promise<T>): Promise<T> {
    await life.step();
    const isWrite = WRITES.has(name);
    // A query makes many reads and repeats none: with as many errors as writes have none would ever be answered.
    const { late } = world.weather;
    const [errorBefore, errorAfter] = [world.weather.errorBefore, world.weather.errorAfter].map((rate) =>
      isWrite || rate === 1 ? rate : rate / 8,
    ) as [number, number];
    const write = { by: life.name, number: world.nextCall() };
    const planned = world.plan?.(name, key);
    const effect = async (): Promise<T> => {
      const result = await run();
      if (isWrite) world.landed(name, key, write);
      return result;
    };
    await delay();
    if (planned === 'before' || random() < errorBefore) {
      tally.add(errorBefore === 1 ? 'store: down' : 'store: error before');
      throw new KilnError('unavailable', `${name}: no connection`);
    }
    if (isWrite && random() < late) {
      tally.add('store: write lands late');
      const laterMs = random() < 0.5 ? random() * 100 : random() * 3 * HOUR;
      void clock
        .sleep(laterMs)
        .then(effect)
        .catch(() => undefined); // nobody hears of it any more
      throw new KilnError('deadline_exceeded', `${name}: no answer`);
    }
    const result = await effect();
    await delay();
    if (planned === 'after' || random() < errorAfter) {
      tally.add('store: answer lost');
      throw new KilnError('unavailable', `${name}: connection lost`);
    }
    await life.step();
    return result;
  }
  const spoiled = (bytes: Uint8Array | undefined, planned?: Trouble): Uint8Array | undefined => {
    if (bytes === undefined || bytes.length === 0) return bytes;
    if (planned !== 'wrong' && random() >= world.weather.wrong) return bytes;
    const at = Math.floor(random() * bytes.length);
    if (random() < 0.5) {
      tally.add('store: cut bytes');
      return bytes.slice(0, at);
    }
    tally.add('store: wrong bytes');
    const other = bytes.slice();
    other[at]! ^= 1 << Math.floor(random() * 8);
    return other;
  };
  return {
    get: async (key) => {
      const found = await call('get', key, () => store.get(key));
      return found === undefined ? undefined : { ...found, bytes: spoiled(found.bytes)! };
    },
    getRange: async (key, offset, length) =>
      spoiled(await call('getRange', key, () => store.getRange(key, offset, length)), world.plan?.('bytes', key)),
    put: (key, bytes) => call('put', key, () => store.put(key, bytes)),
    putIfAbsent: async (key, bytes) => {
      const put = await call('putIfAbsent', key, () => store.putIfAbsent(key, bytes));
      if (!put.written && key.includes('/m/')) tally.add('lost races');
      return put;
    },
    putIfMatch: (key, bytes, etag) => call('putIfMatch', key, () => store.putIfMatch(key, bytes, etag)),
    list: async (prefix, options) => {
      const keys = await call('list', prefix, () => store.list(prefix, options));
      if (random() >= world.weather.oldList) return keys;
      const old = keys.filter((key) => !world.isNew(key));
      if (old.length < keys.length) tally.add('store: list is late');
      return old;
    },
    delete: (key) => call('delete', key, () => store.delete(key)),
  };
}

/** A log as a process has it. */
export function logLine(life: Life, log: OpenLog): OpenLog {
  const { world } = life;
  const { random, clock, tally } = world;
  const delay = async (): Promise<void> => {
    const slow = random() < world.weather.slow;
    if (slow) tally.add('log: slow call');
    if (slow) await clock.sleep(random() * 2_000);
    else if (random() < 0.5) await clock.sleep(random() * 10);
  };
  async function call<T>(run: () => Promise<T>): Promise<T> {
    await life.step();
    await delay();
    const result = await run();
    await life.step();
    return result;
  }
  return {
    id: log.id,
    partition: log.partition,
    append: (record) =>
      call(async () => {
        // The log is not the store: its weather is never worse than rough.
        const { errorBefore, errorAfter } = world.weather;
        if (random() < Math.min(errorBefore, 0.1)) {
          tally.add('log: error before');
          throw new KilnError('unavailable', 'append: no connection');
        }
        const appended = await log.append(record);
        await delay();
        if (random() < errorAfter) {
          tally.add('log: answer lost');
          throw new KilnError('unavailable', 'append: connection lost');
        }
        return appended;
      }),
    async *read(from, signal) {
      for await (const entries of log.read(from, signal)) {
        await life.step();
        await delay();
        // In pieces, so that a process may die between any two records.
        for (const entry of entries) {
          await life.step();
          yield [entry];
        }
      }
    },
    startOffset: () => call(() => log.startOffset()),
    endOffset: () => call(() => log.endOffset()),
    trim: (to) => call(() => log.trim(to)),
  };
}
