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
 * mark, no more of it than needed, and the oldest first. It knows of a compactor no more than when its rounds begin and end.
 */
export class Space {
  readonly config: RoomConfig = { highWater: HIGH_WATER, whenFull: 'oldest-goes' };
  readonly maxStoredBytes: number;
  readonly #world: World;
  readonly #totalBytes: number;
  readonly #retentionMs: number;
  readonly #sizes = new Map<string, number>();
  readonly #disk: Level;
  readonly #tenants = new Map<string, Level>();
  /** Since when a block is live. */
  readonly #liveMs = new Map<string, number>();
  readonly #went: Went[] = [];
  /** By compactor, when its rounds began. */
  readonly #rounds = new Map<string, number[]>();
  #storedBytes = 0;
  #othersBytes = 0;

  constructor(world: World, { totalBytes, maxStoredBytes, retentionMs }: SpaceSettings) {
    this.#world = world;
    this.#totalBytes = totalBytes;
    this.#retentionMs = retentionMs;
    this.maxStoredBytes = maxStoredBytes;
    this.#disk = new Level(HIGH_WATER * totalBytes, SLACK * totalBytes);
  }

  usage(): DiskUsage {
    return { usedBytes: this.#storedBytes + this.#othersBytes, totalBytes: this.#totalBytes };
  }

  /** What others have on the disk from now on, as a share of it. */
  fill(share: number): void {
    this.#othersBytes = share * this.#totalBytes;
    this.#look();
  }

  /** A write has taken effect. */
  landed(key: string): void {
    const bytes = this.#world.stored.objects.get(key)?.bytes.length ?? 0;
    this.#storedBytes += bytes - (this.#sizes.get(key) ?? 0);
    this.#sizes.set(key, bytes);
    this.#look();
    if (this.maxStoredBytes === 0 || !/^log\/[^/]+\/m\/|^tenants\/[^/]+\/index$/.test(key)) return;
    for (const [tenant, storedBytes] of this.#world.invariants.storedBytes()) {
      const level = this.#tenants.get(tenant) ?? new Level(this.maxStoredBytes, SLACK * this.maxStoredBytes);
      this.#tenants.set(tenant, level);
      if (level.set(this.#world.clock.nowMs(), storedBytes)) this.#world.tally.add('tenant above its limit');
    }
  }

  #look(): void {
    if (this.#disk.set(this.#world.clock.nowMs(), this.usage().usedBytes)) this.#world.tally.add('disk above its mark');
  }

  /** An index names these blocks now. */
  indexed(blocks: readonly StoredBlock[]): void {
    for (const { object } of blocks) if (!this.#liveMs.has(object)) this.#liveMs.set(object, this.#world.clock.nowMs());
  }

  /** Blocks that went without others in their place. @returns how many of them went for room: those that are not past retention. */
  went(tenant: string, gone: readonly StoredBlock[], stay: readonly StoredBlock[], write: Write): number {
    const blocks = gone.filter(({ maxMs }) => maxMs >= this.#world.clock.nowMs() - this.#retentionMs);
    if (blocks.length === 0) return 0;
    this.#went.push({ tenant, blocks, write });
    this.#world.tally.add('blocks gone for room', blocks.length);
    this.#world.note(`${write.by} lets ${blocks.length} blocks of ${tenant} go for room`);
    const sinceMs = this.#rounds.get(write.by)?.findLast((ms) => ms <= write.askedMs) ?? write.askedMs;
    const most = Math.max(
      this.#disk.most(sinceMs, write.askedMs),
      this.#tenants.get(tenant)?.most(sinceMs, write.askedMs) ?? 0,
    );
    const newest = blocks.reduce((a, b) => (b.maxMs > a.maxMs ? b : a));
    const bytes = blocks.reduce((sum, { size }) => sum + size, 0) - newest.size;
    if (most === 0) this.#world.break(`blocks of ${tenant} went for room, and there was room`);
    else if (bytes >= most)
      this.#world.break(`${bytes} bytes of ${tenant} and a block more went for room, ${most} were enough`);
    this.#oldestFirst(blocks, stay, sinceMs);
    return blocks.length;
  }

  #oldestFirst(went: readonly StoredBlock[], stay: readonly StoredBlock[], sinceMs: number): void {
    const newestMs = Math.max(...went.map(({ maxMs }) => maxMs));
    // What came after a round began may not be known in it.
    const older = stay.find(({ object, maxMs }) => maxMs < newestMs && this.#liveMs.get(object)! < sinceMs);
    if (older !== undefined)
      this.#world.break(`blocks up to ${newestMs} went for room, and ${older.object} up to ${older.maxMs} stays`);
  }

  roundBegins(compactor: string): void {
    const before = this.#rounds.get(compactor) ?? [];
    this.#rounds.set(compactor, [...before, this.#world.clock.nowMs()]);
  }

  /** After a round without trouble no tenant has more than its limit in blocks that it knew; where none has a limit, the oldest of all went first. */
  roundEnds(compactor: string): void {
    const { invariants } = this.#world;
    const sinceMs = this.#rounds.get(compactor)!.at(-1)!;
    if (this.maxStoredBytes > 0) {
      for (const tenant of invariants.tenants()) {
        const known = invariants.liveBlocks(tenant).filter(({ object }) => this.#liveMs.get(object)! < sinceMs);
        const bytes = known.reduce((sum, { size }) => sum + size, 0);
        if (bytes > this.maxStoredBytes)
          this.#world.break(`${tenant} keeps blocks of ${bytes} bytes, allowed are ${this.maxStoredBytes}`);
      }
      return;
    }
    const went = this.#went.filter(({ write }) => write.by === compactor && write.askedMs >= sinceMs);
    const stay = invariants.tenants().flatMap((tenant) => invariants.liveBlocks(tenant));
    if (went.length > 0)
      this.#oldestFirst(
        went.flatMap(({ blocks }) => blocks),
        stay,
        sinceMs,
      );
  }

  /** Whether a profile of that time may have gone. */
  mayBeGone(tenant: TenantId, timeMs: number): boolean {
    return this.#went.some(
      (one) => one.tenant === tenant && one.blocks.some(({ minMs, maxMs }) => minMs <= timeMs && timeMs <= maxMs),
    );
  }

  /** Whether the disk is above its mark. */
  get isFull(): boolean {
    return this.#disk.isAbove;
  }

  /** What is above its mark and has blocks that might go. */
  above(): string[] {
    const { invariants } = this.#world;
    const having = invariants.tenants().filter((tenant) => invariants.liveBlocks(tenant).length > 0);
    const above = having.filter((tenant) => this.#tenants.get(tenant)?.isAbove);
    return this.isFull && having.length > 0 ? ['the disk', ...above] : above;
  }
}

/** How many bytes there were, and when. */
class Level {
  readonly #mark: number;
  readonly #slack: number;
  readonly #was: { readonly sinceMs: number; readonly bytes: number }[] = [];

  constructor(mark: number, slack: number) {
    this.#mark = mark;
    this.#slack = slack;
  }

  get isAbove(): boolean {
    return (this.#was.at(-1)?.bytes ?? 0) > this.#mark;
  }

  /** @returns whether it is above the mark and was not before. */
  set(nowMs: number, bytes: number): boolean {
    const wasAbove = this.isAbove;
    this.#was.push({ sinceMs: nowMs, bytes });
    return this.isAbove && !wasAbove;
  }

  /** How much had to go when there was most, from one time to another; 0 = it was never above the mark. */
  most(fromMs: number, toMs: number): number {
    let most = 0;
    for (let i = this.#was.length - 1; i >= 0; i--) {
      const { sinceMs, bytes } = this.#was[i]!;
      if (sinceMs <= toMs && bytes > this.#mark) most = Math.max(most, bytes - this.#mark + this.#slack);
      if (sinceMs < fromMs) break;
    }
    return most;
  }
}
