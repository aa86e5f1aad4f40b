import { MemoryLedger, type Clock, type Random } from '@kiln/async';
import {
  blockKey,
  commitBlocks,
  damagedPartKey,
  noteDamage,
  mergeBlocks,
  type Catalog,
  type Chain,
  type Commit,
  type KillPoint,
  type LiveBlock,
  type QuarantinedPart,
} from '@kiln/catalog';
import { KilnError, type LogId, type TenantId } from '@kiln/model';
import type { Telemetry } from '@kiln/telemetry';
import type { LimitsOf } from '@kiln/tenant';
import type { BuildJob, Builder, Built, BuiltBlock } from './build-blocks.ts';
import { CompactorMetrics } from './compactor-metrics.ts';
import type { CompactorConfig } from './config.ts';
import { Janitor } from './janitor.ts';
import { readOverview, type Overview, type TenantView } from './overview.ts';
import type { Reserve } from './reserve.ts';
import type { Room } from './room.ts';
import { planCompaction, planMerge, uncompacted, type CompactJob, type MergeJob } from './plan.ts';
import { windowsAt } from './windows.ts';

/** What a compactor stands on. */
export interface CompactorPorts {
  readonly catalog: Catalog;
  readonly builder: Builder;
  readonly limits: LimitsOf;
  /** For how long any tenant, known or not, may ask for what is appended now; Infinity = for ever. */
  readonly longestReachMs: () => number;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly room: Room;
  /** Of the disk, for letting go when it is full: while it is out nothing is compacted. None = there is none. */
  readonly reserve?: Reserve | undefined;
  /** Of the process: what a job holds is counted in it, so that heads make room. */
  readonly ledger?: MemoryLedger | undefined;
  /** Called between the steps of a job: `before-blocks`, `after-block`, `after-blocks`, `after-commit`, and those of the janitor. */
  readonly killPoint?: KillPoint | undefined;
}

/** What a round did. */
export interface Round {
  readonly jobs: number;
  readonly blocks: number;
  readonly deleted: number;
  /** Tenants and logs that something went wrong with, and what. */
  readonly troubles: readonly string[];
}

/**
 * Memory that a job takes for each byte that it reads, about: four times for pages, decompressed and written again, twelve for symbols, whose tables are
 * what a job over a million stacks holds.
 */
const MEMORY_PER_BYTE = 8;
/** How often a damaged block is read again: people put it back, bytes do not mend. */
const LOOK_AGAIN_MS = 24 * 3_600_000;

/**
 * Makes blocks of segments and larger blocks of smaller ones, lets go of what is past its time, and deletes what nobody names any more (design:
 * distributed.md §1.10, §2.3). It remembers nothing that matters: every round plans from what is stored, and any number of compactors may run at once.
 */
export class Compactor {
  readonly #config: CompactorConfig;
  readonly #ports: CompactorPorts;
  readonly #janitor: Janitor;
  readonly #metrics: CompactorMetrics;
  readonly #ledger: MemoryLedger;
  readonly #stopping = new AbortController();
  #chains: ReadonlyMap<LogId, Chain> = new Map();
  readonly #revs = new Map<TenantId, number>();
  #running: Promise<void> | undefined;
  #round: Promise<Round> | undefined;
  #notes: readonly string[] = [];
  /** When a damaged block was last read again. */
  readonly #lookedMs = new Map<string, number>();

  constructor(config: CompactorConfig, ports: CompactorPorts) {
    this.#config = config;
    this.#ports = ports;
    this.#janitor = new Janitor({ ...ports, stopping: this.#stopping.signal });
    this.#metrics = new CompactorMetrics(ports.telemetry.metrics);
    this.#ledger = ports.ledger ?? MemoryLedger.create();
  }

  /** Begins to run a round each interval; returns at once. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends after the step that is under way, and waits for no store in trouble; what a job has made and not committed is swept later. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#round?.catch(() => undefined);
  }

  /** What an operator should know: damaged blocks and parts, as of the last round, and what was deleted for room. */
  notes(): readonly string[] {
    return [...this.#notes, ...this.#janitor.notes()];
  }

  /**
   * One round over all tenants. Rounds of one compactor never overlap.
   * @param now compacts and merges whatever there is, due or not.
   */
  async round({ now = false }: { readonly now?: boolean } = {}): Promise<Round> {
    while (this.#round !== undefined) await this.#round.catch(() => undefined);
    this.#round = this.#once(now).finally(() => (this.#round = undefined));
    return this.#round;
  }

  async #run(): Promise<void> {
    const { clock, telemetry } = this.#ports;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await clock.sleep(this.#config.intervalMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const { troubles } = await this.round();
        if (signal.aborted) return; // what was given up for the stop is no trouble
        for (const trouble of troubles) telemetry.log.error('compaction is in trouble', { trouble });
      } catch (error) {
        telemetry.log.error('compaction is in trouble', { trouble: KilnError.from(error).message });
      }
    }
  }

  async #once(now: boolean): Promise<Round> {
    const { clock, catalog } = this.#ports;
    const overview = await readOverview(catalog, this.#chains, this.#revs);
    this.#chains = new Map(overview.chains.map((chain) => [chain.log, chain]));
    const troubles = [...overview.troubles];
    const waits = this.#config.enabled ? await this.#waits() : undefined;
    if (waits !== undefined) troubles.push(`compaction waits: ${waits}`);
    const works = this.#config.enabled && waits === undefined;
    const work = works ? await this.#work(overview, now, troubles) : { jobs: 0, blocks: 0 };
    const deleted = await this.#janitor.clean(overview, troubles);
    this.#observe(overview, clock.nowMs());
    return { ...work, deleted, troubles };
  }

  /** Why no job may begin: what room there is belongs to who deletes, and a job needs some first. */
  async #waits(): Promise<string | undefined> {
    const { reserve } = this.#ports;
    await reserve?.release();
    return reserve?.refusal();
  }

  /** Each tenant gets one job in turn, until none has any. One that fails waits for the next round. */
  async #work(
    { chains, tenants }: Overview,
    now: boolean,
    troubles: string[],
  ): Promise<{ readonly jobs: number; readonly blocks: number }> {
    await this.#lookAgain(tenants, now, troubles);
    const waiting = new Map(tenants);
    let jobs = 0;
    let blocks = 0;
    while (waiting.size > 0) {
      for (const [tenant, view] of waiting) {
        if (this.#stopping.signal.aborted) return { jobs, blocks };
        const { clock, room } = this.#ports;
        // Only blocks can leave a tenant that has too much: segments become some at once.
        const atOnce = now || room.surplusOf(tenant) > 0;
        const job =
          planCompaction({ chains, tenant, ...view }, this.#config, clock.nowMs(), atOnce) ??
          planMerge({ tenant, index: view.index }, this.#config, clock.nowMs());
        if (job === undefined) {
          waiting.delete(tenant);
          continue;
        }
        try {
          const waits = await this.#waits(); // somebody may have filled the disk since the round began
          if (waits !== undefined) throw new KilnError('unavailable', waits);
          const made = await this.#counted(job, () =>
            job.kind === 'compact' ? this.#compact(job, view) : this.#merge(job, view),
          );
          this.#metrics.job(job.kind, made === undefined ? 'discarded' : 'committed');
          jobs++;
          blocks += made ?? 0;
          if (made === undefined) waiting.delete(tenant); // planned on an index that is old: the next round reads it anew
        } catch (error) {
          waiting.delete(tenant);
          this.#metrics.job(job.kind, 'failed');
          troubles.push(`tenant ${tenant}, ${job.kind}: ${KilnError.from(error).message}`);
        }
      }
    }
    return { jobs, blocks };
  }

  /** Reads blocks again that were found damaged: one that was put back counts as whole from then on. Every day, and when somebody asks for a round. */
  async #lookAgain(tenants: Overview['tenants'], now: boolean, troubles: string[]): Promise<void> {
    const { catalog, clock, builder, telemetry } = this.#ports;
    for (const [tenant, view] of tenants) {
      for (const block of view.index.blocks.filter(({ damage }) => damage !== undefined)) {
        if (this.#stopping.signal.aborted) return;
        const looked = this.#lookedMs.get(block.object);
        if (!now && looked !== undefined && clock.nowMs() - looked < LOOK_AGAIN_MS) continue;
        this.#lookedMs.set(block.object, clock.nowMs());
        const job = { tenant, sources: [block], windows: windowsAt(this.#config, clock.nowMs()) };
        try {
          const built = await this.#counted(job, () => builder.build({ ...job, nonce: this.#nonce(), gone: [] }));
          if (built.missing !== undefined || built.damage.length > 0) continue;
          const whole = new Map([[block.object, undefined]]);
          view.index = (await noteDamage(catalog, tenant, whole, this.#patience())) ?? view.index;
          telemetry.log.info('a block that was damaged is whole again', { object: block.object });
        } catch (error) {
          troubles.push(`tenant ${tenant}, damaged block: ${KilnError.from(error).message}`);
        }
      }
    }
  }

  /**
   * Works while the ledger holds what the job may take. A job is never refused, or a process at its ceiling would keep segments for ever: it is small by
   * `maxJobBytes`, and heads are cut to make room for it.
   */
  async #counted<T>({ sources }: Pick<BuildJob, 'sources'>, work: () => Promise<T>): Promise<T> {
    const bytes = MEMORY_PER_BYTE * sources.reduce((sum, { len }) => sum + len, 0);
    this.#ledger.move('merges', 0, bytes);
    try {
      return await work();
    } finally {
      this.#ledger.move('merges', bytes, 0);
    }
  }

  /** COMPACT, steps 3 to 5. @returns how many blocks were made; undefined when somebody else was first. */
  async #compact(job: CompactJob, view: TenantView): Promise<number | undefined> {
    const { tenant, commit } = job;
    const nonce = this.#nonce();
    const built = await this.#build(job, nonce);
    if (built === undefined) return undefined;
    const quarantine: QuarantinedPart[] = [];
    const kept = new Map<number, number>();
    for (const { source, rows, minMs, maxMs, reason } of built.damage) {
      const object = damagedPartKey(tenant, commit.rev, numbered(nonce, source));
      // Once for all datasets that are damaged in it: a part may have thousands.
      const len = kept.get(source) ?? (await this.#keepDamaged(object, job.sources[source]!));
      kept.set(source, len);
      quarantine.push({ object, off: 0, len, rows, minMs, maxMs, reason, sinceMs: this.#ports.clock.nowMs() });
    }
    const blocks = await this.#putBlocks(tenant, commit.rev, built.blocks);
    const done = await commitBlocks(this.#ports.catalog, tenant, { ...commit, blocks, quarantine }, this.#patience());
    await this.#ports.killPoint?.('after-commit');
    for (const { reason } of quarantine)
      this.#ports.telemetry.log.error('rows of a segment cannot be read and are in no block', { reason });
    return this.#committed(done, view, built);
  }

  /** MERGE. A source that is damaged stays as it is, and is noted. */
  async #merge(job: MergeJob, view: TenantView): Promise<number | undefined> {
    const { tenant, rev, sources } = job;
    const built = await this.#build(job, this.#nonce());
    if (built === undefined) return undefined;
    const { catalog, killPoint, telemetry } = this.#ports;
    if (built.damage.length > 0) {
      const damage = new Map(built.damage.map(({ source, reason }) => [sources[source]!.object, reason]));
      for (const reason of damage.values())
        telemetry.log.error('a block is damaged and will not be merged', { reason });
      await noteDamage(catalog, tenant, damage, this.#patience());
      return undefined;
    }
    const blocks = await this.#putBlocks(tenant, rev, built.blocks);
    const merged = { rev, sources: sources.map(({ object }) => object), blocks };
    const done = await mergeBlocks(catalog, tenant, merged, this.#patience());
    await killPoint?.('after-commit');
    return this.#committed(done, view, built);
  }

  /** Undefined when an object was missing for the first time: the plan may be old. Missing twice, it counts as damaged. */
  async #build(job: CompactJob | MergeJob, nonce: string): Promise<Built | undefined> {
    const { tenant, sources, windows } = job;
    const task: BuildJob = { tenant, sources, windows, nonce, gone: this.#goneOf(job) };
    const built = await this.#ports.builder.build(task);
    if (built.missing === undefined) {
      for (const { object } of sources) this.#missed.delete(object);
      return built;
    }
    this.#missed.add(built.missing);
    return undefined;
  }

  /** Objects that were missing in a round before, although what was planned on names them. */
  readonly #missed = new Set<string>();

  #goneOf({ sources }: CompactJob | MergeJob): number[] {
    return sources.flatMap(({ object }, number) => (this.#missed.has(object) ? [number] : []));
  }

  /** Keeps the bytes of a part that cannot be read, for people. @returns how many there are. */
  async #keepDamaged(key: string, { object, off, len }: { object: string; off: number; len: number }): Promise<number> {
    const bytes = await this.#ports.catalog.objects.getRange(object, off, len);
    if (bytes === undefined || bytes.length === 0) return len;
    await this.#ports.catalog.objects.putIfAbsent(key, bytes);
    return bytes.length;
  }

  async #putBlocks(tenant: TenantId, rev: number, built: readonly BuiltBlock[]): Promise<LiveBlock[]> {
    const { catalog, clock, killPoint } = this.#ports;
    await killPoint?.('before-blocks');
    const blocks: LiveBlock[] = [];
    for (const { blockId, bytes, level, off, len, rows, minMs, maxMs } of built) {
      const object = blockKey(tenant, rev, blockId);
      await catalog.objects.put(object, bytes).catch(async (error: unknown) => {
        await this.#takeBack([...blocks.map((block) => block.object), object]);
        throw error;
      });
      blocks.push({ object, off, len, rows, minMs, maxMs, level, size: bytes.length, madeMs: clock.nowMs() });
      await killPoint?.('after-block');
    }
    await killPoint?.('after-blocks');
    return blocks;
  }

  /** Deletes what no commit names: on a disk that is full every round would leave some more there until a sweep. */
  async #takeBack(objects: readonly string[]): Promise<void> {
    for (const object of objects) await this.#ports.catalog.objects.delete(object).catch(() => undefined);
  }

  #committed({ outcome, index }: Commit, view: TenantView, { blocks, copies, conflicts }: Built): number | undefined {
    if (index !== undefined) view.index = index;
    if (outcome === 'discarded') return undefined;
    if (conflicts > 0)
      this.#ports.telemetry.log.warn('rows with one series, time and id have other values: all are kept', {
        conflicts,
      });
    this.#metrics.built(blocks, copies);
    return blocks.length;
  }

  #nonce(): string {
    const word = (): string =>
      Math.floor(this.#ports.random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0');
    return word() + word() + word() + word();
  }

  #patience(): { readonly signal: AbortSignal; readonly deadlineMs: number } {
    return { signal: this.#stopping.signal, deadlineMs: 60_000 };
  }

  #observe({ chains, tenants }: Overview, nowMs: number): void {
    let bytes = 0;
    let sinceMs = nowMs;
    let blocks = 0;
    const notes: string[] = [];
    for (const [tenant, { index }] of tenants) {
      const left = uncompacted(chains, tenant, index);
      bytes += left.bytes;
      sinceMs = Math.min(sinceMs, left.sinceMs ?? nowMs);
      blocks += index.blocks.length;
      for (const { object, damage } of index.blocks)
        if (damage !== undefined) notes.push(`compactor: block ${object} is damaged: ${damage}`);
      for (const { rows, reason, object } of index.quarantine)
        notes.push(
          `compactor: ${rows} rows of tenant ${tenant} cannot be read (${reason}); their bytes are kept in ${object}`,
        );
    }
    this.#notes = notes;
    this.#metrics.observe({ bytes, ageMs: nowMs - sinceMs, blocks, damaged: notes.length });
  }
}

/** The nonce with its last word replaced by a number, as block ids are made. */
function numbered(nonce: string, number: number): string {
  return nonce.slice(0, 24) + number.toString(16).padStart(8, '0');
}
