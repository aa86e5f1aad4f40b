import { ByteWriter } from '@kiln/bytes';
import { openPart, PartWriter, type Codecs, type DatasetTables } from '@kiln/block';
import type { TenantId } from '@kiln/model';

/** The objects around the bytes, about: the rests of a part opened, and the key of the dataset. */
const OBJECT_BYTES = 1_000;

/**
 * A dataset of the head that few rows have come for, as a segment would store it: a tenth of what tables take that are ready for more. Ten thousand
 * services with a profile each are mostly such. It decodes when it is asked, as an object does, and becomes a dataset again when more rows come.
 */
export class RestingDataset {
  readonly #tenant: TenantId;
  readonly #codecs: Codecs;
  readonly #bytes: Uint8Array;
  /** Of its rows: they came in one record. */
  readonly #offset: number;

  constructor(tenant: TenantId, tables: DatasetTables, offset: number, codecs: Codecs) {
    const w = new ByteWriter(4_096);
    const part = new PartWriter(w, tenant, 0, codecs);
    part.add(tables);
    part.finish();
    this.#tenant = tenant;
    this.#codecs = codecs;
    this.#bytes = w.toBytes();
    this.#offset = offset;
  }

  get byteLength(): number {
    return OBJECT_BYTES + this.#bytes.byteLength;
  }

  get segmentBytes(): number {
    return this.#bytes.byteLength;
  }

  /** Its rows when their record is above `after`; decoded section by section on first use, and not kept here. */
  tables(after: number): DatasetTables | undefined {
    return this.#offset > after ? this.#open() : undefined;
  }

  #open(): DatasetTables {
    return openPart(this.#bytes, this.#tenant, this.#codecs).datasets[0]!.tables();
  }
}
