import { ManualClock, seededRandom, type Clock, type Random } from '@kiln/async';
import type { Codecs } from '@kiln/block';
import type { Catalog } from '@kiln/catalog';
import type { MemoryDisk } from '@kiln/disk';
import type { ObjectStore } from '@kiln/objstore';
import { KilnError, type LogId } from '@kiln/model';
import { memoryLog, type Appended, type OpenLog } from '@kiln/partition-log';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { MapStore } from '../../libs/catalog/src/test-support/store.ts';
import { Invariants, type Write } from './invariants.ts';
import { Ledger } from './ledger.ts';
import { Life } from './life.ts';
import { CALM, storeLine, type Trouble, type Weather } from './line.ts';
import { Machine } from './machine.ts';
import type { Space } from './space.ts';
import { Tally } from './tally.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
/** A list that is late does not show keys younger than this. */
const LIST_LATE_MS = 5_000;

/** Bytes are stored as they are: the profiles here are smaller than what compression costs. */
export const codecs: Codecs = {
  crc32: (bytes, seed = 0) => crc32(bytes, seed),
  zstdCompress: (bytes) => bytes,
  zstdDecompress: (bytes) => bytes,
};

/** What all simulated processes stand on: time, chance, the store and the logs as they are behind every line, and the judges. */
export class World {
  readonly clock: ManualClock = new ManualClock(1_700_000_000_000);
  readonly random: Random;
  readonly tally: Tally = new Tally();
  /** The store behind every line: a map that the invariants look into, or the directory of a machine. */
  objects: ObjectStore;
  readonly stored: MapStore = new MapStore();
  /** Set when store and logs are files of one machine that may lose power. */
  machine: Machine | undefined;
  /** Set when the store has a bound: above it the oldest goes. */
  space: Space | undefined;
  readonly ledger: Ledger = new Ledger();
  readonly invariants: Invariants;
  logs: OpenLog[] = [];
  /** Logs that take nothing: lost ones, and those that are not registered yet. */
  readonly shut: Set<LogId> = new Set();
  #writers = 0;
  /** Every process that was ever started. */
  readonly lives: Life[] = [];
  weather: Weather = CALM;
  diskFull = false;
  /** Trouble that is planned and not left to chance: asked for each call of the store, and as `bytes` for what a ranged read brings. */
  plan: ((operation: string, key: string) => Trouble) | undefined;
  /** How much the clock of the logs is ahead. */
  logSkewMs = 0;
  /** The first promise that was found broken. */
  broken: Error | undefined;
  readonly #events: string[] = [];
  readonly #createdMs = new Map<string, number>();
  #calls = 0;
  #lastLanded = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.objects = this.stored;
    this.invariants = new Invariants(this);
  }

  /** Logs and objects in memory. */
  async open(partitions: number): Promise<void> {
    const logs = memoryLog({ partitions, clock: this.logClock, writer: '0'.repeat(16) });
    this.logs = [];
    for (let partition = 0; partition < partitions; partition++) {
      const log = await logs.open(partition);
      this.logs.push(this.#judged(log, (record, { appendMs }) => this.#appended(log, record, appendMs)));
    }
  }

  /** Logs and objects on the disk of a machine, as it is now. */
  async openMachine(partitions: number, disk: MemoryDisk): Promise<void> {
    this.machine = await Machine.start(this, partitions, disk);
    this.objects = this.machine.objects;
    this.logs = [];
    // What was not answered may be there after a power loss: it counts when it is sent.
    for (let partition = 0; partition < partitions; partition++)
      this.logs.push(this.#judged(await this.machine.log.open(partition), undefined));
  }

  /** The clock of the logs. */
  readonly logClock: Clock = {
    nowMs: () => this.clock.nowMs() + this.logSkewMs,
    sleep: (ms, signal) => this.clock.sleep(ms, signal),
  };

  /** A log whose appends the ledger hears of. */
  #judged(log: OpenLog, after: ((record: Uint8Array, appended: Appended) => void) | undefined): OpenLog {
    return {
      id: log.id,
      partition: log.partition,
      append: async (record) => {
        if (this.shut.has(log.id)) throw new KilnError('unavailable', 'append: nobody serves the log');
        if (after === undefined) this.#appended(log, record, this.logClock.nowMs());
        const appended = await log.append(record);
        after?.(record, appended);
        return appended;
      },
      read: (from, signal) => log.read(from, signal),
      startOffset: () => log.startOffset(),
      endOffset: () => log.endOffset(),
      trim: (to) => log.trim(to),
    };
  }

  /** A log is lost with what it holds; an empty one, which is shut, takes its place. */
  async replaceLog(partition: number): Promise<{ readonly lost: OpenLog; readonly fresh: OpenLog }> {
    const lost = this.logs[partition]!;
    const writer = (++this.#writers % 16).toString(16).repeat(16);
    const logs = memoryLog({ partitions: this.logs.length, clock: this.logClock, writer });
    const log = await logs.open(partition);
    const fresh = this.#judged(log, (record, { appendMs }) => this.#appended(log, record, appendMs));
    this.shut.add(lost.id).add(fresh.id);
    this.logs = this.logs.with(partition, fresh);
    return { lost, fresh };
  }

  #appended({ id }: OpenLog, record: Uint8Array, appendMs: number): void {
    this.tally.add('copies in the log', this.ledger.appended(id, record, appendMs));
  }

  /** The catalog as a process sees it. */
  catalogOf(life: Life): Catalog {
    return { objects: storeLine(life), crc32, clock: life.clock, random: this.fork() };
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  /** One of some. */
  pick<T>(some: readonly T[]): T {
    return some[Math.floor(this.random() * some.length)]!;
  }

  /** Chance of its own for a process. */
  fork(): Random {
    return seededRandom(Math.floor(this.random() * 2 ** 32));
  }

  /** Writes a line of the story, for whoever reads about a failure. */
  note(event: string): void {
    this.#events.push(`${((this.clock.nowMs() - 1_700_000_000_000) / 1000).toFixed(3).padStart(12)} s  ${event}`);
  }

  get story(): readonly string[] {
    return this.#events;
  }

  break(found: string): void {
    this.note(`BROKEN: ${found}`);
    this.broken ??= new Error(found);
  }

  /** Time goes on. Calls that do not wait, and all of a machine's disk, take turns and no time: they get them, lest time run away from them. */
  async advance(ms: number): Promise<void> {
    const steps = this.machine === undefined ? 8 : 40;
    for (let left = Math.ceil(ms), step = Math.ceil(left / steps); left > 0; left -= step) {
      await this.clock.advance(Math.min(step, left));
      await setImmediate();
    }
    if (this.broken !== undefined) throw this.broken;
  }

  /** Work that nobody waits for; what it throws is a fault. */
  watch(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.break(String((error as Error).stack)));
  }

  /** What lies on the machine's disk, looked at as if it were written now. */
  async lookAtAll(): Promise<void> {
    const keys = await this.objects.list('', { limit: 1_000 });
    for (const key of keys) await this.stored.put(key, (await this.objects.get(key))!.bytes);
    const write = { by: 'the machine', number: this.nextCall() };
    for (const key of keys) this.invariants.afterWrite('put', key, write);
  }

  /** Numbers calls, and whatever has to be told to be before or after one. */
  nextCall(): number {
    return ++this.#calls;
  }

  /** A write has taken effect. */
  landed(operation: string, key: string, write: Write): void {
    if (write.number < this.#lastLanded) this.tally.add('store: writes reordered');
    this.#lastLanded = Math.max(this.#lastLanded, write.number);
    if (operation !== 'delete' && !this.#createdMs.has(key)) this.#createdMs.set(key, this.clock.nowMs());
    if (this.machine === undefined) this.invariants.afterWrite(operation, key, write);
    this.space?.landed(key);
  }

  isNew(key: string): boolean {
    return this.clock.nowMs() - (this.#createdMs.get(key) ?? 0) < LIST_LATE_MS;
  }
}
