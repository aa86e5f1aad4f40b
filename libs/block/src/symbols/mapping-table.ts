import type { MappingColumns, MappingRow, StringRow } from '@kiln/model';

const ROW_BYTES = 40;
const PAD = 4;

/** Mappings by all their fields. A process has few, often one: a list that grows and a hash of strings and bigints would be more than it saves. */
export class MappingTable {
  #length = 0;
  #capacity = 0;
  #start!: BigUint64Array;
  #limit!: BigUint64Array;
  #offset!: BigUint64Array;
  #fileName!: Uint32Array;
  #buildId!: Uint32Array;
  #flags!: Uint8Array;
  /** Rows by a key of all fields; made when there are enough rows that a scan would cost more. */
  #rows: Map<string, MappingRow> | undefined;

  constructor() {
    this.#resize(1);
  }

  get byteLength(): number {
    return this.#capacity * ROW_BYTES + (this.#rows === undefined ? 0 : this.#length * 160);
  }

  intern(
    start: bigint,
    limit: bigint,
    offset: bigint,
    fileName: StringRow,
    buildId: StringRow,
    flags: number,
  ): MappingRow {
    const key = this.#length < SCANNED ? undefined : keyOf(start, limit, offset, fileName, buildId, flags);
    const known =
      key === undefined ? this.#scan(start, limit, offset, fileName, buildId, flags) : this.#index().get(key);
    if (known !== undefined) return known;
    const row = this.#length++;
    if (row === this.#capacity) this.#resize(this.#capacity * 2);
    this.#start[row] = start;
    this.#limit[row] = limit;
    this.#offset[row] = offset;
    this.#fileName[row] = fileName;
    this.#buildId[row] = buildId;
    this.#flags[row] = flags;
    if (key !== undefined) this.#index().set(key, row);
    return row;
  }

  columns(): MappingColumns {
    return {
      length: this.#length,
      start: this.#start,
      limit: this.#limit,
      offset: this.#offset,
      fileName: this.#fileName,
      buildId: this.#buildId,
      flags: this.#flags,
    };
  }

  #scan(
    start: bigint,
    limit: bigint,
    offset: bigint,
    fileName: StringRow,
    buildId: StringRow,
    flags: number,
  ): MappingRow | undefined {
    for (let row = 0; row < this.#length; row++) {
      if (
        this.#fileName[row] === fileName &&
        this.#buildId[row] === buildId &&
        this.#flags[row] === flags &&
        this.#start[row] === start &&
        this.#limit[row] === limit &&
        this.#offset[row] === offset
      )
        return row;
    }
    return undefined;
  }

  #index(): Map<string, MappingRow> {
    if (this.#rows !== undefined) return this.#rows;
    const rows = new Map<string, MappingRow>();
    for (let row = 0; row < this.#length; row++) {
      const [start, limit, offset] = [this.#start[row]!, this.#limit[row]!, this.#offset[row]!];
      rows.set(keyOf(start, limit, offset, this.#fileName[row]!, this.#buildId[row]!, this.#flags[row]!), row);
    }
    this.#rows = rows;
    return rows;
  }

  #resize(capacity: number): void {
    const buffer = new ArrayBuffer(capacity * (ROW_BYTES - PAD));
    const start = new BigUint64Array(buffer, 0, capacity);
    const limit = new BigUint64Array(buffer, capacity * 8, capacity);
    const offset = new BigUint64Array(buffer, capacity * 16, capacity);
    const fileName = new Uint32Array(buffer, capacity * 24, capacity);
    const buildId = new Uint32Array(buffer, capacity * 28, capacity);
    const flags = new Uint8Array(buffer, capacity * 32, capacity);
    if (this.#capacity > 0) {
      start.set(this.#start);
      limit.set(this.#limit);
      offset.set(this.#offset);
      fileName.set(this.#fileName);
      buildId.set(this.#buildId);
      flags.set(this.#flags);
    }
    this.#start = start;
    this.#limit = limit;
    this.#offset = offset;
    this.#fileName = fileName;
    this.#buildId = buildId;
    this.#flags = flags;
    this.#capacity = capacity;
  }
}

/** Below this many rows a scan is faster than a key. */
const SCANNED = 16;

function keyOf(start: bigint, limit: bigint, offset: bigint, fileName: number, buildId: number, flags: number): string {
  return `${start}:${limit}:${offset}:${fileName}:${buildId}:${flags}`;
}
