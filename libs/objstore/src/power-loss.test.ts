import { seededRandom, type Random } from '@kiln/async';
import { MemoryDisk, type DiskOperation } from '@kiln/disk';
import { KilnError } from '@kiln/model';
import { describe, expect, test } from 'vitest';
import { openDirectoryStore } from './directory-store.ts';
import type { ObjectStore } from './object-store.ts';

const RUNS = process.env['KILN_LONG'] === '1' ? 2_000 : 200;
const KEYS = ['top', 'log/a/m/0', 'log/a/m/1', 'log/a/s/0', 't/x/index', 't/y/index', 't/y/b/0'];

describe('power loss', { timeout: 120_000 }, () => {
  test(`row 9: in ${RUNS} runs every acknowledged write is there whole, and nothing that was read is taken back`, async () => {
    const count = new Counts();
    for (let seed = 0; seed < RUNS; seed++) await new Run(seed, count).check();
    // The runs have seen what they are for.
    expect(count.acknowledged).toBeGreaterThan(RUNS * 10);
    expect(count.crashes).toBeGreaterThan(RUNS * 2);
    expect(count.kills).toBeGreaterThan(RUNS / 4);
    expect(count.failed).toBeGreaterThan(RUNS / 4);
    expect(count.unacknowledgedPresent).toBeGreaterThan(RUNS / 20);
  });

  test('taking any one fsync away is noticed within 200 runs', async () => {
    const sites = new Set<string>();
    for (let seed = 0; seed < 20; seed++) for (const site of await new Run(seed, new Counts()).check()) sites.add(site);
    expect(sites.size).toBeGreaterThanOrEqual(6);
    const unnoticed: string[] = [];
    for (const site of sites) if (!(await isNoticed(site))) unnoticed.push(site);
    expect(unnoticed).toEqual([]);
  });
});

async function isNoticed(site: string): Promise<boolean> {
  for (let seed = 0; seed < 200; seed++) {
    try {
      await new Run(seed, new Counts(), new Set([site])).check();
    } catch {
      return true;
    }
  }
  return false;
}

class Counts {
  acknowledged = 0;
  crashes = 0;
  kills = 0;
  failed = 0;
  unacknowledgedPresent = 0;
}

/** What the outside world knows of one key: the contents that it may have now; undefined is "no object". */
class Known {
  possible = new Set<string | undefined>([undefined]);
  /** One writer and one reader take turns, so that each observation is of a known moment. */
  busy = false;
}

/** Several lives of a store on one disk, each ended by a power loss or a kill at a random call. */
class Run {
  readonly #seed: number;
  readonly #random: Random;
  readonly #count: Counts;
  readonly #known = new Map(KEYS.map((key) => [key, new Known()]));
  #disk: MemoryDisk;
  #writes = 0;
  #faults = false;
  #dieBeforeSync = false;
  #violation: Error | undefined;

  constructor(seed: number, count: Counts, ignoreSites: ReadonlySet<string> = new Set()) {
    this.#seed = seed;
    this.#random = seededRandom(seed);
    this.#count = count;
    const fault = (operation: DiskOperation): string | undefined => this.#fault(operation);
    this.#disk = new MemoryDisk({ random: this.#random, ignoreSites, fault });
  }

  /** @throws Error with the seed when a promise was broken; returns the sync sites seen. */
  async check(): Promise<Set<string>> {
    for (let life = 0; life < 6; life++) {
      this.#faults = this.#random() < 0.3;
      this.#dieBeforeSync = this.#random() < 0.5;
      this.#disk.stopAt(Math.floor(this.#random() * this.#random() * 700));
      await Promise.race([this.#live(), this.#disk.stopped]);
      if (this.#violation !== undefined) throw this.#violation;
      if (this.#random() < 0.6) {
        this.#disk = this.#disk.crash(this.#random);
        this.#count.crashes++;
      } else {
        this.#disk = this.#disk.restart();
        this.#count.kills++;
      }
    }
    this.#faults = false;
    this.#dieBeforeSync = false;
    await this.#verify(await this.#open(), this.#disk);
    return this.#disk.sites;
  }

  #open(): Promise<ObjectStore> {
    return openDirectoryStore({ disk: this.#disk, root: '/var/data/objects' });
  }

  async #live(): Promise<void> {
    const disk = this.#disk;
    let store: ObjectStore;
    try {
      store = await this.#open();
    } catch (error) {
      this.#accept(error, disk);
      return;
    }
    // Not always: what a life reads first is not always everything.
    if (this.#random() < 0.5) await this.#verify(store, disk);
    await Promise.all(Array.from({ length: 3 }, () => this.#work(store, disk)));
  }

  async #work(store: ObjectStore, disk: MemoryDisk): Promise<void> {
    for (let steps = Math.floor(this.#random() * 16); steps > 0; steps--) {
      const key = KEYS[Math.floor(this.#random() * KEYS.length)]!;
      const known = this.#known.get(key)!;
      if (known.busy) continue;
      known.busy = true;
      try {
        await this.#step(store, key, known);
      } catch (error) {
        this.#accept(error, disk);
      }
      known.busy = false; // not after a death: #verify clears it
    }
  }

  async #step(store: ObjectStore, key: string, known: Known): Promise<void> {
    const content = `${this.#writes++} `.padEnd(Math.floor(this.#random() * 2_000), `${this.#writes}`);
    const bytes = new TextEncoder().encode(content);
    const choice = this.#random();
    if (choice < 0.25) {
      known.possible.add(content); // from here on it may be there, whole
      await store.put(key, bytes);
      known.possible = new Set([content]);
    } else if (choice < 0.5) {
      known.possible.add(content);
      const outcome = await store.putIfAbsent(key, bytes);
      if (outcome.written) known.possible = new Set([content]);
      else {
        known.possible.delete(content);
        known.possible.delete(undefined); // another object is there, durably
        if (known.possible.size === 0) this.#broken(`${key} was said to exist, and nobody wrote it`);
      }
    } else if (choice < 0.65) {
      const found = await this.#observe(store, key, known);
      if (found === undefined) return;
      known.possible.add(content);
      const outcome = await store.putIfMatch(key, bytes, found.etag);
      if (!outcome.written) this.#broken(`${key} was not written over its own tag`);
      known.possible = new Set([content]);
    } else if (choice < 0.75) {
      known.possible.add(undefined);
      await store.delete(key);
      known.possible = new Set([undefined]);
    } else if (choice < 0.95) {
      await this.#observe(store, key, known);
      return;
    } else {
      // A list of one key: durable as well, both presence and absence.
      const there = (await store.list(key)).includes(key);
      const left = [...known.possible].filter((each) => (each !== undefined) === there);
      if (left.length === 0) this.#broken(`${key} is ${there ? '' : 'not '}listed`);
      known.possible = new Set(left);
      return;
    }
    this.#count.acknowledged++;
  }

  async #observe(store: ObjectStore, key: string, known: Known): Promise<{ etag: string } | undefined> {
    const found = await store.get(key);
    const content = found && new TextDecoder().decode(found.bytes);
    if (!known.possible.has(content)) this.#broken(`${key} holds ${short(content)}, possible was ${list(known)}`);
    known.possible = new Set([content]);
    return found;
  }

  async #verify(store: ObjectStore, disk: MemoryDisk): Promise<void> {
    for (const known of this.#known.values()) known.busy = false;
    const listed = await store.list('').catch((error: unknown) => this.#accept(error, disk));
    for (const [key, known] of this.#known) {
      if (known.possible.size > 1) this.#count.unacknowledgedPresent++;
      try {
        const found = await this.#observe(store, key, known);
        if (listed !== undefined && listed.includes(key) !== (found !== undefined))
          this.#broken(`${key} is listed wrongly`);
      } catch (error) {
        this.#accept(error, disk);
      }
    }
    const left = (await disk.readDir('/var/data/objects/+tmp')).length;
    if (left > 0) this.#broken(`${left} temporary files are left`);
  }

  #fault({ kind, index }: DiskOperation): string | undefined {
    const chance = kind === 'syncDir' ? 0.08 : kind === 'sync' ? 0.03 : 0;
    if (this.#dieBeforeSync && this.#random() < chance) this.#disk.stopAt(index);
    const code = FAULTS[kind];
    return this.#faults && code !== undefined && this.#random() < 0.05 ? code : undefined;
  }

  #accept(error: unknown, disk: MemoryDisk): undefined {
    if (disk !== this.#disk) return undefined; // the process is dead, and nobody hears it
    if (!this.#faults || !(error instanceof KilnError) || error.code !== 'unavailable') {
      this.#violation ??= error instanceof Error ? error : new Error(String(error));
      throw error;
    }
    this.#count.failed++;
    return undefined;
  }

  #broken(what: string): never {
    this.#violation ??= new Error(`seed ${this.#seed}: ${what}`);
    throw this.#violation;
  }
}

const FAULTS: Partial<Record<DiskOperation['kind'], string>> = {
  sync: 'EIO',
  write: 'ENOSPC',
  create: 'ENOSPC',
  mkdir: 'ENOSPC',
  rename: 'EIO',
  link: 'ENOSPC',
  unlink: 'EIO',
  syncDir: 'EIO',
};

function short(content: string | undefined): string {
  return content === undefined ? 'nothing' : `${content.slice(0, 8)}(${content.length})`;
}

function list(known: Known): string {
  return [...known.possible].map(short).join(', ');
}
