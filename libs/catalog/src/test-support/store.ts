import { crc32 } from 'node:zlib';
import { ManualClock, seededRandom, type Clock, type Random } from '@kiln/async';
import { KilnError } from '@kiln/model';
import type { ObjectStore, PutOutcome, StoredObject } from '@kiln/objstore';
import type { Catalog } from '../catalog.ts';

/** Objects in a map that a test may look into and change, without any delay. */
export class MapStore implements ObjectStore {
  readonly objects: Map<string, StoredObject> = new Map();
  #etags = 0;

  async get(key: string): Promise<StoredObject | undefined> {
    return this.objects.get(key);
  }

  async getRange(key: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    return this.objects.get(key)?.bytes.subarray(offset, offset + length);
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    this.#set(key, bytes);
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<PutOutcome> {
    return this.objects.has(key) ? { written: false } : this.#set(key, bytes);
  }

  async putIfMatch(key: string, bytes: Uint8Array, etag: string): Promise<PutOutcome> {
    return this.objects.get(key)?.etag === etag ? this.#set(key, bytes) : { written: false };
  }

  async list(prefix: string, { startAfter = '', limit = 1000 } = {}): Promise<string[]> {
    return [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && key > startAfter)
      .toSorted((a, b) => (a < b ? -1 : 1))
      .slice(0, limit);
  }

  async delete(key: string): Promise<void> {
    this.objects.delete(key);
  }

  #set(key: string, bytes: Uint8Array): PutOutcome {
    const etag = String(++this.#etags);
    this.objects.set(key, { bytes: bytes.slice(), etag });
    return { written: true, etag };
  }
}

/** How often each trouble happens, 0 to 1. */
export interface Troubles {
  readonly errorBefore: number;
  readonly errorAfter: number;
  /** A write that is answered with an error and lands later. */
  readonly late: number;
  /** How long a call takes before and after its effect. */
  readonly delayMs: () => number;
  readonly lateMs: () => number;
  /** Called when a write has taken effect. */
  readonly afterWrite?: () => void;
}

const OPERATIONS = ['get', 'getRange', 'put', 'putIfAbsent', 'putIfMatch', 'list', 'delete'] as const;
const WRITES: ReadonlySet<string> = new Set(['put', 'putIfAbsent', 'putIfMatch', 'delete']);

/** The store behind a bad line. Whatever waits, waits on `clock`, so that a seed repeats the run. */
export function troubled(store: ObjectStore, clock: Clock, random: Random, troubles: Troubles): ObjectStore {
  const { errorBefore, errorAfter, late, delayMs, lateMs, afterWrite } = troubles;
  const wrapped: Partial<Record<string, unknown>> = {};
  for (const name of OPERATIONS) {
    const call = (store[name] as (...args: unknown[]) => Promise<unknown>).bind(store);
    wrapped[name] = async (...args: unknown[]) => {
      await clock.sleep(delayMs());
      if (random() < errorBefore) throw new KilnError('unavailable', `${name}: no connection`);
      if (WRITES.has(name) && random() < late) {
        void clock.sleep(lateMs()).then(async () => {
          await call(...args);
          afterWrite?.();
        });
        throw new KilnError('deadline_exceeded', `${name}: no answer`);
      }
      const result = await call(...args);
      if (WRITES.has(name)) afterWrite?.();
      await clock.sleep(delayMs());
      if (random() < errorAfter) throw new KilnError('unavailable', `${name}: connection lost`);
      return result;
    };
  }
  return wrapped as unknown as ObjectStore;
}

/** A catalog over a map, with a clock that stands still. */
export function testCatalog(
  objects: ObjectStore,
  seed = 1,
  clock: Clock = new ManualClock(1_700_000_000_000),
): Catalog {
  return { objects, crc32, clock, random: seededRandom(seed) };
}
