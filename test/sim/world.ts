import { ManualClock, seededRandom, type Random } from '@kiln/async';
import type { Codecs } from '@kiln/block';
import type { Catalog } from '@kiln/catalog';
import { memoryLog, type OpenLog } from '@kiln/partition-log';
import { crc32 } from 'node:zlib';
import { MapStore } from '../../libs/catalog/src/test-support/store.ts';
import { Invariants } from './invariants.ts';
import { Ledger } from './ledger.ts';
import { Life } from './life.ts';
import { CALM, storeLine, type Trouble, type Weather } from './line.ts';
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
  readonly objects: MapStore = new MapStore();
  readonly ledger: Ledger = new Ledger();
  readonly invariants: Invariants;
  readonly logs: OpenLog[] = [];
  weather: Weather = CALM;
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
    this.invariants = new Invariants(this);
  }

  async open(partitions: number): Promise<void> {
    const clock = {
      nowMs: (): number => this.clock.nowMs() + this.logSkewMs,
      sleep: this.clock.sleep.bind(this.clock),
    };
    const logs = memoryLog({ partitions, clock, writer: 'f'.repeat(16) });
    for (let partition = 0; partition < partitions; partition++) {
      const log = await logs.open(partition);
      const append = async (record: Uint8Array): ReturnType<OpenLog['append']> => {
        const appended = await log.append(record);
        this.tally.add('copies in the log', this.ledger.appended(record, appended.appendMs));
        return appended;
      };
      this.logs.push({
        id: log.id,
        partition,
        append,
        read: log.read.bind(log),
        startOffset: log.startOffset.bind(log),
        endOffset: log.endOffset.bind(log),
        trim: log.trim.bind(log),
      });
    }
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

  nextWrite(): number {
    return ++this.#calls;
  }

  /** A write has taken effect. @param number of its call. */
  landed(operation: string, key: string, number: number): void {
    if (number < this.#lastLanded) this.tally.add('store: writes reordered');
    this.#lastLanded = Math.max(this.#lastLanded, number);
    if (operation !== 'delete' && !this.#createdMs.has(key)) this.#createdMs.set(key, this.clock.nowMs());
    this.invariants.afterWrite(operation, key);
  }

  isNew(key: string): boolean {
    return this.clock.nowMs() - (this.#createdMs.get(key) ?? 0) < LIST_LATE_MS;
  }
}
