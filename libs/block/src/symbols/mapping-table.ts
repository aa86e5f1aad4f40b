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

/** A mapping with its bigints and its key, about. */
const ROW_BYTES = 320;

/** Mappings by all their fields. */
export class MappingTable {
  readonly #rows: Mapping[] = [];
  readonly #numbers = new Map<string, MappingRow>();
  #columns: MappingColumns | undefined;

  get byteLength(): number {
    return this.#rows.length * ROW_BYTES;
  }

  intern(
    start: bigint,
    limit: bigint,
    offset: bigint,
    fileName: StringRow,
    buildId: StringRow,
    flags: number,
  ): MappingRow {
    const key = `${start}:${limit}:${offset}:${fileName}:${buildId}:${flags}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const row = this.#rows.push({ start, limit, offset, fileName, buildId, flags }) - 1;
    this.#numbers.set(key, row);
    this.#columns = undefined;
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
}
