import { SECRET_SEED, type StringRow, type Symbols } from '@kiln/model';
import { FunctionTable } from './function-table.ts';
import { hashKeys } from './hash.ts';
import { LocationTable } from './location-table.ts';
import { MappingTable } from './mapping-table.ts';
import { StackTable } from './stack-table.ts';
import { StringTable } from './string-table.ts';
import { TreeTable } from './tree-table.ts';

/**
 * The symbols of one dataset or record while it grows. Everything is stored once; rows keep their numbers; a parent's number is
 * below its children's. Never shared between tenants.
 */
export class SymbolTable {
  readonly strings: StringTable;
  readonly functions: FunctionTable;
  readonly mappings: MappingTable;
  readonly locations: LocationTable;
  readonly tree: TreeTable;
  readonly stacks: StackTable;

  /** @param seed of its hashes: a secret one keeps clients from choosing symbols that slow the table down. */
  constructor(seed: number = SECRET_SEED) {
    const keys = hashKeys(seed);
    this.strings = new StringTable(keys);
    this.functions = new FunctionTable(keys);
    this.mappings = new MappingTable();
    this.locations = new LocationTable(keys);
    this.tree = new TreeTable(keys);
    this.stacks = new StackTable(keys);
  }

  /** Bytes held, used or not. */
  get byteLength(): number {
    return (
      OBJECT_BYTES +
      this.strings.byteLength +
      this.functions.byteLength +
      this.mappings.byteLength +
      this.locations.byteLength +
      this.tree.byteLength +
      this.stacks.byteLength
    );
  }

  internString(text: string): StringRow {
    if (text === '') return 0;
    const bytes = encoder.encode(text);
    return this.strings.intern(new DataView(bytes.buffer, bytes.byteOffset), 0, bytes.length);
  }

  /** The table as it is now, without a copy: rows that exist never change, and growing leaves what was handed out alone. */
  symbols(): Symbols {
    return {
      strings: this.strings.columns(),
      functions: this.functions.columns(),
      mappings: this.mappings.columns(),
      locations: this.locations.columns(),
      tree: this.tree.columns(),
      stacks: this.stacks.columns(),
    };
  }
}

/** The tables and their typed arrays as objects: what an empty table adds to the heap of V8, measured, less its bytes. */
const OBJECT_BYTES = 2100;

const encoder = new TextEncoder();
