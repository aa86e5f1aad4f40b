import type { ColumnArena } from '@kiln/bytes';
import type { LocationColumns } from '@kiln/model';

/** The locations of a profile that are used, each with its lines. */
export class LocationTable {
  length = 0;
  #lines = 0;
  #mapping: Uint32Array = new Uint32Array(0);
  #addressLo: Uint32Array = new Uint32Array(0);
  #addressHi: Uint32Array = new Uint32Array(0);
  #lineStart: Uint32Array = new Uint32Array(1);
  #lineFunction: Uint32Array = new Uint32Array(0);
  #lineNumber: Float64Array = new Float64Array(0);

  /** Starts over with columns of their own. @param most @param lines how many of each may come. */
  begin(arena: ColumnArena, most: number, lines: number): void {
    this.length = 0;
    this.#lines = 0;
    this.#mapping = arena.u32(most);
    this.#addressLo = arena.u32(most);
    this.#addressHi = arena.u32(most);
    this.#lineStart = arena.u32(most + 1);
    this.#lineStart[0] = 0;
    this.#lineFunction = arena.u32(lines);
    this.#lineNumber = arena.f64(lines);
  }

  /** Hot: once per line, innermost function first, before the location that has it. */
  addLine(functionRow: number, number: number): void {
    const line = this.#lines++;
    this.#lineFunction[line] = functionRow;
    this.#lineNumber[line] = number;
  }

  /** Hot: once per location used. The row of the location that has the lines added since the one before. */
  add(mapping: number, addressLo: number, addressHi: number): number {
    const row = this.length++;
    this.#mapping[row] = mapping;
    this.#addressLo[row] = addressLo;
    this.#addressHi[row] = addressHi;
    this.#lineStart[row + 1] = this.#lines;
    return row;
  }

  columns(): LocationColumns {
    return {
      length: this.length,
      mapping: this.#mapping,
      addressLo: this.#addressLo,
      addressHi: this.#addressHi,
      lineStart: this.#lineStart,
      lineFunction: this.#lineFunction,
      lineNumber: this.#lineNumber,
    };
  }
}
