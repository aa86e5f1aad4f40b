import { KilnError, type TenantId } from '@kiln/model';
import type { LogFrom, OwnerAnswer } from '@kiln/catalog';
import type { Query, QueryLimits } from '@kiln/query';
import { noTelemetry } from '@kiln/telemetry';
import { defaultLimits, reachMs, type Limits } from '@kiln/tenant';
import { buildBlocks } from '../../services/compactor/src/build-blocks.ts';
import { Compactor, type Round } from '../../services/compactor/src/compactor.ts';
import type { CompactorConfig } from '../../services/compactor/src/config.ts';
import { Room, type RoomConfig } from '../../services/compactor/src/room.ts';
import { Budget } from '../../services/ingester/src/budget.ts';
import type { CutSettings } from '../../services/ingester/src/partition-core.ts';
import { Partition } from '../../services/ingester/src/partition.ts';
import { Life } from './life.ts';
import { logLine, storeLine } from './line.ts';
import { codecs, type World } from './world.ts';

/** An ingester: owns some partitions, each a real one in this thread. */
export class OwnerNode {
  readonly life: Life;
  readonly partitions: ReadonlyMap<number, Partition>;
  stopping = false;

  constructor(
    world: World,
    name: string,
    owned: readonly number[],
    { cuts, budgetBytes }: { cuts: CutSettings; budgetBytes: number },
  ) {
    const life = new Life(world, name);
    const budget = countedBudget(world, budgetBytes, owned.length);
    this.life = life;
    this.partitions = new Map(
      owned.map((partition, slot) => [
        partition,
        new Partition({
          log: logLine(life, world.logs[partition]!),
          objects: storeLine(life),
          codecs,
          clock: life.clock,
          random: world.fork(),
          budget,
          slot,
          cuts,
          writer: name,
          killPoint: (step) => life.reach(step),
        }),
      ]),
    );
    for (const partition of this.partitions.values()) partition.start();
  }

  /** As `Ingester.answer`: one log a partition, the log's end looked up when the question comes. */
  async answer(tenant: TenantId, query: Query, from: readonly LogFrom[], limits: QueryLimits): Promise<OwnerAnswer[]> {
    const answers: OwnerAnswer[] = [];
    for (const number of new Set(from.map(({ partition }) => partition))) {
      const partition = this.partitions.get(number)!;
      const named = from.find(({ logId }) => logId === partition.logId);
      if (named === undefined)
        throw new KilnError('aborted', 'stale index: the reader does not name the log', { reason: 'stale_index' });
      const upTo = await this.life.world.logs[number]!.endOffset();
      answers.push(await partition.answer({ tenant, query, from: named.from, upTo, limits }));
    }
    return answers;
  }

  async stop(cut: boolean): Promise<void> {
    this.stopping = true;
    await this.life.outlives(Promise.all([...this.partitions.values()].map((partition) => partition.stop(cut))));
    this.life.die();
  }
}

const UNBOUNDED: RoomConfig = { highWater: 1, whenFull: 'refuse' };

/** A compactor, its blocks built in this thread. */
export class CompactorNode {
  readonly life: Life;
  readonly compactor: Compactor;
  readonly room: Room;
  round: Promise<Round | undefined> | undefined;

  constructor(world: World, name: string, config: CompactorConfig, retentionPeriodMs: number) {
    this.life = new Life(world, name);
    const catalog = world.catalogOf(this.life);
    const { space } = world;
    const limits = (): Limits => ({ ...defaultLimits, retentionPeriodMs, maxStoredBytes: space?.maxStoredBytes ?? 0 });
    const { clock } = this.life;
    this.room = new Room(space?.config ?? UNBOUNDED, { usage: async () => space?.usage(name), limits, clock });
    this.compactor = new Compactor(config, {
      catalog,
      room: this.room,
      builder: { build: (job) => buildBlocks({ objects: catalog.objects, codecs }, job) },
      limits,
      longestReachMs: () => reachMs(limits()),
      clock,
      random: world.fork(),
      telemetry: noTelemetry,
      killPoint: (step) => this.life.reach(step),
    });
  }

  /** Begins a round, unless one is under way. */
  run(now: boolean): void {
    if (this.round !== undefined) return;
    const { name, world } = this.life;
    world.space?.roundBegins(name);
    this.round = this.life
      .outlives(this.compactor.round({ now }))
      .then((round) => {
        if (round?.troubles.length === 0) world.space?.roundEnds(name);
        return round;
      })
      .catch((error: unknown) => {
        if (KilnError.from(error).code === 'internal')
          world.break(`a compactor failed: ${String((error as Error).stack)}`);
        return undefined;
      })
      .finally(() => (this.round = undefined));
  }
}

/** The real budget, whose waiters are woken without a turn of the event loop, and which is looked at whenever it changes (I9). */
function countedBudget(world: World, limitBytes: number, slots: number): Budget {
  const real = Budget.create(limitBytes, slots);
  let changed = Promise.withResolvers<void>();
  const set = (...args: Parameters<Budget['set']>): void => {
    real.set(...args);
    if (real.over) world.tally.add('pauses over budget');
    if (real.usedBytes > limitBytes + OVERSHOOT)
      world.break(`I9: heads and ids hold ${real.usedBytes} bytes of ${limitBytes}`);
    const { resolve } = changed;
    changed = Promise.withResolvers<void>();
    resolve();
  };
  return new Proxy(real, {
    get(target, key): unknown {
      if (key === 'set') return set;
      if (key === 'changed') return () => changed.promise;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** One record more per partition may come in before reading stops. */
const OVERSHOOT = 48 * 1024;
