import { crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { ManualClock, seededRandom, type Random } from '@kiln/async';
import { PageBuilder, SymbolTable, writeSegment, type Codecs, type DatasetTables } from '@kiln/block';
import {
  commitCut,
  readChain,
  registerLog,
  type Catalog,
  type Chain,
  type Gap,
  type LogFrom,
  type OwnerAnswer,
} from '@kiln/catalog';
import { KilnError, labelSet, makeLogId, type LogId, type TenantId } from '@kiln/model';
import { memoryStore, type ObjectStore } from '@kiln/objstore';
import { runQuery, type Query, type QueryLimits } from '@kiln/query';
import type { Owners } from '../owners.ts';
import { Querier, type QuerierLimits, type QuerierPorts } from '../querier.ts';

/** A profile as this world knows it: one value at one time. */
export interface Row {
  readonly tenant: TenantId;
  readonly timeMs: number;
  readonly value: number;
  readonly offset: number;
}

export const NOW = 1_700_000_000_000;
export const HOUR = 3_600_000;

/** Logs with owners that keep rows in lists and commit real manifests on a memory store; whose segments are real but for their empty pages. */
export class World {
  readonly clock = new ManualClock(NOW);
  readonly random: Random;
  readonly objects: ObjectStore = memoryStore();
  readonly catalog: Catalog;
  readonly logs: OwnedLog[] = [];
  limits: QuerierLimits = { retentionPeriodMs: 0, rejectNewerThanMs: HOUR };

  constructor(seed = 1) {
    this.random = seededRandom(seed);
    this.catalog = { objects: this.objects, crc32, clock: this.clock, random: this.random };
  }

  async open(partition: number): Promise<OwnedLog> {
    const log = makeLogId(partition.toString(16).repeat(16), partition);
    await registerLog(this.catalog, { log, partition });
    const owned = new OwnedLog(this, log, partition);
    await owned.follow();
    this.logs.push(owned);
    return owned;
  }

  owners(): Owners {
    return {
      answer: async (tenant, query, from, limits) => {
        const asked = from
          .map(({ logId }) => this.logs.find(({ log }) => log === logId))
          .filter((log) => log !== undefined);
        if (asked.length === 0) throw new KilnError('unavailable', 'not followed here', { reason: 'not_owner' });
        return asked.map((log) => log.answer(tenant, query, from, limits));
      },
    };
  }

  querier(ports: Partial<QuerierPorts> = {}): Querier {
    const { objects, clock } = this;
    return new Querier({
      objects,
      owners: this.owners(),
      codecs,
      clock,
      limits: () => this.limits,
      ...ports,
    });
  }

  run<T>(work: Promise<T>): Promise<T> {
    return this.clock.run(work);
  }
}

/** One partition's log with its owner. */
export class OwnedLog {
  readonly log: LogId;
  readonly partition: number;
  readonly rows: Row[] = [];
  gaps: Gap[] = [];
  H = -1;
  chain!: Chain;
  readonly #world: World;

  constructor(world: World, log: LogId, partition: number) {
    this.#world = world;
    this.log = log;
    this.partition = partition;
  }

  async follow(): Promise<void> {
    this.chain = (await readChain(this.#world.catalog, this.log, this.chain))!;
  }

  push(tenant: TenantId, timeMs: number, value: number): void {
    this.rows.push({ tenant, timeMs, value, offset: ++this.H });
  }

  async cut(): Promise<void> {
    if (this.H === this.chain.E) return;
    const rows = this.rows.filter(({ offset }) => offset > this.chain.E);
    const byTenant = Map.groupBy(rows, ({ tenant }) => tenant);
    const written = writeSegment(
      {
        logId: this.log,
        start: this.chain.E,
        end: this.H,
        blockId: new Uint8Array(16),
        tenants: [...byTenant].map(([tenant, own]) => ({ tenant, datasets: [tableOf(own)] })),
        ids: { length: 0, id: new Uint8Array(), appendMs: new Float64Array(), windowMs: new Float64Array() },
      },
      codecs,
    );
    const segment = { ...written, tenants: written.entries };
    const gaps = this.gaps.filter(({ upTo }) => upTo > this.chain.E);
    const cut = {
      chain: this.chain,
      end: this.H,
      aMax: NOW,
      segment: rows.length > 0 ? segment : undefined,
      gaps,
      writer: 'world',
    };
    this.chain = (await commitCut(this.#world.catalog, cut)).chain!;
  }

  answer(tenant: TenantId, query: Query, asked: readonly LogFrom[], limits: QueryLimits): OwnerAnswer {
    const from = asked.find(({ logId }) => logId === this.log)!.from;
    const { manifests, E } = this.chain;
    const head = this.rows.filter((row) => row.tenant === tenant && row.offset > Math.max(from, E));
    return {
      logId: this.log,
      refs: manifests
        .filter(({ end }) => end > from)
        .flatMap(({ object, tenants }) =>
          tenants.filter((part) => part.tenant === tenant).map((part) => ({ ...part, object: object! })),
        ),
      partial: runQuery(query, head.length === 0 ? [] : [tableOf(head)], limits),
      gaps: this.gaps.filter(({ upTo }) => upTo > from),
      E,
      H: this.H,
    };
  }
}

const codecs: Codecs = {
  crc32,
  zstdCompress: (bytes) => zstdCompressSync(bytes),
  zstdDecompress: (bytes, maxLength) => zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, maxLength) }),
};

/** One dataset with a value type and one series; enough for sums per step and for discovery. */
function tableOf(rows: readonly Row[]): DatasetTables {
  const times = rows.map(({ timeMs }) => timeMs);
  const page = new PageBuilder(1);
  for (let row = 0; row < rows.length; row++)
    page.add(new Uint32Array(), [{ lo: new Float64Array(), hi: undefined }], 0);
  return {
    service: 'web',
    name: 'cpu',
    types: [{ type: 'cpu', unit: 'nanoseconds', periodType: 'cpu', periodUnit: 'nanoseconds' }],
    minMs: Math.min(...times),
    maxMs: Math.max(...times),
    series: [labelSet([{ name: 'service_name', value: 'web' }])],
    rows: {
      length: rows.length,
      series: new Uint32Array(rows.length),
      timeMs: Float64Array.from(times),
      id: new Uint8Array(8 * rows.length),
      offset: Float64Array.from(rows, ({ offset }) => offset),
      totals: [{ lo: Float64Array.from(rows, ({ value }) => value), hi: undefined }],
    },
    pages: [{ firstRow: 0, rows: rows.length, bytes: page.toBytes() }],
    symbols: new SymbolTable().symbols(),
    spans: undefined,
  };
}
