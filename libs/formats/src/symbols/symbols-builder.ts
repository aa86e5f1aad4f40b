import type { ColumnArena } from '@kiln/bytes';
import type { Symbols } from '@kiln/model';
import { FunctionTable } from './function-table.ts';
import { LocationTable } from './location-table.ts';
import { MappingTable } from './mapping-table.ts';
import { StackTree } from './stack-tree.ts';
import { StringTable } from './string-table.ts';

/** How many rows may come, at most; strings may become more. */
export interface SymbolBounds {
  readonly strings: number;
  readonly functions: number;
  readonly locations: number;
  readonly lines: number;
}

/**
 * Collects the symbol table of one profile. What a string, function or location is, the file says by its number; only stacks are looked up, by the
 * numbers of their locations. What is equal by content under two numbers is merged where the tables of many profiles are: everything is looked up by
 * content there anyhow, and a file repeats few of its locations and hardly ever a string. Reused: `begin` before, `build` after.
 */
export class SymbolsBuilder {
  readonly strings: StringTable = new StringTable();
  readonly functions: FunctionTable = new FunctionTable();
  readonly mappings: MappingTable = new MappingTable();
  readonly locations: LocationTable = new LocationTable();
  readonly tree: StackTree = new StackTree();
  #arena!: ColumnArena;

  /** Forgets all but the stacks. @param view over the file. @param arena where the columns are made. */
  begin(view: DataView, bounds: SymbolBounds, arena: ColumnArena): void {
    this.#arena = arena;
    this.strings.clear(view, bounds.strings);
    this.functions.begin(arena, bounds.functions);
    this.mappings.clear();
    this.locations.begin(arena, bounds.locations, bounds.lines);
  }

  /** What was collected. @param locationRow row by location of the tree. */
  build(locationRow: Int32Array): Symbols {
    const { strings, functions, mappings, locations, tree } = this;
    const arena = this.#arena;
    const m = mappings.length;
    return {
      strings: strings.copy(arena.u32(strings.length + 1), arena.u8(strings.byteLength)),
      functions: functions.columns(),
      mappings: mappings.copy({
        start: arena.u64(m),
        limit: arena.u64(m),
        offset: arena.u64(m),
        fileName: arena.u32(m),
        buildId: arena.u32(m),
        flags: arena.u8(m),
      }),
      locations: locations.columns(),
      ...tree.copy(arena.u32(tree.nodes), arena.u32(tree.nodes), arena.u32(tree.stacks), locationRow),
    };
  }
}
