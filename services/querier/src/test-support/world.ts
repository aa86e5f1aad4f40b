import { crc32 } from 'node:zlib';
import { ManualClock, seededRandom, type Random } from '@kiln/async';
import type { Codecs, DatasetTables } from '@kiln/block';
import { CorruptDataError } from '@kiln/bytes';
import { commitCut, readChain, registerLog, type Catalog, type Chain, type Gap } from '@kiln/catalog';
import { KilnError, labelSet, makeLogId, type LogId, type TenantId } from '@kiln/model';
import { memoryStore, type ObjectStore } from '@kiln/objstore';
import { runQuery, type Query } from '@kiln/query';
import type { LogFrom, OwnerAnswer, Owners } from '../owners.ts';
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

/** Logs with owners that keep rows in lists and commit real manifests on a memory store; a part is the JSON of its rows. */
export class World {
  readonly clock = new ManualClock(NOW);
  readonly random: Random;
  readonly objects: ObjectStore = memoryStore();
  readonly catalog: Catalog;
  readonly logs: OwnedLog[] = [];
  limits: QuerierLimits = { retentionPeriodMs: 0, rejectOlderThanMs: HOUR, rejectNewerThanMs: HOUR };

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
      answer: async (tenant, query, from) => {
        const asked = from
          .map(({ logId }) => this.logs.find(({ log }) => log === logId))
          .filter((log) => log !== undefined);
        if (asked.length === 0) throw new KilnError('unavailable', 'not followed here', { reason: 'not_owner' });
        return asked.map((log) => log.answer(tenant, query, from));
      },
    };
  }

  querier(ports: Partial<QuerierPorts> = {}): Querier {
    const { objects, clock } = this;
    return new Querier({
      objects,
      owners: this.owners(),
      codecs,
      openPart,
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
    const parts = [...Map.groupBy(rows, ({ tenant }) => tenant)]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([tenant, own]) => ({
        tenant,
        own,
        bytes: new TextEncoder().encode(JSON.stringify({ tenant, rows: own })),
      }));
    let off = 0;
    const tenants = parts.map(({ tenant, own, bytes }) => {
      const times = own.map(({ timeMs }) => timeMs);
      const part = {
        tenant,
        off,
        len: bytes.length,
        rows: own.length,
        minMs: Math.min(...times),
        maxMs: Math.max(...times),
      };
      off += bytes.length;
      return part;
    });
    const segment = { bytes: Buffer.concat(parts.map(({ bytes }) => bytes)), tenants, idsOff: 0, idsLen: 0 };
    const gaps = this.gaps.filter(({ upTo }) => upTo > this.chain.E);
    const cut = {
      chain: this.chain,
      end: this.H,
      aMax: NOW,
      segment: off > 0 ? segment : undefined,
      gaps,
      writer: 'world',
    };
    this.chain = (await commitCut(this.#world.catalog, cut)).chain!;
  }

  answer(tenant: TenantId, query: Query, asked: readonly LogFrom[]): OwnerAnswer {
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
      partial: runQuery(query, head.length === 0 ? [] : [tableOf(head)]),
      gaps: this.gaps.filter(({ upTo }) => upTo > from),
      E,
      H: this.H,
    };
  }
}

/** Opens what `cut` wrote, as a block would: the tenant inside is compared. */
export function openPart(bytes: Uint8Array, tenant: TenantId): DatasetTables[] {
  let part: { tenant: TenantId; rows: Row[] };
  try {
    part = JSON.parse(new TextDecoder().decode(bytes)) as typeof part;
  } catch {
    throw new CorruptDataError('part', 0, 'no JSON');
  }
  if (part.tenant !== tenant) throw new CorruptDataError('part', 0, 'another tenant');
  return [tableOf(part.rows)];
}

const codecs: Codecs = {
  crc32,
  zstdCompress: (bytes) => bytes,
  zstdDecompress: (bytes) => bytes,
};

/** One dataset with a value type and one series; enough for sums per step and for discovery. */
function tableOf(rows: readonly Row[]): DatasetTables {
  const times = rows.map(({ timeMs }) => timeMs);
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
    pages: [],
    symbols: {} as DatasetTables['symbols'],
    spans: undefined,
  };
}
