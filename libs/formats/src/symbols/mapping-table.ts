import type { MappingColumns } from '@kiln/model';

/** A binary; numbers as 64-bit halves, texts as string rows. */
export interface MappingRowContent {
  readonly startLo: number;
  readonly startHi: number;
  readonly limitLo: number;
  readonly limitHi: number;
  readonly offsetLo: number;
  readonly offsetHi: number;
  readonly fileName: number;
  readonly buildId: number;
  readonly flags: number;
}

/** Distinct binaries. A profile has few: objects will do. */
export class MappingTable {
  readonly #rows: MappingRowContent[] = [];
  readonly #byContent = new Map<string, number>();

  get length(): number {
    return this.#rows.length;
  }

  clear(): void {
    this.#rows.length = 0;
    this.#byContent.clear();
  }

  intern(content: MappingRowContent): number {
    const { startLo, startHi, limitLo, limitHi, offsetLo, offsetHi, fileName, buildId, flags } = content;
    const key = `${startLo},${startHi},${limitLo},${limitHi},${offsetLo},${offsetHi},${fileName},${buildId},${flags}`;
    let row = this.#byContent.get(key);
    if (row === undefined) {
      row = this.#rows.push(content) - 1;
      this.#byContent.set(key, row);
    }
    return row;
  }

  /** A copy into arrays `length` long. */
  copy(into: Omit<MappingColumns, 'length'>): MappingColumns {
    const start = halves(into.start);
    const limit = halves(into.limit);
    const offset = halves(into.offset);
    for (const [row, content] of this.#rows.entries()) {
      start[row * 2] = content.startLo;
      start[row * 2 + 1] = content.startHi;
      limit[row * 2] = content.limitLo;
      limit[row * 2 + 1] = content.limitHi;
      offset[row * 2] = content.offsetLo;
      offset[row * 2 + 1] = content.offsetHi;
      into.fileName[row] = content.fileName;
      into.buildId[row] = content.buildId;
      into.flags[row] = content.flags;
    }
    return { length: this.#rows.length, ...into };
  }
}

/** The halves of 64-bit numbers, low one first: every machine that Node and browsers run on is little endian. */
function halves(column: BigUint64Array): Int32Array {
  return new Int32Array(column.buffer, column.byteOffset, column.length * 2);
}
