import type { ColumnArena } from '@kiln/bytes';
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

  /** A copy of what was collected. @param arena where its columns are made. */
  build(arena: ColumnArena): Symbols {
    const { strings, functions: f, mappings: m, locations: l, tree } = this;
    return {
      strings: strings.copy(arena.u32(strings.length + 1), arena.u8(strings.byteLength)),
      functions: f.copy(arena.u32(f.length), arena.u32(f.length), arena.u32(f.length), arena.f64(f.length)),
      mappings: m.copy({
        start: arena.u64(m.length),
        limit: arena.u64(m.length),
        offset: arena.u64(m.length),
        fileName: arena.u32(m.length),
        buildId: arena.u32(m.length),
        flags: arena.u8(m.length),
      }),
      locations: l.copy({
        mapping: arena.u32(l.length),
        addressLo: arena.u32(l.length),
        addressHi: arena.u32(l.length),
        lineStart: arena.u32(l.length + 1),
        lineFunction: arena.u32(l.lines),
        lineNumber: arena.f64(l.lines),
      }),
      ...tree.copy(arena.u32(tree.nodes), arena.u32(tree.nodes), arena.u32(tree.stacks)),
    };
  }
}
