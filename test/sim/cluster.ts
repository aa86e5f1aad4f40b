import { closeLog, readChain, registerLog } from '@kiln/catalog';
import type { MemoryDisk } from '@kiln/disk';
import { KilnError } from '@kiln/model';
import type { CompactorConfig } from '../../services/compactor/src/config.ts';
import type { CutSettings } from '../../services/ingester/src/partition-core.ts';
import { Reader, type ReaderKind } from './clients.ts';
import { Life } from './life.ts';
import { Machine } from './machine.ts';
import { CompactorNode, OwnerNode } from './roles.ts';
import { HOUR, MINUTE, type World } from './world.ts';

const PARTITIONS = 2;
/** Fresh, stale, sleepy. */
const READERS: readonly ReaderKind[] = [
  { staleMs: 0, sleepy: 0 },
  { staleMs: 3 * HOUR, sleepy: 0 },
  { staleMs: 0, sleepy: 0.05 },
];

/** What the processes of one run are told. */
export interface ClusterSettings {
  readonly retentionMs: number;
  /** Whether store and logs are files of one machine. */
  readonly onDisk: boolean;
  readonly cuts: CutSettings;
  readonly budgetBytes: number;
  readonly compactor: CompactorConfig;
}

/** The processes of one run: who lives now, how they start and how they end. */
export class Cluster {
  readonly owners: OwnerNode[] = [];
  readonly compactors: CompactorNode[] = [];
  readonly readers: Reader[] = [];
  readonly #world: World;
  readonly #settings: ClusterSettings;
  /** The disk whose machine is about to fail. */
  #failing: MemoryDisk | undefined;
  #names = 0;
  /** While a log is being replaced nobody follows any. */
  replacing: Promise<void> | undefined;

  constructor(world: World, settings: ClusterSettings) {
    this.#world = world;
    this.#settings = settings;
  }

  compact(): void {
    const world = this.#world;
    const wanted = world.chance(0.3) ? 2 : 1;
    while (this.compactors.length < wanted) this.compactors.push(this.newCompactor());
    const now = world.chance(0.8);
    for (const node of this.compactors.slice(0, wanted)) {
      if (node.round !== undefined) continue;
      if (this.compactors.some(({ round }) => round !== undefined)) world.tally.add('two compactors');
      world.note(`${node.life.name} begins a round`);
      if (world.chance(0.25)) this.#kill(node.life, 'compactor crash', 300);
      node.run(now);
    }
  }

  newCompactor(): CompactorNode {
    const { compactor, retentionMs } = this.#settings;
    const node = new CompactorNode(this.#world, `compactor ${++this.#names}`, compactor, retentionMs);
    void node.life.died.then(() => this.#bury());
    return node;
  }

  endCompactor(): void {
    const node = this.compactors.shift();
    if (node !== undefined) this.#kill(node.life, 'compactor crash', 1);
  }

  /** It dies at one of its next calls, whichever it is. */
  #kill(life: Life, what: 'owner crash' | 'compactor crash', within: number): void {
    life.dieIn(Math.floor(this.#world.random() * within), () => this.#world.tally.add(what));
  }

  #bury(): void {
    for (const nodes of [this.owners, this.compactors] as { life: Life }[][])
      nodes.splice(0, nodes.length, ...nodes.filter(({ life }) => !life.dead));
  }

  /** One more owner, of all partitions or of one. */
  startOwner(only?: readonly number[]): void {
    const world = this.#world;
    if (this.owners.length >= 3 || this.replacing !== undefined) return;
    const owned = only ?? (world.chance(0.7) ? [0, 1] : [world.pick([0, 1])]);
    if (owned.some((one) => this.owners.some(({ partitions }) => partitions.has(one)))) world.tally.add('two owners');
    const node = new OwnerNode(world, `owner ${++this.#names}`, owned, this.#settings);
    void node.life.died.then(() => this.#bury());
    world.note(`${node.life.name} starts with ${owned.join(' and ')}`);
    this.owners.push(node);
    if (only === undefined && world.chance(0.2)) this.#kill(node.life, 'owner crash', 100);
  }

  /** Everything stops; the files of a log are lost, an operator closes it, and a start begins another one. */
  replaceLog(partition: number): void {
    if (this.replacing !== undefined) return;
    this.#world.tally.add('log replaced');
    for (const { life } of this.owners) life.die();
    this.replacing = this.#replaceLog(partition).finally(() => {
      this.replacing = undefined;
      this.startOwner();
    });
    this.#world.watch(this.replacing);
  }

  /** As `kiln log close` and a start do it. */
  async #replaceLog(partition: number): Promise<void> {
    const world = this.#world;
    const { lost, fresh } = await world.replaceLog(partition);
    const life = new Life(world, 'operator');
    const catalog = world.catalogOf(life);
    await this.#repeat(async () => {
      const chain = await readChain(catalog, lost.id);
      if (chain === undefined) return; // closed by a try that had no answer, and gone since
      const fromMs = chain.tip?.aMax ?? 0;
      const gap = { upTo: chain.E + 1, reason: 'the log is lost', fromMs, toMs: Math.max(fromMs, life.clock.nowMs()) };
      await closeLog(catalog, { log: lost.id, writer: life.name, lost: gap });
    });
    await this.#repeat(async () => void (await registerLog(catalog, { log: fresh.id, partition })));
    world.shut.delete(fresh.id);
    world.note(`log ${fresh.id} takes the place of ${lost.id}`);
  }

  endOwner(): void {
    const world = this.#world;
    const node = this.owners.find(({ stopping }) => !stopping);
    if (node === undefined) return;
    if (world.chance(0.7)) {
      this.#kill(node.life, 'owner crash', 60);
    } else {
      world.tally.add('owner stopped');
      world.note(`${node.life.name} stops`);
      this.#world.watch(node.stop(world.chance(0.5)));
    }
    if (world.chance(0.7)) this.startOwner();
  }

  /** The machine loses power, or is killed, at one of the next calls of its disk; or its disk is full for a while. */
  losePower(): void {
    const world = this.#world;
    const { disk } = world.machine!;
    if (world.chance(0.3)) {
      world.diskFull = true;
      world.note('the disk is full');
      void world.clock.sleep(world.random() * 2 * MINUTE).then(() => (world.diskFull = false));
      return;
    }
    if (disk === this.#failing) return;
    this.#failing = disk;
    const power = world.chance(0.5);
    disk.stopAt(disk.calls + Math.floor(world.random() * 100));
    this.#world.watch(
      disk.stopped.then(async () => {
        world.tally.add(power ? 'power loss' : 'machine killed');
        world.note(power ? 'the machine loses power' : 'the machine is killed');
        for (const life of world.lives.splice(0)) life.end();
        this.#bury();
        await this.open(power ? disk.crash(world.fork()) : disk.restart());
        this.startOwner();
      }),
    );
  }

  /** Opens logs and objects and registers the logs before the first record, as often as it takes: a start that fails is begun again by somebody. */
  async open(disk?: MemoryDisk): Promise<void> {
    const world = this.#world;
    const first = disk ?? Machine.disk(world);
    if (this.#settings.onDisk) await this.#repeat(() => world.openMachine(PARTITIONS, first));
    else await world.open(PARTITIONS);
    for (const [number, kind] of READERS.entries())
      this.readers[number] = new Reader(world, () => this.owners, this.#settings.retentionMs, kind);
    const catalog = world.catalogOf(new Life(world, 'start'));
    for (const log of world.logs)
      await this.#repeat(async () => {
        await registerLog(catalog, { log: log.id, partition: log.partition, end: await log.endOffset() });
      });
  }

  async #repeat(start: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await start();
      } catch (error) {
        if (!['unavailable', 'deadline_exceeded', 'aborted', 'data_loss'].includes(KilnError.from(error).code))
          throw error;
        await this.#world.clock.sleep(10_000);
      }
    }
  }
}
