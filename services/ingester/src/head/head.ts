import type { DatasetTables, LogRecord, RecordDataset } from '@kiln/block';
import type { TenantId } from '@kiln/model';
import { HeadDataset, type HeadParts } from './head-dataset.ts';
import { RestingDataset } from './resting-dataset.ts';

/**
 * New datasets that wait for a second record before they are put to rest. To rest and to wake takes about as long as ten records do, so a fleet of this
 * many services in each partition never rests; awake they take some 8 MiB.
 */
const AWAKE = 256;
/** A larger one stays as it is: it would save less than decoding it again costs. */
const REST_MAX_BYTES = 256 * 1024;

/**
 * The rows of one generation in memory, by tenant and dataset: what has arrived since the last cut. Nothing is shared between tenants, no
 * string table either. Every answer is a snapshot that later rows do not change. Datasets that only one record has come for rest in compressed form
 * when many others have come after them; the next record wakes them, for good.
 */
export class Head {
  readonly #parts: HeadParts;
  readonly #tenants = new Map<TenantId, Datasets>();
  readonly #awake: number;
  /** New ones, oldest first. */
  #fresh: Fresh[] = [];
  #bytes = 0;
  #segmentBytes = 0;
  #rows = 0;

  /** @param awake for tests: how many new datasets wait for a second record. */
  constructor(parts: HeadParts, awake: number = AWAKE) {
    this.#parts = parts;
    this.#awake = awake;
  }

  /** Every byte of symbols, series, columns and pages. */
  get byteLength(): number {
    return this.#bytes;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Bytes of the segment that a cut would make now, about. */
  get segmentBytes(): number {
    return this.#segmentBytes;
  }

  /** Tenants with rows, in order of arrival. */
  tenants(): Iterable<TenantId> {
    return this.#tenants.keys();
  }

  /**
   * Adds a record that has been checked whole.
   * @param kept per dataset of the record 1 for each profile that is no copy.
   */
  append(record: LogRecord, kept: readonly Uint8Array[], offset: number): void {
    for (let d = 0; d < record.datasets.length; d++) {
      const from = record.datasets[d]!;
      if (!kept[d]!.includes(1)) continue;
      const dataset = this.#dataset(record.tenant, from);
      const bytes = dataset.length === 0 ? 0 : dataset.byteLength;
      const segmentBytes = dataset.length === 0 ? 0 : dataset.segmentBytes;
      this.#rows += dataset.append(from, record.symbols, kept[d]!, offset);
      this.#bytes += dataset.byteLength - bytes;
      this.#segmentBytes += dataset.segmentBytes - segmentBytes;
    }
    this.#rest();
  }

  /** A tenant's datasets with their rows of records above `after`. */
  *tables(tenant: TenantId, after = -1): Iterable<DatasetTables> {
    for (const dataset of this.#tenants.get(tenant)?.values() ?? []) {
      const tables = dataset.tables(after);
      if (tables !== undefined) yield tables;
    }
  }

  #dataset(tenant: TenantId, from: RecordDataset): HeadDataset {
    let datasets = this.#tenants.get(tenant);
    if (datasets === undefined) this.#tenants.set(tenant, (datasets = new Map()));
    const key = datasetKey(from);
    const found = datasets.get(key);
    if (found instanceof HeadDataset) return found;
    const dataset = new HeadDataset(from, this.#parts);
    datasets.set(key, dataset);
    if (found === undefined) this.#fresh.push({ tenant, key, dataset });
    else this.#wake(found, dataset);
    return dataset;
  }

  #wake(resting: RestingDataset, dataset: HeadDataset): void {
    dataset.adopt(resting.tables(-1)!);
    this.#bytes += dataset.byteLength - resting.byteLength;
    this.#segmentBytes += dataset.segmentBytes - resting.segmentBytes;
  }

  /** Puts to rest the oldest of the new datasets that only one record has come for. */
  #rest(): void {
    while (this.#fresh.length > this.#awake) {
      const { tenant, key, dataset } = this.#fresh.shift()!;
      const offset = dataset.onlyOffset;
      if (offset === undefined || dataset.byteLength > REST_MAX_BYTES) continue;
      const resting = new RestingDataset(tenant, dataset.tables(-1)!, offset, this.#parts.codecs);
      this.#tenants.get(tenant)!.set(key, resting);
      this.#bytes += resting.byteLength - dataset.byteLength;
      this.#segmentBytes += resting.segmentBytes - dataset.segmentBytes;
    }
  }
}

type Datasets = Map<string, HeadDataset | RestingDataset>;

interface Fresh {
  readonly tenant: TenantId;
  readonly key: string;
  readonly dataset: HeadDataset;
}

function datasetKey({ service, name, types }: RecordDataset): string {
  return JSON.stringify([service, name, ...types.flatMap((t) => [t.type, t.unit, t.periodType, t.periodUnit])]);
}
