import { CorruptDataError } from '@kiln/bytes';
import type { FunctionRow, LocationRow, MappingRow, NodeRow, StackRow, StringRow, Symbols } from '@kiln/model';
import type { SymbolTable } from './symbol-table.ts';

/**
 * Rows of one symbol table as rows of another, found once each: one array per kind of row, filled as rows are asked for. Symbols
 * that nothing asks for are never interned.
 */
export class SymbolRemap {
  readonly #from: Symbols;
  readonly #to: SymbolTable;
  /** Row in the target + 1, 0 while unknown. */
  readonly #stacks: Uint32Array;
  readonly #nodes: Uint32Array;
  readonly #locations: Uint32Array;
  readonly #functions: Uint32Array;
  readonly #mappings: Uint32Array;
  readonly #strings: Uint32Array;

  constructor(from: Symbols, to: SymbolTable) {
    this.#from = from;
    this.#to = to;
    this.#stacks = new Uint32Array(from.stacks.length);
    this.#nodes = new Uint32Array(from.tree.length);
    this.#nodes[0] = 1;
    this.#locations = new Uint32Array(from.locations.length);
    this.#functions = new Uint32Array(from.functions.length);
    this.#mappings = new Uint32Array(from.mappings.length);
    this.#strings = new Uint32Array(from.strings.length);
  }

  /** Hot: once per sample. @throws CorruptDataError when the source has no such stack. */
  stack(row: StackRow): StackRow {
    const known = this.#stacks[row];
    return known !== undefined && known !== 0 ? known - 1 : this.#stackSlow(row);
  }

  #stackSlow(row: StackRow): StackRow {
    if (row >= this.#from.stacks.length)
      throw new CorruptDataError('symbols', row, `stack ${row} of ${this.#from.stacks.length}`);
    const stack = this.#to.stacks.intern(this.#node(this.#from.stacks.node[row]!));
    this.#stacks[row] = stack + 1;
    return stack;
  }

  /** Up to the next ancestor that is known, then down again: no recursion, stacks may be deep. */
  #node(row: NodeRow): NodeRow {
    const { parent, location } = this.#from.tree;
    const nodes = this.#nodes;
    let depth = 0;
    let at = row;
    while (nodes[at] === 0) {
      if (depth === path.length) path = grownPath(path);
      path[depth++] = at;
      at = parent[at]!;
    }
    let node = nodes[at]! - 1;
    while (depth > 0) {
      at = path[--depth]!;
      node = this.#to.tree.intern(node, this.#location(location[at]!));
      nodes[at] = node + 1;
    }
    return node;
  }

  #location(row: LocationRow): LocationRow {
    const known = this.#locations[row]!;
    if (known !== 0) return known - 1;
    const { mapping, addressLo, addressHi, lineStart, lineFunction, lineNumber } = this.#from.locations;
    const start = lineStart[row]!;
    const lines = lineStart[row + 1]! - start;
    if (lines > functions.length) {
      functions = new Uint32Array(lines * 2);
      numbers = new Float64Array(lines * 2);
    }
    for (let i = 0; i < lines; i++) {
      functions[i] = this.#function(lineFunction[start + i]!);
      numbers[i] = lineNumber[start + i]!;
    }
    const place = this.#mapping(mapping[row]!);
    const location = this.#to.locations.intern(place, addressLo[row]!, addressHi[row]!, functions, numbers, lines);
    this.#locations[row] = location + 1;
    return location;
  }

  #function(row: FunctionRow): FunctionRow {
    const known = this.#functions[row]!;
    if (known !== 0) return known - 1;
    const { name, systemName, fileName, startLine } = this.#from.functions;
    const found = this.#to.functions.intern(
      this.#string(name[row]!),
      this.#string(systemName[row]!),
      this.#string(fileName[row]!),
      startLine[row]!,
    );
    this.#functions[row] = found + 1;
    return found;
  }

  /** A table without mappings (formats that know none) gets one that is empty, so that every location has one. */
  #mapping(row: MappingRow): MappingRow {
    const { length, start, limit, offset, fileName, buildId, flags } = this.#from.mappings;
    if (length === 0) return this.#to.mappings.intern(0n, 0n, 0n, 0, 0, 0);
    const known = this.#mappings[row]!;
    if (known !== 0) return known - 1;
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

  #string(row: StringRow): StringRow {
    const known = this.#strings[row]!;
    if (known !== 0) return known - 1;
    const { bytes, offsets } = this.#from.strings;
    const string = this.#to.strings.intern(bytes, offsets[row]!, offsets[row + 1]!);
    this.#strings[row] = string + 1;
    return string;
  }
}

/** Scratch of all remaps: used and done with inside one call. */
let path = new Uint32Array(256);
let functions = new Uint32Array(16);
let numbers = new Float64Array(16);

function grownPath(from: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(from.length * 2);
  larger.set(from);
  return larger;
}
