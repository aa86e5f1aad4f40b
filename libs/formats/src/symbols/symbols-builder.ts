import type { Symbols } from '@kiln/model';
import { FunctionTable } from './function-table.ts';
import { LocationTable } from './location-table.ts';
import { MappingTable } from './mapping-table.ts';
import { StackTree } from './stack-tree.ts';
import { StringTable } from './string-table.ts';

/**
 * Collects the symbol table of one profile. Strings are what the file says they are, by number; functions, mappings, locations and stacks that are equal
 * by the rows they refer to get one row each, whatever their ids were in the file. Equal strings of two numbers, and what they are part of, are merged
 * where tables of many profiles are: everything is looked up by content there anyhow. Reused: `clear` before, `build` after.
 */
export class SymbolsBuilder {
  readonly strings: StringTable = new StringTable();
  readonly functions: FunctionTable = new FunctionTable();
  readonly mappings: MappingTable = new MappingTable();
  readonly locations: LocationTable = new LocationTable();
  readonly tree: StackTree = new StackTree();

  /** @param view over the file. @param strings @param functions @param locations how many may come, at most; strings may become more. */
  clear(view: DataView, strings: number, functions: number, locations: number): void {
    this.strings.clear(view, strings);
    this.functions.clear(functions);
    this.mappings.clear();
    this.locations.clear(locations);
    this.tree.clear();
  }

  /** A copy of what was collected, all of it in one buffer. */
  build(): Symbols {
    const { strings, functions: f, mappings: m, locations: l, tree } = this;
    const eights = f.length + l.lines + 3 * m.length;
    const fours = strings.length + 1 + 3 * f.length + 2 * m.length + 4 * l.length + 1 + l.lines + 2 * tree.nodes;
    const arena = new ColumnArena(8 * eights + 4 * (fours + tree.stacks) + m.length + strings.byteLength);
    // Wide columns first: then every column starts where its entries may.
    const startLine = arena.f64(f.length);
    const lineNumber = arena.f64(l.lines);
    const [start, limit, offset] = [arena.u64(m.length), arena.u64(m.length), arena.u64(m.length)];
    const functions = f.copy(arena.u32(f.length), arena.u32(f.length), arena.u32(f.length), startLine);
    const locations = l.copy({
      mapping: arena.u32(l.length),
      addressLo: arena.u32(l.length),
      addressHi: arena.u32(l.length),
      lineStart: arena.u32(l.length + 1),
      lineFunction: arena.u32(l.lines),
      lineNumber,
    });
    const [parent, location, node] = [arena.u32(tree.nodes), arena.u32(tree.nodes), arena.u32(tree.stacks)];
    tree.copy(parent, location, node);
    const offsets = arena.u32(strings.length + 1);
    const [fileName, buildId] = [arena.u32(m.length), arena.u32(m.length)];
    return {
      strings: strings.copy(offsets, arena.u8(strings.byteLength)),
      functions,
      mappings: m.copy({ start, limit, offset, fileName, buildId, flags: arena.u8(m.length) }),
      locations,
      tree: { length: tree.nodes, parent, location },
      stacks: { length: tree.stacks, node },
    };
  }
}

/** One buffer cut into columns: much cheaper to make than a buffer for each. */
class ColumnArena {
  readonly #buffer: ArrayBuffer;
  #at = 0;

  constructor(byteLength: number) {
    this.#buffer = new ArrayBuffer(byteLength);
  }

  f64(length: number): Float64Array {
    return new Float64Array(this.#buffer, this.#take(length * 8), length);
  }

  u64(length: number): BigUint64Array {
    return new BigUint64Array(this.#buffer, this.#take(length * 8), length);
  }

  u32(length: number): Uint32Array {
    return new Uint32Array(this.#buffer, this.#take(length * 4), length);
  }

  u8(length: number): Uint8Array {
    return new Uint8Array(this.#buffer, this.#take(length), length);
  }

  #take(byteLength: number): number {
    const at = this.#at;
    this.#at += byteLength;
    return at;
  }
}
