import type { ColumnArena } from '@kiln/bytes';
import type { FunctionColumns } from '@kiln/model';

/** The functions of a profile that are used, in the order of their first use. */
export class FunctionTable {
  length = 0;
  #name: Uint32Array = new Uint32Array(0);
  #systemName: Uint32Array = new Uint32Array(0);
  #fileName: Uint32Array = new Uint32Array(0);
  #startLine: Float64Array = new Float64Array(0);

  /** Starts over with columns of their own. @param most how many may come. */
  begin(arena: ColumnArena, most: number): void {
    this.length = 0;
    this.#name = arena.u32(most);
    this.#systemName = arena.u32(most);
    this.#fileName = arena.u32(most);
    this.#startLine = arena.f64(most);
  }

  /** Hot: once per function used. Its row, by the rows of its strings. */
  add(name: number, systemName: number, fileName: number, startLine: number): number {
    const row = this.length++;
    this.#name[row] = name;
    this.#systemName[row] = systemName;
    this.#fileName[row] = fileName;
    this.#startLine[row] = startLine;
    return row;
  }

  columns(): FunctionColumns {
    return {
      length: this.length,
      name: this.#name,
      systemName: this.#systemName,
      fileName: this.#fileName,
      startLine: this.#startLine,
    };
  }
}
