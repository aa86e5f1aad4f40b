import { crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { ManualClock, MemoryLedger, seededRandom } from '@kiln/async';
import {
  openPart,
  PageBuilder,
  SymbolTable,
  writeSegment,
  type Codecs,
  type DatasetTables,
  type KeptIds,
} from '@kiln/block';
import {
  commitCut,
  containedUpTo,
  readChain,
  readTenantIndex,
  readTrim,
  openCluster,
  registerLog,
  type Catalog,
  type Chain,
  type Gap,
  type KillPoint,
} from '@kiln/catalog';
import { labelSet, makeLogId, type LogId, type TenantId } from '@kiln/model';
import { memoryStore, type ObjectStore } from '@kiln/objstore';
import { createLogger, createMetrics, type MetricsRegistry } from '@kiln/telemetry';
import { defaultLimits, reachMs, type Limits } from '@kiln/tenant';
import {
  buildBlocks,
  Compactor,
  compactorDefaults,
  Room,
  type CompactorConfig,
  type Reserve,
  type WhenFull,
} from '../index.ts';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
/** Noon of a day, UTC. */
export const NOON: number = 19_000 * DAY + 12 * HOUR;

/** A profile as this world knows it: one number at one time. The number is also its id and its value. */
export interface Row {
  readonly tenant: TenantId;
  readonly service: string;
  readonly timeMs: number;
  readonly value: number;
}

/** A log whose rows are cut on demand, real segments and manifests on a memory store, and compactors over them. */
export class World {
  readonly clock = new ManualClock(NOON);
  readonly objects: ObjectStore = memoryStore();
  readonly catalog: Catalog;
  readonly log: LogId = makeLogId('a'.repeat(32), 0);
  readonly metrics: MetricsRegistry = createMetrics({ ofProcess: false });
  readonly limits = new Map<TenantId, Partial<Limits>>();
  readonly ledger: MemoryLedger = MemoryLedger.create();
  /** What the ledger held for each job while it was built, bytes. */
  readonly heldForJobs: number[] = [];
  /** How full the disk is, in bytes of 1,000. */
  usedBytes = 0;
  whenFull: WhenFull = 'refuse';
  longestReachMs: number = reachMs(defaultLimits);
  reserve: Reserve | undefined;
  /** Lines that compactors logged. */
  readonly lines: string[] = [];
  chain!: Chain;
  #rows: Row[] = [];
  #end = -1;
  #seeds = 0;

  constructor() {
    this.catalog = { objects: this.objects, crc32, clock: this.clock, random: seededRandom(1) };
  }

  static async make(): Promise<World> {
    const world = new World();
    await openCluster(world.catalog, { partitions: 1 });
    await registerLog(world.catalog, { log: world.log, partition: 0 });
    await world.follow();
    return world;
  }

  get room(): Room {
    return new Room(
      { highWater: 0.9, whenFull: this.whenFull },
      {
        usage: async () => ({ usedBytes: this.usedBytes, totalBytes: 1000 }),
        limits: (tenant) => ({ ...defaultLimits, ...this.limits.get(tenant) }),
        clock: this.clock,
      },
    );
  }

  async follow(): Promise<void> {
    this.chain = (await readChain(this.catalog, this.log))!;
  }

  push(...rows: readonly Row[]): void {
    this.#rows.push(...rows);
    this.#end += rows.length;
  }

  async cut(gaps: readonly Gap[] = []): Promise<void> {
    const byTenant = Map.groupBy(this.#rows, ({ tenant }) => tenant);
    const ids = idsOf(this.#rows, this.clock.nowMs());
    this.#rows = [];
    const written = writeSegment(
      {
        logId: this.log,
        start: this.chain.E,
        end: this.#end,
        blockId: new Uint8Array(16),
        tenants: [...byTenant].map(([tenant, own]) => ({ tenant, datasets: tablesOf(own) })),
        ids,
      },
      codecs,
    );
    const segment = byTenant.size === 0 ? undefined : { ...written, tenants: written.entries };
    const cut = { chain: this.chain, end: this.#end, aMax: this.clock.nowMs(), segment, gaps, writer: 'world' };
    this.chain = (await commitCut(this.catalog, cut)).chain!;
  }

  compactor(
    config: Partial<CompactorConfig> = {},
    killPoint?: KillPoint,
    catalog: Catalog = this.catalog,
    room: Room = this.room,
  ): Compactor {
    const { clock, limits, metrics } = this;
    const log = createLogger({ level: 'info', write: (line) => this.lines.push(line), nowMs: () => clock.nowMs() });
    return new Compactor(
      { ...compactorDefaults, ...config },
      {
        catalog,
        ledger: this.ledger,
        builder: {
          build: (job) => {
            this.heldForJobs.push(this.ledger.bytesOf('merges'));
            return buildBlocks({ objects: catalog.objects, codecs }, job);
          },
        },
        limits: (tenant) => ({ ...defaultLimits, ...limits.get(tenant) }),
        longestReachMs: () => this.longestReachMs,
        clock,
        random: seededRandom(++this.#seeds),
        room,
        reserve: this.reserve,
        telemetry: { log, metrics: this.#seeds === 1 ? metrics : createMetrics({ ofProcess: false }) },
        killPoint,
      },
    );
  }

  async after(ms: number): Promise<void> {
    await this.clock.run(this.clock.sleep(ms));
  }

  /** Every value of a tenant that a query would sum, in order: blocks, and segments above what they contain. */
  async values(tenant: TenantId): Promise<number[]> {
    const trim = await readTrim(this.catalog);
    const index = await readTenantIndex(this.catalog, tenant);
    const places: { readonly object: string; readonly off: number; readonly len: number }[] = [...index.blocks];
    for (const { log, T } of trim.logs) {
      const from = Math.max(T, containedUpTo(index, log));
      for (const { end, object, tenants } of (await readChain(this.catalog, log))!.manifests)
        for (const part of tenants) if (end > from && part.tenant === tenant) places.push({ ...part, object: object! });
    }
    const values: number[] = [];
    for (const { object, off, len } of places) {
      const bytes = await this.objects.getRange(object, off, len);
      for (const dataset of openPart(bytes!, tenant, codecs).datasets) {
        const { rows } = dataset.tables();
        values.push(...rows.totals[0]!.lo.subarray(0, rows.length));
      }
    }
    return values.toSorted((a, b) => a - b);
  }

  async keys(part: string): Promise<string[]> {
    return (await this.objects.list('', {})).filter((key) => key.includes(part));
  }
}

export const codecs: Codecs = {
  crc32,
  zstdCompress: (bytes) => zstdCompressSync(bytes),
  zstdDecompress: (bytes, maxLength) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxLength) }),
};

function idsOf(rows: readonly Row[], appendMs: number): KeptIds {
  const id = new Uint8Array(16 * rows.length);
  for (const [i, { value }] of rows.entries()) new DataView(id.buffer).setFloat64(16 * i + 8, value);
  return {
    length: rows.length,
    id,
    appendMs: new Float64Array(rows.length).fill(appendMs),
    windowMs: new Float64Array(rows.length).fill(HOUR),
  };
}

/** One dataset per service, with one series and no stacks but the empty one. */
function tablesOf(rows: readonly Row[]): DatasetTables[] {
  return [...Map.groupBy(rows, ({ service }) => service)].map(([service, own]): DatasetTables => {
    const symbols = new SymbolTable();
    symbols.stacks.intern(0);
    const page = new PageBuilder(1);
    const id = new Uint8Array(8 * own.length);
    for (const [i, { value }] of own.entries()) {
      page.add(new Uint32Array([0]), [{ lo: new Float64Array([value]), hi: undefined }], 1);
      new DataView(id.buffer).setFloat64(i * 8, value);
    }
    const times = own.map(({ timeMs }) => timeMs);
    return {
      service,
      name: 'cpu',
      types: [{ type: 'cpu', unit: 'nanoseconds', periodType: 'cpu', periodUnit: 'nanoseconds' }],
      minMs: Math.min(...times),
      maxMs: Math.max(...times),
      series: [labelSet([{ name: 'service_name', value: service }])],
      rows: {
        length: own.length,
        series: new Uint32Array(own.length),
        timeMs: Float64Array.from(times),
        id,
        offset: Float64Array.from(own, (_, i) => i),
        totals: [{ lo: Float64Array.from(own, ({ value }) => value), hi: undefined }],
      },
      pages: [{ firstRow: 0, rows: own.length, bytes: page.toBytes() }],
      symbols: symbols.symbols(),
      spans: undefined,
    };
  });
}
