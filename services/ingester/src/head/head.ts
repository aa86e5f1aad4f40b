import type { DatasetTables, LogRecord, RecordDataset } from '@kiln/block';
import type { TenantId } from '@kiln/model';
import { HeadDataset, type HeadParts } from './head-dataset.ts';

/**
 * The rows of one generation in memory, by tenant and dataset: what has arrived since the last cut. Nothing is shared between tenants, no
 * string table either. Every answer is a snapshot that later rows do not change.
 */
export class Head {
  readonly #parts: HeadParts;
  readonly #tenants = new Map<TenantId, Map<string, HeadDataset>>();
  #bytes = 0;
  #segmentBytes = 0;
  #rows = 0;

  constructor(parts: HeadParts) {
    this.#parts = parts;
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
    if (datasets === undefined) this.#tenants.set(tenant, (datasets = new Map<string, HeadDataset>()));
    const key = datasetKey(from);
    let dataset = datasets.get(key);
    if (dataset === undefined) datasets.set(key, (dataset = new HeadDataset(from, this.#parts)));
    return dataset;
  }
}

function datasetKey({ service, name, types }: RecordDataset): string {
  return JSON.stringify([service, name, ...types.flatMap((t) => [t.type, t.unit, t.periodType, t.periodUnit])]);
}
