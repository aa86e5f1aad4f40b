import { ManualClock, seededRandom, type Random } from '@kiln/async';
import { MemoryDisk, type DiskOperation } from '@kiln/disk';
import { KilnError } from '@kiln/model';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readUpTo } from './contract.ts';
import { openFileLog } from './file-log.ts';
import type { OpenLog, PartitionLog } from './partition-log.ts';

const RUNS = process.env['KILN_LONG'] === '1' ? 2_000 : 200;
const PARTITIONS = 2;

describe('power loss', { timeout: 120_000 }, () => {
  test(`row 9: in ${RUNS} runs every acknowledged append is there, unchanged, and what was called not stored is not`, async () => {
    const count = new Counts();
    for (let seed = 0; seed < RUNS; seed++) await new Run(seed, count).check();
    // The runs have seen what they are for.
    expect(count.acknowledged).toBeGreaterThan(RUNS * 10);
    expect(count.crashes).toBeGreaterThan(RUNS * 2);
    expect(count.kills).toBeGreaterThan(RUNS / 4);
    expect(count.notStored).toBeGreaterThan(RUNS / 4);
    expect(count.unknown).toBeGreaterThan(RUNS / 20);
    expect(count.unacknowledgedPresent).toBeGreaterThan(RUNS / 20);
    expect(count.trims).toBeGreaterThan(RUNS / 4);
  });

  test('taking any one fsync away is noticed within 200 runs', async () => {
    const sites = new Set<string>();
    for (let seed = 0; seed < 20; seed++) for (const site of await new Run(seed, new Counts()).check()) sites.add(site);
    expect(sites.size).toBeGreaterThanOrEqual(9);
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
  notStored = 0;
  unknown = 0;
  unacknowledgedPresent = 0;
  trims = 0;
}

/** What the outside world knows of one partition. */
class Known {
  /** By offset: acknowledged, or delivered to a reader. */
  readonly records = new Map<number, string>();
  /** Offsets below it that are not in `records` may be damaged. */
  doubtBelow = 0;
  readonly notStored = new Set<string>();
  readonly tried = new Set<string>();
  trimmedTo = -1;
  end = -1;
}

/** Several lives of a log on one disk, each ended by a power loss, a kill or a close at a random call. */
class Run {
  readonly #seed: number;
  readonly #recentBytes: number;
  readonly #random: Random;
  readonly #count: Counts;
  readonly #known = Array.from({ length: PARTITIONS }, () => new Known());
  readonly #clock = new ManualClock(1_790_000_000_000);
  #disk: MemoryDisk;
  #writer: string | undefined;
  #records = 0;
  #faults = false;
  #dieBeforeSync = false;
  #doubt = false;
  #violation: Error | undefined;

  constructor(seed: number, count: Counts, ignoreSites: ReadonlySet<string> = new Set()) {
    this.#seed = seed;
    this.#random = seededRandom(seed);
    this.#count = count;
    // A missing fsync shows in what the files hold.
    this.#recentBytes = ignoreSites.size > 0 ? 0 : (seed % 2) * 2_000;
    const fault = (operation: DiskOperation): string | undefined => this.#fault(operation);
    this.#disk = new MemoryDisk({ random: this.#random, ignoreSites, fault });
  }

  /** @throws Error with the seed when a promise was broken; returns the sync sites seen. */
  async check(): Promise<Set<string>> {
    for (let life = 0; life < 6; life++) {
      this.#faults = this.#random() < 0.4;
      this.#dieBeforeSync = this.#random() < 0.5;
      this.#disk.stopAt(Math.floor(this.#random() * this.#random() * 600));
      // A real failure (a broken promise) ends the run; a dead process just never answers.
      await Promise.race([this.#live(), this.#disk.stopped]);
      if (this.#violation !== undefined) throw this.#violation;
      if (this.#random() < 0.6) {
        this.#disk = this.#disk.crash(this.#random);
        this.#doubt = false;
        this.#count.crashes++;
      } else {
        this.#disk = this.#disk.restart();
        this.#count.kills++;
        // After a failed fsync the page cache of a machine that goes on shows what the platter may not hold, and nobody can tell. What is only seen
        // there was never acknowledged; it may be gone or damaged later. What is acknowledged from then on holds.
        if (this.#faults) this.#doubt = true;
      }
    }
    this.#faults = false;
    this.#dieBeforeSync = false;
    await this.#verify(await this.#open());
    return this.#disk.sites;
  }

  async #live(): Promise<void> {
    let log: PartitionLog;
    try {
      log = await this.#open();
    } catch (error) {
      if (this.#faults && error instanceof KilnError && error.code === 'unavailable') return;
      throw error;
    }
    await this.#verify(log);
    const stop = new AbortController();
    const tails: Promise<void>[] = [];
    for (const [partition, known] of this.#known.entries()) {
      const tail = this.#tail(await log.open(partition), known, stop.signal);
      tail.catch(() => {}); // kept in #violation
      tails.push(tail);
    }
    await Promise.all(this.#known.map(async (known, partition) => this.#work(await log.open(partition), known)));
    stop.abort();
    await Promise.all(tails);
    await log[Symbol.asyncDispose]();
  }

  #open(): Promise<PartitionLog> {
    return openFileLog({
      disk: this.#disk,
      root: '/var/data/log',
      partitions: PARTITIONS,
      clock: this.#clock,
      crc32,
      random: this.#random,
      segmentBytes: 500 + Math.floor(this.#random() * 3_000),
      recentBytes: this.#recentBytes,
    });
  }

  async #work(log: OpenLog, known: Known): Promise<void> {
    for (let steps = Math.floor(this.#random() * 16); steps > 0; steps--) {
      await this.#clock.advance(1);
      const burst = 1 + Math.floor(this.#random() * 5);
      await Promise.all(Array.from({ length: burst }, () => this.#append(log, known)));
      if (this.#random() < 0.15) await this.#trim(log, known);
    }
  }

  async #append(log: OpenLog, known: Known): Promise<void> {
    const size = Math.floor(this.#random() * this.#random() * 1_200);
    const record = `${this.#records++} `.padEnd(size, String(this.#records));
    known.tried.add(record);
    try {
      const { offset } = await log.append(new TextEncoder().encode(record));
      this.#learn(known, offset, record, 'acknowledged');
      this.#count.acknowledged++;
    } catch (error) {
      if (!this.#faults || !(error instanceof KilnError) || error.code !== 'unavailable') throw error;
      if (error.reason === 'not_stored') {
        known.notStored.add(record);
        this.#count.notStored++;
      } else this.#count.unknown++;
    }
  }

  async #trim(log: OpenLog, known: Known): Promise<void> {
    const to = Math.floor(this.#random() * (known.end + 2)) - 1;
    known.trimmedTo = Math.max(known.trimmedTo, to);
    this.#count.trims++;
    await log.trim(to).catch((error: unknown) => {
      if (!this.#faults) throw error;
    });
  }

  async #tail(log: OpenLog, known: Known, signal: AbortSignal): Promise<void> {
    try {
      for await (const entries of log.read(await log.startOffset(), signal))
        for (const { offset, record } of entries)
          if (offset >= known.doubtBelow) this.#learn(known, offset, decode(record), 'delivered');
    } catch (error) {
      if (!this.#faults || !(error instanceof KilnError)) throw error;
    }
  }

  async #verify(log: PartitionLog): Promise<void> {
    for (const [partition, known] of this.#known.entries()) {
      const opened = await log.open(partition);
      const writer = opened.id.replace(/-.*/, '');
      this.#writer ??= writer;
      if (writer !== this.#writer) this.#broken(`the log is called ${writer}, it was ${this.#writer}`);
      const [start, end] = [await opened.startOffset(), await opened.endOffset()];
      if (start > known.trimmedTo + 1) this.#broken(`starts at ${start}, trimmed was up to ${known.trimmedTo}`);
      if (end < known.end) this.#broken(`ends at ${end}, known was ${known.end}`);
      const found = new Map<number, string>();
      for (const { offset, record } of await readUpTo(opened, start, end))
        if (record !== undefined || offset >= known.doubtBelow) found.set(offset, decode(record));
      for (const [offset, record] of known.records) {
        if (offset >= start && found.get(offset) !== record)
          this.#broken(`offset ${offset} holds ${short(found.get(offset))}, it was ${short(record)}`);
      }
      if (this.#doubt) known.doubtBelow = Math.max(known.doubtBelow, end + 1);
      for (const [offset, record] of found) {
        if (offset < known.doubtBelow && !known.records.has(offset)) continue;
        if (!known.tried.has(record)) this.#broken(`offset ${offset} holds ${short(record)}, which nobody wrote`);
        if (!known.records.has(offset)) this.#count.unacknowledgedPresent++;
        this.#learn(known, offset, record, 'found');
      }
      if (new Set(found.values()).size !== found.size) this.#broken('a record is there twice');
    }
  }

  #learn(known: Known, offset: number, record: string, how: string): void {
    const before = known.records.get(offset);
    if (before !== undefined && before !== record)
      this.#broken(`offset ${offset} is ${short(record)} (${how}), it was ${short(before)}`);
    if (known.notStored.has(record)) this.#broken(`${short(record)} was called not stored and is ${how}`);
    known.records.set(offset, record);
    known.end = Math.max(known.end, offset);
  }

  #fault({ kind, index }: DiskOperation): string | undefined {
    // The moments that matter most: before a sync, and soon after one has failed.
    const chance = kind === 'syncDir' ? 0.15 : kind === 'sync' ? 0.04 : 0;
    if (this.#dieBeforeSync && this.#random() < chance) this.#disk.stopAt(index);
    const code = FAULTS[kind];
    if (!this.#faults || code === undefined || this.#random() >= 0.1) return undefined;
    if (kind === 'sync' && this.#random() < 0.3) this.#disk.stopAt(index + 1 + Math.floor(this.#random() * 8));
    return code;
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
  truncate: 'EIO',
  syncDir: 'EIO',
};

function decode(record: Uint8Array | undefined): string {
  return record === undefined ? 'a damaged record' : new TextDecoder().decode(record);
}

function short(record: string | undefined): string {
  return record === undefined ? 'nothing' : `${record.slice(0, 12)}(${record.length})`;
}
