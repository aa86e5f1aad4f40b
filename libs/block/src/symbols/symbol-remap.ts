import { ColumnArena, CorruptDataError } from '@kiln/bytes';
import type { StackRow, Symbols } from '@kiln/model';
import type { SymbolTable } from './symbol-table.ts';

/**
 * Rows of one symbol table as rows of another, found once each: one array per kind of row, filled as stacks are asked for. Symbols that no
 * such stack uses are never interned, unless all stacks are asked for at once.
 */
export class SymbolRemap {
  readonly #from: Symbols;
  readonly #to: SymbolTable;
  readonly #bytes: DataView;
  /** Row in the target + 1, 0 while unknown. */
  readonly #stacks: Uint32Array;
  readonly #nodes: Uint32Array;
  readonly #locations: Uint32Array;
  readonly #functions: Uint32Array;
  readonly #mappings: Uint32Array;
  readonly #strings: Uint32Array;

  constructor(from: Symbols, to: SymbolTable, arena: ColumnArena = new ColumnArena()) {
    this.#from = from;
    this.#to = to;
    const { bytes } = from.strings;
    this.#bytes = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const { stacks, tree, locations, functions, mappings, strings } = from;
    this.#stacks = arena.u32(stacks.length).fill(0);
    this.#nodes = arena.u32(tree.length).fill(0);
    this.#nodes[0] = 1;
    this.#locations = arena.u32(locations.length).fill(0);
    this.#functions = arena.u32(functions.length).fill(0);
    this.#mappings = arena.u32(mappings.length).fill(0);
    this.#strings = arena.u32(strings.length).fill(0);
  }

  /** @throws CorruptDataError when the source has no such stack. */
  stack(row: StackRow): StackRow {
    const known = this.#stacks[row];
    if (known !== undefined && known !== 0) return known - 1;
    single[0] = row;
    this.stacks(single, 1, single);
    return single[0];
  }

  /**
   * Hot: once per row. Finds `length` stacks at once, kind by kind, which takes two thirds of the time of one by one.
   * @param out receives the rows in the target; may be `rows` itself.
   * @throws CorruptDataError when the source has no such stack.
   */
  stacks(rows: Uint32Array, length: number, out: Uint32Array): void {
    const stacks = this.#stacks;
    const limit = this.#from.stacks.length;
    let unknown = 0;
    for (let i = 0; i < length; i++) {
      const row = rows[i]!;
      if (row >= limit) throw new CorruptDataError('symbols', row, `stack ${row} of ${limit}`);
      if (stacks[row] === 0) unknown++;
    }
    if (unknown > 0) this.#resolve(rows, length, unknown === limit);
    for (let i = 0; i < length; i++) out[i] = stacks[rows[i]!]! - 1;
  }

  /** @param isAll every stack of the source is wanted, as of a profile of one row: then so is every symbol, and none needs to be looked for. */
  #resolve(rows: Uint32Array, length: number, isAll: boolean): void {
    if (isAll) this.#listAll();
    const nodeCount = isAll ? this.#from.tree.length - 1 : this.#markNodes(rows, length);
    const locationCount = isAll ? this.#from.locations.length : this.#markLocations(nodeCount);
    const functionCount = isAll ? this.#from.functions.length : this.#markFunctions(locationCount);
    this.#internFunctions(functionCount);
    this.#internLocations(locationCount);
    this.#internNodes(nodeCount);
    const { node } = this.#from.stacks;
    const { stacks } = this.#to;
    for (let i = 0; i < length; i++) {
      const row = rows[i]!;
      if (this.#stacks[row] === 0) this.#stacks[row] = stacks.intern(this.#nodes[node[row]!]! - 1) + 1;
    }
  }

  #listAll(): void {
    const { tree, locations, functions } = this.#from;
    nodeList = listOf(nodeList, tree.length);
    locationList = listOf(locationList, locations.length);
    functionList = listOf(functionList, functions.length);
    for (let node = 1; node < tree.length; node++) nodeList[node - 1] = node;
    for (let row = 0; row < locations.length; row++) locationList[row] = row;
    for (let row = 0; row < functions.length; row++) functionList[row] = row;
  }

  /** Lists the nodes on the way to each stack that have no row yet, parents first, and marks them. */
  #markNodes(rows: Uint32Array, length: number): number {
    const { parent, length: limit } = this.#from.tree;
    const leaf = this.#from.stacks.node;
    const nodes = this.#nodes;
    nodeList = listOf(nodeList, limit);
    let count = 0;
    for (let i = 0; i < length; i++) {
      let at = leaf[rows[i]!]!;
      const first = count;
      while (nodes[at] === 0) {
        nodes[at] = MARK;
        nodeList[count++] = at;
        at = parent[at]!;
      }
      for (let low = first, high = count - 1; low < high; low++, high--) {
        const swap = nodeList[low]!;
        nodeList[low] = nodeList[high]!;
        nodeList[high] = swap;
      }
    }
    return count;
  }

  #markLocations(nodeCount: number): number {
    const { location } = this.#from.tree;
    const locations = this.#locations;
    locationList = listOf(locationList, locations.length);
    let count = 0;
    for (let i = 0; i < nodeCount; i++) {
      const row = location[nodeList[i]!]!;
      if (locations[row] !== 0) continue;
      locations[row] = MARK;
      locationList[count++] = row;
    }
    return count;
  }

  #markFunctions(locationCount: number): number {
    const { lineStart, lineFunction } = this.#from.locations;
    const functions = this.#functions;
    functionList = listOf(functionList, functions.length);
    let count = 0;
    for (let i = 0; i < locationCount; i++) {
      const end = lineStart[locationList[i]! + 1]!;
      for (let line = lineStart[locationList[i]!]!; line < end; line++) {
        const row = lineFunction[line]!;
        if (functions[row] !== 0) continue;
        functions[row] = MARK;
        functionList[count++] = row;
      }
    }
    return count;
  }

  #internFunctions(count: number): void {
    const { name, systemName, fileName, startLine } = this.#from.functions;
    const functions = this.#to.functions;
    for (let i = 0; i < count; i++) {
      const row = functionList[i]!;
      const guess = functions.guess;
      const own = this.#string(name[row]!, functions.nameOf(guess));
      const system =
        systemName[row] === name[row] ? own : this.#string(systemName[row]!, functions.systemNameOf(guess));
      const file = this.#string(fileName[row]!, functions.fileNameOf(guess));
      this.#functions[row] = functions.intern(own, system, file, startLine[row]!) + 1;
    }
  }

  #internLocations(count: number): void {
    const { mapping, addressLo, addressHi, lineStart, lineFunction, lineNumber } = this.#from.locations;
    const functions = this.#functions;
    const locations = this.#to.locations;
    for (let i = 0; i < count; i++) {
      const row = locationList[i]!;
      const start = lineStart[row]!;
      const lines = lineStart[row + 1]! - start;
      if (lines > lineFunctions.length) {
        lineFunctions = new Uint32Array(lines * 2);
        lineNumbers = new Float64Array(lines * 2);
      }
      for (let line = 0; line < lines; line++) {
        lineFunctions[line] = functions[lineFunction[start + line]!]! - 1;
        lineNumbers[line] = lineNumber[start + line]!;
      }
      const place = this.#mapping(mapping[row]!);
      this.#locations[row] =
        locations.intern(place, addressLo[row]!, addressHi[row]!, lineFunctions, lineNumbers, lines) + 1;
    }
  }

  #internNodes(count: number): void {
    const { parent, location } = this.#from.tree;
    const nodes = this.#nodes;
    const locations = this.#locations;
    const tree = this.#to.tree;
    for (let i = 0; i < count; i++) {
      const row = nodeList[i]!;
      nodes[row] = tree.intern(nodes[parent[row]!]! - 1, locations[location[row]!]! - 1) + 1;
    }
  }

  #mapping(row: number): number {
    const known = this.#mappings[row];
    return known !== undefined && known !== 0 ? known - 1 : this.#mappingSlow(row);
  }

  /** A table without mappings (formats that know none) gets one that is empty, so that every location has one. */
  #mappingSlow(row: number): number {
    const { length, start, limit, offset, fileName, buildId, flags } = this.#from.mappings;
    if (length === 0) return this.#to.mappings.intern(0n, 0n, 0n, 0, 0, 0);
    const mapping = this.#to.mappings.intern(
      start[row]!,
      limit[row]!,
      offset[row]!,
      this.#string(fileName[row]!),
      this.#string(buildId[row]!),
      flags[row]!,
    );
    this.#mappings[row] = mapping + 1;
    return mapping;
  }

  /** @param guess a row of the target that may be it. */
  #string(row: number, guess = 0): number {
    const known = this.#strings[row]!;
    if (known !== 0) return known - 1;
    const { offsets } = this.#from.strings;
    const string = this.#to.strings.intern(this.#bytes, offsets[row]!, offsets[row + 1]!, guess);
    this.#strings[row] = string + 1;
    return string;
  }
}

/** A row that is listed and will be interned in this call. */
const MARK = 0xffffffff;

/** Scratch of all remaps: used and done with inside one call. */
const single = new Uint32Array(1);
let nodeList = new Uint32Array(1024);
let locationList = new Uint32Array(1024);
let functionList = new Uint32Array(1024);
let lineFunctions = new Uint32Array(16);
let lineNumbers = new Float64Array(16);

function listOf(list: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  return length > list.length ? new Uint32Array(length * 2) : list;
}
