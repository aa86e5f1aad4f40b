import type { MappingColumns, MappingRow, StringRow } from '@kiln/model';

/** One row as an object and a key: a process has few mappings, often one, and six columns for it would be larger. */
interface Mapping {
  readonly start: bigint;
  readonly limit: bigint;
  readonly offset: bigint;
  readonly fileName: StringRow;
  readonly buildId: StringRow;
  readonly flags: number;
}

/** A mapping with its bigints, about. */
const ROW_BYTES = 140;
const KEY_BYTES = 160;
/** Up to this many rows a scan is faster than a key, and takes no memory. */
const SCANNED = 8;

/** Mappings by all their fields. */
export class MappingTable {
  readonly #rows: Mapping[] = [];
  #numbers: Map<string, MappingRow> | undefined;
  #columns: MappingColumns | undefined;

  get byteLength(): number {
    return this.#rows.length * ROW_BYTES + (this.#numbers === undefined ? 0 : this.#numbers.size * KEY_BYTES);
  }

  intern(
    start: bigint,
    limit: bigint,
    offset: bigint,
    fileName: StringRow,
    buildId: StringRow,
    flags: number,
  ): MappingRow {
    const mapping = { start, limit, offset, fileName, buildId, flags };
    const known = this.#numbers === undefined ? this.#scan(mapping) : this.#numbers.get(keyOf(mapping));
    if (known !== undefined) return known;
    const row = this.#rows.push(mapping) - 1;
    this.#columns = undefined;
    if (this.#numbers !== undefined) this.#numbers.set(keyOf(mapping), row);
    else if (row === SCANNED) this.#numbers = new Map(this.#rows.map((own, i) => [keyOf(own), i]));
    return row;
  }

  /** Copied, once for as long as no mapping is added. */
  columns(): MappingColumns {
    const rows = this.#rows;
    this.#columns ??= {
      length: rows.length,
      start: BigUint64Array.from(rows, ({ start }) => start),
      limit: BigUint64Array.from(rows, ({ limit }) => limit),
      offset: BigUint64Array.from(rows, ({ offset }) => offset),
      fileName: Uint32Array.from(rows, ({ fileName }) => fileName),
      buildId: Uint32Array.from(rows, ({ buildId }) => buildId),
      flags: Uint8Array.from(rows, ({ flags }) => flags),
    };
    return this.#columns;
  }

  #scan(mapping: Mapping): MappingRow | undefined {
    const key = keyOf(mapping);
    const row = this.#rows.findIndex((own) => own.fileName === mapping.fileName && keyOf(own) === key);
    return row < 0 ? undefined : row;
  }
}

function keyOf({ start, limit, offset, fileName, buildId, flags }: Mapping): string {
  return `${start}:${limit}:${offset}:${fileName}:${buildId}:${flags}`;
}
