import type { Clock } from '@kiln/async';
import { KilnError, type TenantId } from '@kiln/model';
import type { Logger, Metrics } from '@kiln/telemetry';
import type { LimitsOf } from '@kiln/tenant';

/** How full the file system below the data directory is. */
export interface DiskUsage {
  readonly usedBytes: number;
  readonly totalBytes: number;
}

/** What happens when storage is full. */
export type WhenFull = 'refuse' | 'oldest-goes';

export interface RoomConfig {
  /** Share of the file system, above 0 and at most 1, that may be used by whomever. */
  readonly highWater: number;
  readonly whenFull: WhenFull;
}

export interface RoomPorts {
  /** Undefined when nobody can say. */
  readonly usage: () => Promise<DiskUsage | undefined>;
  readonly limits: LimitsOf;
  readonly clock: Clock;
  /** Hears when pushes of everybody begin to be refused, and when that ends; none = nobody does. */
  readonly log?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
}

const LOOK_MS = 5_000;
const RETRY_SECONDS = 60;
/** What is freed at once below a mark, so that the mark is not reached again at the next push. */
const SLACK = 0.02;
/** What a tenant may have of its limit while its oldest data goes: above it deleting is too slow, or nobody makes blocks that could go. */
const LAST_SHARE = 1.1;
/** Tenants that a note names. */
const NAMED = 10;

/** Knows how much may still be stored: below the high-water mark of the disk, and below each tenant's own limit. */
export class Room {
  readonly #config: RoomConfig;
  readonly #ports: RoomPorts;
  readonly #stored = new Map<TenantId, number>();
  readonly #stopping = new AbortController();
  #disk: DiskUsage | undefined;
  /** Bytes that no look has seen: those that are being written, and those that were written since the last one. */
  #comingBytes = 0;
  #writtenBytes = 0;
  #refusesAll = false;
  #looking: Promise<void> | undefined;

  constructor(config: RoomConfig, ports: RoomPorts) {
    this.#config = config;
    this.#ports = ports;
    ports.metrics?.gaugeOf(
      {
        name: 'kiln_compactor_tenants_over_max_stored_bytes',
        help: 'Tenants whose pushes are refused because of max_stored_bytes; /ready?verbose names them.',
      },
      () => this.#refusedTenants().length,
    );
  }

  /** Begins to look at the disk every few seconds; returns after the first look. */
  async start(): Promise<void> {
    await this.look();
    this.#looking ??= this.#watch();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#looking;
  }

  async look(): Promise<void> {
    const seen = this.#writtenBytes;
    this.#disk = await this.#ports.usage().catch(() => undefined);
    this.#writtenBytes -= seen; // what came during the look may count twice until the next one
    const why = this.#refusal();
    if ((why !== undefined) === this.#refusesAll) return;
    this.#refusesAll = why !== undefined;
    if (this.#refusesAll) this.#ports.log?.warn('pushes are refused for want of room', { why });
    else this.#ports.log?.info('pushes are taken again, there is room');
  }

  /** Takes note of what a tenant has in objects. */
  note(tenant: TenantId, storedBytes: number): void {
    this.#stored.set(tenant, storedBytes);
  }

  /** Why nothing more may be stored by anybody; undefined while there is room. */
  full(): string | undefined {
    if (this.#disk === undefined || this.#overDisk(0) <= 0) return undefined;
    const { usedBytes, totalBytes } = this.#disk;
    // Rounded up: just above the mark it would read like the mark.
    const share = Math.min(100, Math.ceil(((usedBytes + this.#unseenBytes()) * 1000) / totalBytes) / 10).toFixed(1);
    return `the disk of the data directory is ${share} % full, allowed are ${this.#config.highWater * 100} % (flag --storage.high-water)`;
  }

  /**
   * @throws KilnError `unavailable` when a push of the tenant would be too much: when the setting says that the oldest data goes instead, only while
   * the disk is as good as full, or the tenant a tenth above its limit.
   */
  check(tenant: TenantId): void {
    const { whenFull } = this.#config;
    const full = this.#refusal();
    if (full !== undefined) throw refused(full, whenFull === 'refuse' ? SHORTEN : `${NOT_YET}: make room`);
    const has = this.#tooMuch(tenant);
    if (has === undefined) return;
    throw refused(
      `the tenant has ${has}`,
      whenFull === 'refuse'
        ? SHORTEN
        : `${NOT_YET}: raise it, and see that compactor.enabled is true, because only blocks can go`,
    );
  }

  /**
   * As `check`, and counts bytes that will be written: between two looks the log alone could fill a small disk. So the mark is passed by one push, and by
   * what is written but not pushed.
   * @returns what ends when they are written, or not.
   */
  take(tenant: TenantId, bytes: number): Disposable {
    this.check(tenant);
    this.#comingBytes += bytes;
    return {
      [Symbol.dispose]: () => {
        this.#comingBytes -= bytes;
        this.#writtenBytes += bytes;
      },
    };
  }

  /** What a tenant whose pushes are refused for it has, and may have. */
  #tooMuch(tenant: TenantId): string | undefined {
    const { maxStoredBytes } = this.#ports.limits(tenant);
    const stored = this.#stored.get(tenant) ?? 0;
    const most = this.#config.whenFull === 'refuse' ? maxStoredBytes : maxStoredBytes * LAST_SHARE;
    if (maxStoredBytes === 0 || stored < most) return undefined;
    return `${stored} bytes stored, allowed are ${maxStoredBytes} (max_stored_bytes, flag --storage.max-stored-bytes)`;
  }

  #refusedTenants(): TenantId[] {
    return [...this.#stored.keys()].filter((tenant) => this.#tooMuch(tenant) !== undefined);
  }

  /** Lines for `/ready?verbose`: whose pushes are refused, and why. */
  notes(): string[] {
    const full = this.full();
    const tenants = this.#refusedTenants();
    const named = tenants
      .slice(0, NAMED)
      .map((tenant) => `pushes of tenant ${tenant} are refused: it has ${this.#tooMuch(tenant)}`);
    const more = tenants.length - NAMED;
    return [
      ...(full === undefined ? [] : [full]),
      ...named,
      ...(more > 0 ? [`pushes of ${more} more tenants are refused: max_stored_bytes`] : []),
    ];
  }

  /** Why every push is refused now, if it is. */
  #refusal(): string | undefined {
    return this.#config.whenFull === 'refuse' || this.#isLast() ? this.full() : undefined;
  }

  /** How many bytes of the oldest data have to go, 0 = none: of everybody, for the disk. */
  surplus(): number {
    return this.#config.whenFull === 'oldest-goes' && this.#overDisk(0) > 0 ? this.#overDisk(SLACK) : 0;
  }

  /** As `surplus`, of one tenant for its own limit. */
  surplusOf(tenant: TenantId): number {
    const { maxStoredBytes } = this.#ports.limits(tenant);
    const stored = this.#stored.get(tenant) ?? 0;
    if (this.#config.whenFull !== 'oldest-goes' || maxStoredBytes === 0 || stored <= maxStoredBytes) return 0;
    return stored - maxStoredBytes * (1 - SLACK);
  }

  #unseenBytes(): number {
    return this.#comingBytes + this.#writtenBytes;
  }

  /** Bytes above the mark, or above `below` of the disk less than it. */
  #overDisk(below: number): number {
    if (this.#disk === undefined) return 0;
    const { usedBytes, totalBytes } = this.#disk;
    return usedBytes + this.#unseenBytes() - totalBytes * Math.max(0, this.#config.highWater - below);
  }

  /** Half of what was left above the mark is gone: deleting is too slow, or there is nothing to delete. */
  #isLast(): boolean {
    return this.#overDisk(-(1 - this.#config.highWater) / 2) > 0;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#ports.clock.sleep(LOOK_MS, signal).catch(() => undefined);
      if (!signal.aborted) await this.look();
    }
  }
}

const SHORTEN = ': shorten retention_period, make room, or set --storage.when-full=oldest-goes';
const NOT_YET = ', and the oldest data is not gone yet';

function refused(why: string, way: string): KilnError {
  return new KilnError('unavailable', why + way, { reason: 'storage_full', retryAfterSeconds: RETRY_SECONDS });
}
