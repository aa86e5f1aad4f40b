import type { TenantId } from '@kiln/model';
import type { DiskUsage, RoomConfig } from '../../services/compactor/src/room.ts';
import type { StoredBlock, Write } from './invariants.ts';
import type { World } from './world.ts';

/** How much may be stored in a run. */
export interface SpaceSettings {
  readonly totalBytes: number;
  /** Of each tenant; 0 = without a limit. */
  readonly maxStoredBytes: number;
  readonly retentionMs: number;
}

const HIGH_WATER = 0.9;
/** Room is made below a mark by this share of the whole. */
const SLACK = 0.02;

/** Blocks that went for room in one write of an index. */
interface Went {
  readonly tenant: string;
  readonly blocks: readonly StoredBlock[];
  readonly write: Write;
}

/**
 * The disk that the store of a run shares with others, and the judge of what goes for room: it goes only while the disk or its tenant is above the
 * mark, no more of it than needed, and the oldest first. All it knows of a compactor is when its rounds begin and end, and when it looks at the disk.
 * What was before what is told by the numbers that calls have.
 */
export class Space {
  readonly config: RoomConfig = { highWater: HIGH_WATER, whenFull: 'oldest-goes' };
  readonly maxStoredBytes: number;
  readonly #world: World;
  readonly #totalBytes: number;
  readonly #retentionMs: number;
  readonly #sizes = new Map<string, number>();
  /** By compactor, how much had to go for the disk when it looked. */
  readonly #looks = new Map<string, Course>();
  /** By tenant, how much has to go for its own limit. */
  readonly #above = new Map<string, Course>();
  /** By compactor, when its rounds began. */
  readonly #rounds = new Map<string, number[]>();
  /** Since when a block is live. */
  readonly #live = new Map<string, number>();
  readonly #went: Went[] = [];
  #storedBytes = 0;
  #othersBytes = 0;

  constructor(world: World, { totalBytes, maxStoredBytes, retentionMs }: SpaceSettings) {
    this.#world = world;
    this.#totalBytes = totalBytes;
    this.#retentionMs = retentionMs;
    this.maxStoredBytes = maxStoredBytes;
  }

  /** A compactor looks at the disk. */
  usage(compactor: string): DiskUsage {
    const usedBytes = this.#storedBytes + this.#othersBytes;
    if (this.isFull) this.#world.tally.add('disk above its mark');
    of(this.#looks, compactor).add(
      this.#world.nextCall(),
      surplus(usedBytes, HIGH_WATER * this.#totalBytes, this.#totalBytes),
    );
    return { usedBytes, totalBytes: this.#totalBytes };
  }

  /** Whether the disk is above its mark. */
  get isFull(): boolean {
    return this.#storedBytes + this.#othersBytes > HIGH_WATER * this.#totalBytes;
  }

  /** What others have on the disk from now on, as a share of it. */
  fill(share: number): void {
    this.#othersBytes = share * this.#totalBytes;
  }

  /** A write has taken effect. */
  landed(key: string): void {
    const { stored, invariants, tally } = this.#world;
    const bytes = stored.objects.get(key)?.bytes.length ?? 0;
    this.#storedBytes += bytes - (this.#sizes.get(key) ?? 0);
    this.#sizes.set(key, bytes);
    if (this.maxStoredBytes === 0 || !/^log\/[^/]+\/m\/|^tenants\/[^/]+\/index$/.test(key)) return;
    for (const [tenant, storedBytes] of invariants.storedBytes()) {
      const course = of(this.#above, tenant);
      const was = course.last;
      course.add(this.#world.nextCall(), surplus(storedBytes, this.maxStoredBytes, this.maxStoredBytes));
      if (was === 0 && course.last > 0) tally.add('tenant above its limit');
    }
  }

  /** An index names these blocks now. */
  indexed(blocks: readonly StoredBlock[]): void {
    const now = this.#world.nextCall();
    for (const { object } of blocks) if (!this.#live.has(object)) this.#live.set(object, now);
  }

  /** Blocks that went without others in their place. @returns how many of them went for room: those that are not past retention. */
  went(tenant: string, gone: readonly StoredBlock[], stay: readonly StoredBlock[], write: Write): number {
    const blocks = gone.filter(({ maxMs }) => maxMs >= this.#world.clock.nowMs() - this.#retentionMs);
    if (blocks.length === 0) return 0;
    this.#went.push({ tenant, blocks, write });
    this.#world.tally.add('blocks gone for room', blocks.length);
    this.#world.note(`${write.by} lets ${blocks.length} blocks of ${tenant} go for room`);
    const began = this.#rounds.get(write.by)?.findLast((number) => number < write.number) ?? 0;
    const forDisk = of(this.#looks, write.by).at(write.number);
    const enough = Math.max(forDisk, of(this.#above, tenant).most(began, write.number));
    // For the disk blocks of all tenants go together.
    const all = this.maxStoredBytes > 0 ? blocks : this.#wentSince(write.by, began);
    const last = all.toSorted((a, b) => a.maxMs - b.maxMs || a.size - b.size).at(-1)!;
    const bytes = sizeOf(all) - last.size;
    if (enough === 0) this.#world.break(`blocks of ${tenant} went for room, and there was room`);
    else if (bytes >= enough)
      this.#world.break(`${bytes} bytes and a block more went for room, of ${tenant} at last; ${enough} were enough`);
    this.#oldestFirst(blocks, stay, began);
    return blocks.length;
  }

  #wentSince(compactor: string, began: number): StoredBlock[] {
    return this.#went.flatMap(({ blocks, write }) => (write.by === compactor && write.number > began ? blocks : []));
  }

  #oldestFirst(went: readonly StoredBlock[], stay: readonly StoredBlock[], began: number): void {
    const newestMs = Math.max(...went.map(({ maxMs }) => maxMs));
    const older = this.#known(stay, began).find(({ maxMs }) => maxMs < newestMs);
    if (older !== undefined)
      this.#world.break(`blocks up to ${newestMs} went for room, and ${older.object} up to ${older.maxMs} stays`);
  }

  /** Those that were live when a round began: what came later may not be known in it. */
  #known(blocks: readonly StoredBlock[], began: number): StoredBlock[] {
    return blocks.filter(({ object }) => this.#live.get(object)! < began);
  }

  roundBegins(compactor: string): void {
    this.#rounds.set(compactor, [...(this.#rounds.get(compactor) ?? []), this.#world.nextCall()]);
  }

  /** After a round without trouble no tenant has more than its limit in blocks that it knew; where none has a limit, the oldest of all went first. */
  roundEnds(compactor: string): void {
    const { invariants } = this.#world;
    const began = this.#rounds.get(compactor)!.at(-1)!;
    if (this.maxStoredBytes > 0) {
      for (const tenant of invariants.tenants()) {
        const bytes = sizeOf(this.#known(invariants.liveBlocks(tenant), began));
        if (bytes > this.maxStoredBytes)
          this.#world.break(`${tenant} keeps blocks of ${bytes} bytes, allowed are ${this.maxStoredBytes}`);
      }
      return;
    }
    const stay = invariants.tenants().flatMap((tenant) => invariants.liveBlocks(tenant));
    this.#oldestFirst(this.#wentSince(compactor, began), stay, began);
  }

  /** Whether a profile of that time may have gone. */
  mayBeGone(tenant: TenantId, timeMs: number): boolean {
    return this.#went.some(
      (one) => one.tenant === tenant && one.blocks.some(({ minMs, maxMs }) => minMs <= timeMs && timeMs <= maxMs),
    );
  }

  /** What is above its mark and has blocks that might go. */
  above(): string[] {
    const { invariants } = this.#world;
    const having = invariants.tenants().filter((tenant) => invariants.liveBlocks(tenant).length > 0);
    const above = having.filter((tenant) => of(this.#above, tenant).last > 0);
    return this.isFull && having.length > 0 ? ['the disk', ...above] : above;
  }
}

/** How much has to go when so much is there; 0 = it is not above its mark. */
function surplus(bytes: number, mark: number, whole: number): number {
  return bytes > mark ? bytes - mark + SLACK * whole : 0;
}

function sizeOf(blocks: readonly StoredBlock[]): number {
  return blocks.reduce((sum, { size }) => sum + size, 0);
}

function of(courses: Map<string, Course>, name: string): Course {
  const course = courses.get(name) ?? new Course();
  courses.set(name, course);
  return course;
}

/** What an amount was in the course of a run. */
class Course {
  readonly #was: { readonly since: number; readonly amount: number }[] = [{ since: 0, amount: 0 }];

  add(since: number, amount: number): void {
    this.#was.push({ since, amount });
  }

  get last(): number {
    return this.#was.at(-1)!.amount;
  }

  at(number: number): number {
    return this.#was.findLast(({ since }) => since < number)?.amount ?? 0;
  }

  /** The most it was from one number to another. */
  most(from: number, to: number): number {
    const within = this.#was.filter(({ since }) => since > from && since < to).map(({ amount }) => amount);
    return Math.max(this.at(from), ...within);
  }
}
