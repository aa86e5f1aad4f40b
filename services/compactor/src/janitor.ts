import type { Clock } from '@kiln/async';
import {
  BRIEFLY,
  containedUpTo,
  deleteTombstones,
  deleteTrimmed,
  forgetGaps,
  MAX_DUPLICATE_WINDOW_MS,
  raiseTrim,
  retainBlocks,
  sweepBlocks,
  sweepLogs,
  type Catalog,
  type Chain,
  type KillPoint,
  type LiveBlock,
  type Manifest,
  type Patience,
} from '@kiln/catalog';
import { KilnError, type LogId, type TenantId } from '@kiln/model';
import type { GaugeMetric, Telemetry } from '@kiln/telemetry';
import { reachMs, type LimitsOf } from '@kiln/tenant';
import { MadeRoom } from './made-room.ts';
import { storedBytes, type Overview, type TenantView } from './overview.ts';
import type { Reserve } from './reserve.ts';
import type { Room } from './room.ts';

/** What a janitor stands on. */
export interface JanitorPorts {
  readonly catalog: Catalog;
  readonly limits: LimitsOf;
  /** For how long any tenant, known or not, may ask for what is appended now; Infinity = for ever. */
  readonly longestReachMs: () => number;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly room: Room;
  /** None = what deletes has no room of its own on a full disk. */
  readonly reserve?: Reserve | undefined;
  readonly killPoint?: KillPoint | undefined;
  /** Aborts when the process stops: what waits for a store in trouble ends then. */
  readonly stopping?: AbortSignal | undefined;
}

/** Rows are deleted this long after no query can see them any more, so that no clock and no plan is too late. */
const RETENTION_GRACE_MS = 3_600_000;
/** How often folders are searched for objects that nobody names. */
const SWEEP_MS = 24 * 3_600_000;

/** Lets go: RETAIN, TRIM and SWEEP of distributed.md §1.10. Works whether anybody compacts or not. */
export class Janitor {
  readonly #ports: JanitorPorts;
  readonly #sweptMs = new Map<TenantId, number>();
  #logsSweptMs = -Infinity;
  /** Up to where each log's objects were deleted, and when: where T stands still there is nothing but what a lost race left behind. */
  readonly #deleted = new Map<LogId, { readonly T: number; readonly atMs: number }>();
  readonly #lastRetention: GaugeMetric;
  readonly #madeRoom: MadeRoom;
  readonly #patience: Patience;

  constructor(ports: JanitorPorts) {
    this.#ports = ports;
    this.#patience = { ...BRIEFLY, signal: ports.stopping };
    this.#madeRoom = new MadeRoom(ports.clock, ports.telemetry);
    this.#lastRetention = ports.telemetry.metrics.gauge({
      name: 'kiln_compactor_last_retention_timestamp_seconds',
      help: 'When retention was last applied to every tenant without trouble.',
    });
  }

  /** What an operator should know of what was deleted. */
  notes(): string[] {
    return this.#madeRoom.notes();
  }

  /**
   * One round; the indexes of the overview are brought up to date.
   * @param troubles what went wrong is added; the others are not disturbed.
   * @returns how many objects were deleted.
   */
  async clean({ chains, tenants }: Overview, troubles: string[]): Promise<number> {
    const before = troubles.length;
    await this.#ports.reserve?.release(); // before anything is written here; a job may have filled the disk since the round began
    // First: it needs no room itself, objects are deleted before that is written down.
    let deleted = await this.#hurryTombstones(tenants, troubles);
    for (const [tenant, view] of tenants) {
      try {
        deleted += await this.#cleanTenant(tenant, view);
      } catch (error) {
        troubles.push(`tenant ${tenant}, retention: ${KilnError.from(error).message}`);
      }
    }
    if (troubles.length === before) this.#lastRetention.set(this.#ports.clock.nowMs() / 1000);
    for (const { log } of chains) {
      try {
        deleted += await this.#trim(log, chains, tenants);
      } catch (error) {
        troubles.push(`log ${log}, trim: ${KilnError.from(error).message}`);
      }
    }
    try {
      deleted += await this.#sweepLogs();
    } catch (error) {
      troubles.push(`logs, sweep: ${KilnError.from(error).message}`);
    }
    // Last: what was let go of before counts for nobody, and may be enough.
    deleted += await this.#hurryTombstones(tenants, troubles);
    deleted += await this.#makeRoom({ chains, tenants }, troubles);
    await this.#ports.reserve?.fill();
    return deleted;
  }

  async #sweepLogs(): Promise<number> {
    const { catalog, clock, longestReachMs } = this.#ports;
    if (clock.nowMs() - this.#logsSweptMs < SWEEP_MS) return 0;
    await forgetGaps(catalog, clock.nowMs() - longestReachMs() - RETENTION_GRACE_MS, this.#patience);
    const deleted = await sweepLogs(catalog, this.#patience);
    this.#logsSweptMs = clock.nowMs();
    return deleted;
  }

  /** With `oldest-goes`: the oldest blocks go at once, first a tenant's own above its limit, then anybody's above that of the disk. */
  async #makeRoom({ chains, tenants }: Pick<Overview, 'chains' | 'tenants'>, troubles: string[]): Promise<number> {
    const { room } = this.#ports;
    const note = (): void => {
      for (const [tenant, { index }] of tenants) room.note(tenant, storedBytes(chains, tenant, index));
    };
    const oldest = (): Going[] =>
      [...tenants]
        .flatMap(([tenant, { index }]) => index.blocks.map((block) => ({ tenant, block })))
        .toSorted((a, b) => a.block.maxMs - b.block.maxMs);
    note();
    const own = Map.groupBy(oldest(), ({ tenant }) => tenant);
    const above = [...own].flatMap(([tenant, some]) => firstBytes(some, room.surplusOf(tenant)));
    let deleted = await this.#dropAll(tenants, above, troubles);
    await room.look();
    deleted += await this.#dropAll(tenants, firstBytes(oldest(), room.surplus()), troubles);
    note();
    return deleted;
  }

  async #dropAll(tenants: Overview['tenants'], going: readonly Going[], troubles: string[]): Promise<number> {
    let deleted = 0;
    for (const [tenant, some] of Map.groupBy(going, (one) => one.tenant)) {
      const blocks = some.map(({ block }) => block);
      try {
        deleted += await this.#dropNow(tenant, tenants.get(tenant)!, blocks);
      } catch (error) {
        troubles.push(`tenant ${tenant}, making room: ${KilnError.from(error).message}`);
      }
    }
    return deleted;
  }

  /** Above the mark of the disk what was merged or let go of does not stay for an hour. */
  async #hurryTombstones(tenants: Overview['tenants'], troubles: string[]): Promise<number> {
    const { room } = this.#ports;
    await room.look();
    if (room.surplus() === 0) return 0;
    let deleted = 0;
    for (const [tenant, { index }] of tenants) {
      if (index.tombstones.length === 0) continue;
      try {
        deleted += await deleteTombstones(this.#ports.catalog, tenant, 0, this.#patience);
      } catch (error) {
        troubles.push(`tenant ${tenant}, making room: ${KilnError.from(error).message}`);
      }
    }
    return deleted;
  }

  /** There is no hour to wait: a query that was planned before finds the objects gone and plans anew. */
  async #dropNow(tenant: TenantId, view: TenantView, blocks: readonly LiveBlock[]): Promise<number> {
    const { catalog } = this.#ports;
    const names = new Set(blocks.map(({ object }) => object));
    const going = { goes: ({ object }: LiveBlock) => names.has(object), beforeMs: -Infinity, gapsBeforeMs: -Infinity };
    const { index, gone } = await retainBlocks(catalog, tenant, going, this.#patience);
    if (index !== undefined) view.index = index;
    if (gone.length > 0) this.#madeRoom.gone(tenant, gone); // else another compactor was first
    return deleteTombstones(catalog, tenant, 0, this.#patience);
  }

  async #cleanTenant(tenant: TenantId, view: TenantView): Promise<number> {
    const { catalog, clock, killPoint, limits } = this.#ports;
    if (view.index.rev === 0) return 0;
    const beforeMs = this.#oldestMs(tenant);
    const gapsBeforeMs = clock.nowMs() - reachMs(limits(tenant)) - RETENTION_GRACE_MS;
    const going = { goes: ({ maxMs }: LiveBlock) => maxMs < beforeMs, beforeMs, gapsBeforeMs };
    const { index } = await retainBlocks(catalog, tenant, going, this.#patience);
    if (index !== undefined) view.index = index;
    await killPoint?.('after-retain');
    let deleted = await deleteTombstones(catalog, tenant, undefined, this.#patience);
    const sweptMs = this.#sweptMs.get(tenant);
    if (sweptMs === undefined || clock.nowMs() - sweptMs > SWEEP_MS) {
      deleted += await sweepBlocks(catalog, tenant, this.#patience);
      this.#sweptMs.set(tenant, clock.nowMs());
    }
    return deleted;
  }

  /** Rows that are older may be deleted. */
  #oldestMs(tenant: TenantId): number {
    const { retentionPeriodMs } = this.#ports.limits(tenant);
    return retentionPeriodMs === 0 ? -Infinity : this.#ports.clock.nowMs() - retentionPeriodMs - RETENTION_GRACE_MS;
  }

  async #trim(log: LogId, chains: readonly Chain[], tenants: Overview['tenants']): Promise<number> {
    const { catalog, killPoint } = this.#ports;
    const raised = await raiseTrim(
      catalog,
      log,
      (manifest, { partition, tip }) => {
        const same = chains.filter((chain) => chain.partition === partition).map((chain) => chain.tip?.aMax ?? 0);
        const newest = Math.max(tip?.aMax ?? 0, ...same);
        return manifest.aMax < newest - MAX_DUPLICATE_WINDOW_MS && this.#isDone(manifest, tenants);
      },
      this.#patience,
    );
    await killPoint?.('after-trim');
    const T = raised?.T ?? Infinity;
    const last = this.#deleted.get(log);
    if (last !== undefined && last.T === T && this.#ports.clock.nowMs() - last.atMs < SWEEP_MS) return 0;
    const deleted = await deleteTrimmed(catalog, log, this.#patience, killPoint);
    this.#deleted.set(log, { T, atMs: this.#ports.clock.nowMs() });
    return deleted;
  }

  /** Whether every row of the manifest is in a block, or past its tenant's retention. */
  #isDone({ log, end, tenants: parts }: Manifest, tenants: Overview['tenants']): boolean {
    return parts.every(({ tenant, maxMs }) => {
      const view = tenants.get(tenant);
      if (view !== undefined && containedUpTo(view.index, log) >= end) return true;
      return maxMs < this.#oldestMs(tenant);
    });
  }
}

/** A block that may have to go. */
interface Going {
  readonly tenant: TenantId;
  readonly block: LiveBlock;
}

/** The first that have so many bytes together. */
function firstBytes(items: readonly Going[], bytes: number): readonly Going[] {
  let sum = 0;
  const end = items.findIndex(({ block }) => {
    if (sum >= bytes) return true;
    sum += block.size;
    return false;
  });
  return items.slice(0, end < 0 ? items.length : end);
}
