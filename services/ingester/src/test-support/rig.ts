import { ManualClock, seededRandom, type Clock } from '@kiln/async';
import { openPart } from '@kiln/block';
import type { Gap, KillPoint, Manifest, OwnerAnswer } from '@kiln/catalog';
import type { LogId, TenantId } from '@kiln/model';
import { memoryStore, type ObjectStore } from '@kiln/objstore';
import { memoryLog, type OpenLog } from '@kiln/partition-log';
import { finishQuery, mergePartials, runQuery, type SelectSeriesQuery } from '@kiln/query';
import { setImmediate } from 'node:timers/promises';
import { Budget } from '../budget.ts';
import type { PartitionStatus } from '../partition-status.ts';
import type { CutSettings, PartitionPorts } from '../partition-core.ts';
import { Partition } from '../partition.ts';
import { nodeCodecs } from '../worker/node-codecs.ts';
import { recordOf, type Drawing } from './records.ts';

const START_MS = 1_700_000_000_000;
export const ANN = 'ann' as TenantId;
export const BOB = 'bob' as TenantId;

/** Sums by the label `mark`, over all times. */
export const BY_MARK: SelectSeriesQuery = {
  kind: 'selectSeries',
  profileType: 'process_cpu:cpu:nanoseconds:cpu:nanoseconds',
  selector: '{}',
  startMs: START_MS + 1e9,
  endMs: START_MS + 1e9,
  stepMs: 2e9,
  groupBy: ['mark'],
  aggregation: 'sum',
  limit: 0,
};

const GENEROUS: CutSettings = { maxAgeMs: 300_000, maxBytes: 64 << 20, maxLogBytes: 1 << 30 };

/** A profile that is recognised by its mark: one row, one sample, value `value`. */
export function marked(mark: string, value: number, more: Partial<Drawing> = {}): Drawing {
  return {
    id: mark,
    labels: { mark },
    groups: [{ samples: { [`main;run;${mark}`]: [value] } }],
    timeMs: START_MS,
    ...more,
  };
}

/** What a rig may be given instead of its memory twins. */
export interface RigOptions {
  readonly log?: OpenLog;
  readonly store?: ObjectStore;
  readonly cuts?: Partial<CutSettings>;
  readonly ports?: Partial<PartitionPorts>;
}

/** A manifest as its bytes say it. */
export type StoredManifest = Omit<Manifest, 'log' | 'seq' | 'digest'>;

/** One partition on memory twins, that can be killed at any step and started again. */
export class Rig {
  readonly clock = new ManualClock(START_MS);
  readonly store: ObjectStore;
  readonly log: OpenLog;
  readonly #options: RigOptions;
  #life: Life | undefined;
  #seed = 1;

  private constructor(log: OpenLog, options: RigOptions) {
    this.log = log;
    this.store = options.store ?? memoryStore();
    this.#options = options;
  }

  static async open(options: RigOptions = {}): Promise<Rig> {
    const clock = { nowMs: (): number => rig.clock.nowMs(), sleep: (): Promise<void> => Promise.resolve() };
    const log = options.log ?? (await memoryLog({ partitions: 1, clock }).open(0));
    const rig = new Rig(log, options);
    return rig;
  }

  get partition(): Partition {
    return this.#life!.partition;
  }

  /** Starts a process; a former one must have been killed or stopped. */
  start(dieAt?: string, more: Partial<PartitionPorts> = {}): Partition {
    this.#life = this.newLife(dieAt, more);
    this.#life.partition.start();
    return this.#life.partition;
  }

  /** One more owner of the same log. */
  newLife(dieAt?: string, more: Partial<PartitionPorts> = {}): Life {
    const life = new Life();
    const killPoint: KillPoint = (step) => (step === dieAt ? life.die() : undefined);
    const ports: PartitionPorts = {
      log: life.mortal(this.log),
      objects: life.mortal(this.store),
      codecs: nodeCodecs,
      clock: life.mortal<Clock>(this.clock),
      random: seededRandom(this.#seed++),
      budget: Budget.create(1 << 30, 1),
      slot: 0,
      cuts: { ...GENEROUS, ...this.#options.cuts },
      writer: 'rig',
      killPoint,
      ...this.#options.ports,
      ...more,
    };
    life.partition = new Partition(ports);
    return life;
  }

  /** The process is gone: nothing it began takes effect any more. */
  kill(): void {
    void this.#life!.die();
  }

  get dead(): boolean {
    return this.#life!.dead;
  }

  async push(tenant: TenantId, ...drawings: Drawing[]): Promise<void> {
    await this.log.append(recordOf(tenant, drawings));
  }

  status(): Promise<PartitionStatus> {
    return this.partition.status();
  }

  /** Waits until the status is as wanted; time stands still. */
  async until(want: (status: PartitionStatus) => boolean): Promise<PartitionStatus> {
    for (let turn = 0; turn < 3000; turn++) {
      const status = await this.status();
      if (want(status)) return status;
      await setImmediate();
    }
    throw new Error(`still ${JSON.stringify(await this.status())}`);
  }

  /** Waits until everything in the log is consumed. */
  async caughtUp(): Promise<PartitionStatus> {
    return this.until(({ state, lag }) => state === 'following' && lag === 0);
  }

  /** Waits until the process has died at its kill point. */
  async died(): Promise<void> {
    for (let turn = 0; turn < 3000 && !this.dead; turn++) await setImmediate();
    if (!this.dead) throw new Error('it did not die');
  }

  /** Lets the head get old enough to be cut, and waits until it is. */
  async cut(): Promise<PartitionStatus> {
    await this.caughtUp();
    await this.clock.advance(this.#options.cuts?.maxAgeMs ?? GENEROUS.maxAgeMs);
    return this.until(({ committed, consumed }) => committed === consumed);
  }

  /** What a reader gets: sums by mark over refs and head, with the gaps. */
  async read(
    tenant: TenantId,
    from = -1,
    partition = this.partition,
  ): Promise<{ sums: Record<string, number>; gaps: readonly Gap[] }> {
    const answer = await partition.answer({ tenant, query: BY_MARK, from, upTo: await this.log.endOffset() });
    return { sums: await this.sum(tenant, answer), gaps: answer.gaps };
  }

  async sum(tenant: TenantId, answer: OwnerAnswer): Promise<Record<string, number>> {
    const partials = [answer.partial];
    for (const { object, off, len } of answer.refs) {
      const bytes = await this.store.getRange(object, off, len);
      const part = openPart(bytes!, tenant, nodeCodecs);
      partials.push(
        runQuery(
          BY_MARK,
          part.datasets.map((dataset) => dataset.tables()),
        ),
      );
    }
    const series = finishQuery(BY_MARK, mergePartials(BY_MARK, partials));
    return Object.fromEntries(series.map(({ labels, value }) => [labels[0]!.value, value[0]!]));
  }

  /** Writes into `log/trim` that every index contains the log up to T, as a compactor does. */
  async raiseT(T: number): Promise<void> {
    const { bytes } = (await this.store.get('log/trim'))!;
    const line = Buffer.from(Buffer.from(bytes).toString().split('\n', 1)[0]!.replace('"T":-1', `"T":${T}`));
    const crc = nodeCodecs.crc32(line).toString(16).padStart(8, '0');
    await this.store.put('log/trim', Buffer.concat([line, Buffer.from(`\n${crc}\n`)]));
  }

  /** What the manifests of the log say, oldest first. */
  async manifests(log: LogId = this.log.id): Promise<StoredManifest[]> {
    const keys = await this.store.list(`log/${log}/m/`);
    const manifests: StoredManifest[] = [];
    for (const key of keys) {
      const { bytes } = (await this.store.get(key))!;
      manifests.push(JSON.parse(Buffer.from(bytes).toString().split('\n')[0]!) as StoredManifest);
    }
    return manifests;
  }
}

/** A process: once dead, no call it makes ends, and none it makes later takes effect. */
export class Life {
  partition!: Partition;
  dead = false;

  die(): Promise<never> {
    this.dead = true;
    return new Promise(() => undefined);
  }

  mortal<T extends object>(port: T): T {
    return new Proxy(port, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          if (key === 'read') return this.#mortalRead((value as OpenLog['read']).apply(target, args as never));
          if (key === 'nowMs') return (value as () => number).apply(target);
          if (this.dead) return new Promise(() => undefined);
          const result: unknown = (value as (...a: unknown[]) => unknown).apply(target, args);
          return result instanceof Promise
            ? result.then((r: unknown) => (this.dead ? new Promise(() => undefined) : r))
            : result;
        };
      },
    });
  }

  async *#mortalRead<T>(entries: AsyncIterable<T>): AsyncIterable<T> {
    for await (const batch of entries) {
      if (this.dead) await this.die();
      yield batch;
    }
  }
}
