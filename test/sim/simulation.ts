import { KilnError, type TenantId } from '@kiln/model';
import { compactorDefaults } from '../../services/compactor/src/config.ts';
import { Clients, type Reader } from './clients.ts';
import { Cluster } from './cluster.ts';
import type { Mark } from './ledger.ts';
import { CALM, DOWN, ROUGH } from './line.ts';
import { OwnerNode } from './roles.ts';
import { Space } from './space.ts';
import type { Happening, Tally } from './tally.ts';
import { HOUR, MINUTE, World } from './world.ts';

/** Things that happen in one run, a question after each, before the trouble ends. */
const HAPPENINGS = 130;
/** Events of one run: what happens, and the questions. */
export const EVENTS: number = 2 * HAPPENINGS;
const TENANTS = ['ann', 'bob', 'team.x'] as TenantId[];
const SERVICES = ['shop', 'cart', 'mail'];
/** Writes that were answered with an error have landed by then. */
const LATEST_MS = 3 * HOUR;
const DAY = 24 * HOUR;
const SKEWS: ReadonlyMap<number, Happening> = new Map([
  [HOUR, 'clock +1 h'],
  [-HOUR, 'clock -1 h'],
  [DAY, 'clock +1 d'],
  [-DAY, 'clock -1 d'],
]);

/** A promise was broken: the seed, what happened before, and what differs. */
export class SimulationError extends Error {
  constructor(seed: number, found: Error, story: readonly string[]) {
    super(
      `seed ${seed}: ${found.message}\n${story.slice(-40).join('\n')}\nreplay with: ./kiln sim --seeds 1 --from ${seed}`,
      { cause: found },
    );
    this.name = 'SimulationError';
  }
}

/**
 * One run of all roles together: everything random comes from the seed, so the same seed is the same run.
 * @returns how often what happened. @throws SimulationError naming the promise that was broken.
 */
export async function simulate(seed: number): Promise<Tally> {
  const simulation = new Simulation(seed);
  try {
    await simulation.run();
  } catch (error) {
    throw new SimulationError(seed, simulation.world.broken ?? (error as Error), simulation.world.story);
  }
  return simulation.world.tally;
}

class Simulation {
  readonly world: World;
  readonly #clients: Clients;
  readonly #cluster: Cluster;
  readonly #retentionMs: number;
  /** Whether records may be lost or damaged in this run: answers are flagged then. */
  readonly #lossy: boolean;

  constructor(seed: number) {
    const world = new World(seed);
    this.world = world;
    this.#clients = new Clients(world);
    this.#retentionMs = world.pick([10, 20, 30]) * HOUR;
    this.#lossy = world.chance(0.2);
    world.ledger.windowMs = world.pick([10 * MINUTE, 71 * MINUTE, 2 * HOUR]);
    const onDisk = !this.#lossy && world.chance(0.35);
    if (!onDisk && world.chance(0.4))
      world.space = new Space(world, {
        totalBytes: world.pick([35_000, 60_000]),
        maxStoredBytes: world.pick([0, 0, 3_000, 6_000]),
        retentionMs: this.#retentionMs,
      });
    this.#cluster = new Cluster(world, {
      retentionMs: this.#retentionMs,
      onDisk,
      cuts: {
        maxAgeMs: world.pick([1, 5, 30]) * MINUTE,
        maxBytes: 64 << 20,
        maxLogBytes: world.pick([2_000, 1 << 30]),
      },
      budgetBytes: world.pick([24_000, 64 << 20]),
      compactor: { ...compactorDefaults, dayMs: 6 * HOUR, maxJobBytes: world.pick([4_000, 1 << 27]) },
    });
  }

  async run(): Promise<void> {
    const { world } = this;
    await world.clock.run(this.#cluster.open());
    this.#cluster.startOwner();
    for (let n = 0; n < HAPPENINGS; n++) {
      this.#happen();
      this.#query(world.pick(this.#cluster.readers), world.pick(TENANTS));
      await this.#pass(world.chance(0.7) ? 30_000 : world.chance(0.8) ? 20 * MINUTE : 3 * HOUR);
    }
    await this.#quiesce();
  }

  /** Time goes on, up to `ms`. */
  async #pass(ms: number): Promise<void> {
    const { world } = this;
    const isDown = world.weather === DOWN;
    await world.advance(Math.ceil(world.random() * Math.min(ms, isDown ? 60_000 : Infinity)));
  }

  #happen(): void {
    const { world } = this;
    if (world.weather === DOWN && world.chance(0.4)) this.#changeWeather();
    const dice = world.random();
    if (dice < 0.45) this.#push();
    else if (dice < 0.55) this.#retry();
    else if (dice < 0.7) this.#cluster.compact();
    else if (dice < 0.76) this.#cluster.startOwner();
    else if (dice < 0.82) this.#cluster.endOwner();
    else if (dice < 0.85) this.#cluster.endCompactor();
    else if (dice < 0.93) this.#changeWeather();
    else if (dice < 0.95) this.#setClock();
    else if (world.machine !== undefined) this.#cluster.losePower();
    else if (world.space !== undefined && world.chance(0.5)) this.#fillDisk(world.space);
    else if (this.#lossy) this.#lose();
    else this.#push();
  }

  #push(tenant: TenantId = this.world.pick(TENANTS)): void {
    const { world } = this;
    const marks = Array.from({ length: world.chance(0.7) ? 1 : 3 }, () => {
      const late = world.chance(0.2);
      if (late) world.tally.add('late data');
      const timeMs = world.clock.nowMs() - (late ? Math.floor(world.random() * this.#retentionMs) : 0);
      return this.#clients.mark(tenant, world.pick(SERVICES), timeMs);
    });
    this.#send(marks, 'push');
  }

  /** The client of a push sends it again: it may not know that it was acknowledged. */
  #retry(): void {
    const { world } = this;
    const { marks } = world.ledger;
    const mark = marks[marks.length - 1 - Math.floor(world.random() ** 2 * Math.min(marks.length, 30))];
    if (mark === undefined) return;
    world.tally.add('client retry');
    this.#send([mark], 'retry');
  }

  #send(marks: readonly Mark[], what: string): void {
    const { world } = this;
    const dies = world.chance(0.07);
    world.note(
      `${what} ${marks.map(({ name, timeMs, partition }) => `${name} at ${timeMs} for ${partition}`).join(', ')}`,
    );
    world.watch(this.#clients.push(marks, dies ? Math.floor(world.random() * 4) : Infinity));
  }

  #changeWeather(): void {
    const { world } = this;
    world.weather = world.weather === DOWN ? CALM : world.pick([CALM, ROUGH, ROUGH, DOWN]);
    world.note(`weather: ${world.weather === CALM ? 'calm' : world.weather === DOWN ? 'down' : 'rough'}`);
  }

  /**
   * A process, a reader or the logs get another clock. A day is too much for one that deletes, when it is ahead; for one that says which times an answer
   * may have; and for one that says until when records were lost, when it is behind.
   */
  #setClock(): void {
    const { world } = this;
    const { owners, compactors, readers } = this.#cluster;
    const node = world.pick([...owners, ...compactors, undefined]);
    const isOwner = node instanceof OwnerNode;
    const far = node === undefined ? [] : isOwner && this.#lossy ? [DAY] : isOwner ? [DAY, -DAY] : [-DAY];
    const skewMs = world.pick([HOUR, 0, -HOUR, ...far]);
    const name = SKEWS.get(skewMs);
    if (name !== undefined) world.tally.add(name);
    world.note(`the clock of ${node?.life.name ?? 'the logs and readers'} is ${skewMs / MINUTE} min ahead`);
    if (node !== undefined) {
      node.life.skewMs = skewMs;
    } else {
      // On a machine the ledger takes the time of sending for the stamp: the two must not drift apart.
      if (world.machine === undefined) world.logSkewMs = skewMs;
      for (const reader of readers) reader.setSkew(skewMs);
    }
  }

  /** A record that nobody can decode, a log that lets go of what nobody has read, or one that is lost. */
  #lose(): void {
    const { world } = this;
    if (this.#cluster.replacing !== undefined) return;
    const log = world.pick(world.logs);
    const what = world.pick(['undecodable record', 'log loses records', 'log replaced'] as const);
    if (what === 'log replaced') {
      world.note(`log ${log.id} is lost, and everything stops`);
      this.#cluster.replaceLog(log.partition);
    } else if (what === 'undecodable record') {
      world.tally.add('undecodable record');
      world.note(`an undecodable record for ${log.partition}`);
      world.watch(
        log.append(Uint8Array.from({ length: 40 }, () => Math.floor(world.random() * 256))).then(() => undefined),
      );
    } else {
      world.tally.add('log loses records');
      world.note(`log ${log.partition} loses its records, and all owners die`);
      for (const { life } of this.#cluster.owners) life.die();
      world.watch(log.endOffset().then((end) => log.trim(end)));
      this.#cluster.startOwner();
    }
  }

  /** Somebody else takes room on the disk for a while. */
  #fillDisk(space: Space): void {
    const { world } = this;
    const share = 0.2 + world.random() * 0.7;
    world.note(`others fill ${(share * 100).toFixed(1)} % of the disk`);
    space.fill(share);
    void world.clock.sleep(world.random() * 4 * HOUR).then(() => space.fill(0));
  }

  #query(reader: Reader, tenant: TenantId, atEnd = false): void {
    const { world } = this;
    const number = this.#cluster.readers.indexOf(reader);
    if (number === 1) world.tally.add('stale reader');
    if (number === 2) world.tally.add('sleepy reader');
    world.watch(this.#judge(reader, tenant, atEnd));
  }

  async #judge(reader: Reader, tenant: TenantId, atEnd: boolean): Promise<void> {
    const { world } = this;
    const { now } = world.ledger;
    const room = world.space && {
      mayBeGone: (mark: Mark): boolean => world.space!.mayBeGone(tenant, mark.timeMs),
      isFresh: reader === this.#cluster.readers[0],
    };
    const askedMs = world.clock.nowMs();
    try {
      const sums = await reader.sums(tenant);
      const sinceMs = world.clock.nowMs() - this.#retentionMs + HOUR + MINUTE;
      const untilMs = askedMs - this.#retentionMs - HOUR;
      const found = world.ledger.judge(tenant, sums, { ...now, sinceMs, untilMs, ...(room && { room }) });
      if (found !== undefined)
        world.break(
          `${found}; asked ${world.clock.nowMs() - askedMs} ms before by reader ${this.#cluster.readers.indexOf(reader)}`,
        );
      if (atEnd && sums.flagged && !this.#lossy)
        world.break(`${tenant} gets a flagged answer after all trouble: ${sums.why}`);
      world.tally.add(sums.flagged ? 'answers: flagged' : 'answers: exact');
    } catch (error) {
      // Wrong bytes are an error of the bytes; anything else must be one that says to try again.
      const { code, message } = KilnError.from(error);
      if (atEnd || !['unavailable', 'deadline_exceeded', 'data_loss', 'aborted'].includes(code))
        world.break(`a query failed: ${code}: ${message} ${String((error as Error).stack)}`);
      world.tally.add('answers: error');
    }
  }

  /** Trouble ends, and what is acknowledged must be there, through compaction, merges, retention and trimming. */
  async #quiesce(): Promise<void> {
    const { world } = this;
    world.note('trouble ends');
    world.weather = CALM;
    world.logSkewMs = 0;
    world.diskFull = false;
    world.space?.fill(0);
    world.machine?.disk.stopAt(Infinity);
    await world.advance(MINUTE);
    const { owners, compactors, readers } = this.#cluster;
    for (const { life } of [...owners, ...compactors]) life.die();
    await world.advance(MINUTE);
    for (const reader of readers) reader.setSkew(0);
    if (this.#cluster.replacing !== undefined) await world.clock.run(this.#cluster.replacing);
    this.#cluster.startOwner([0, 1]);
    for (const tenant of TENANTS) this.#push(tenant);
    await world.advance(10 * MINUTE);
    await this.#ask();
    await world.advance(LATEST_MS);
    await this.#ask();
    const compactor = this.#cluster.newCompactor();
    for (const ms of [HOUR + MINUTE, 3 * HOUR, 6 * HOUR, 6 * HOUR]) {
      world.note('the last compactor begins a round');
      compactor.run(true);
      await world.clock.run(compactor.round!);
      await world.advance(MINUTE);
      const above = world.space?.above() ?? [];
      if (above.length > 0) world.break(`after all trouble and a round above their marks: ${above.join(', ')}`);
      await this.#ask();
      await compactor.room.look();
      if (world.space?.isFull !== true) for (const tenant of TENANTS) compactor.room.check(tenant);
      await world.advance(ms);
    }
    if (world.machine !== undefined) await world.clock.run(world.lookAtAll());
    await world.advance(1);
    for (const tenant of TENANTS) world.tally.add('blocks live', world.invariants.liveBlocks(tenant).length);
  }

  async #ask(): Promise<void> {
    const { world } = this;
    await world.advance(MINUTE);
    for (const tenant of TENANTS) this.#query(this.#cluster.readers[0]!, tenant, true);
    await world.advance(MINUTE);
  }
}
