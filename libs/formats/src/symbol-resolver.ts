import type { ColumnArena } from '@kiln/bytes';
import { textOf, type Pprof } from './pprof/pprof.ts';
import { withoutShapes } from './go-names.ts';
import { IdIndex } from './pprof/id-index.ts';
import { room } from './scratch.ts';
import type { SymbolsBuilder } from './symbols/symbols-builder.ts';

/** How function names are made of what the file holds (contract/pyroscope.md §3.3): scripting languages put the file in front. */
export type FunctionNames = 'as sent' | 'file first' | 'relative file first';

/** What the symbols of one profile are changed by on their way. */
export interface SymbolRules {
  readonly names: FunctionNames;
  /** Strings of the file from which `[go.shape…]` is cut where they name functions. */
  readonly shapes: ReadonlySet<number>;
  /** Bytes; of longer strings the tail is kept. 0 = off. */
  readonly maxStringLength: number;
  /** What mappings get for a build id, where the labels name a source repository. */
  readonly buildIdOf: ((buildId: string) => string) | undefined;
}

const UNRESOLVED = 0;
const INVALID = -1;
const USED = -2;
const HAS_FUNCTIONS = 1;

/**
 * From rows of a pprof to rows of a symbol table, each resolved when a kept stack first uses it, so that what nobody uses is never copied. Reused:
 * `begin` starts a profile.
 */
export class SymbolResolver {
  readonly symbols: SymbolsBuilder;
  /** Strings cut so far. */
  truncated = 0;
  #pprof!: Pprof;
  #view!: DataView;
  #rules!: SymbolRules;
  #arena!: ColumnArena;
  readonly #functionIds = new IdIndex();
  readonly #mappingIds = new IdIndex();
  /** Row by frame, that is by row + 1 of the file, or INVALID. Frames that no stack has hold anything. */
  locationRow: Int32Array<ArrayBuffer> = new Int32Array(64);
  /** Row + 1 by row of the file, or UNRESOLVED. */
  #stringRow = new Int32Array(64);
  #functionRow = new Int32Array(64);
  #mappingRow = new Int32Array(16);
  #stubMapping = UNRESOLVED;

  constructor(symbols: SymbolsBuilder) {
    this.symbols = symbols;
  }

  /** @param arena where the symbol table is made. */
  begin(pprof: Pprof, view: DataView, rules: SymbolRules, arena: ColumnArena): void {
    const { functions, mappings } = pprof;
    this.#pprof = pprof;
    this.#view = view;
    this.#rules = rules;
    this.#arena = arena;
    this.truncated = 0;
    this.#functionIds.build(functions.idLo, functions.idHi, functions.length);
    this.#mappingIds.build(mappings.idLo, mappings.idHi, mappings.length);
  }

  /**
   * Hot: once per location used. Resolves what the stacks of the tree use, and forgets what was resolved before.
   * @returns whether all of it is valid.
   */
  resolveUsed(): boolean {
    this.#restart();
    const rows = this.locationRow;
    const { length } = this.#pprof.locations;
    this.symbols.tree.markLocations(rows, USED);
    let isValid = rows[0] !== USED;
    rows[0] = INVALID;
    for (let location = 0; location < length; location++) {
      if (rows[location + 1] !== USED) continue;
      const row = this.#resolveLocation(location);
      if (row < 0) isValid = false;
      rows[location + 1] = row;
    }
    return isValid;
  }

  /** Whether no location of frames [from, to) was found invalid. */
  areValid(frame: Int32Array, from: number, to: number): boolean {
    for (let i = from; i < to; i++) if (this.locationRow[frame[i]!] === INVALID) return false;
    return true;
  }

  #restart(): void {
    const { strings, functions, mappings, locations } = this.#pprof;
    this.truncated = 0;
    this.#stubMapping = UNRESOLVED;
    this.#stringRow = room(this.#stringRow, strings.length).fill(UNRESOLVED, 0, strings.length);
    this.#functionRow = room(this.#functionRow, functions.length).fill(UNRESOLVED, 0, functions.length);
    this.#mappingRow = room(this.#mappingRow, mappings.length).fill(UNRESOLVED, 0, mappings.length);
    this.locationRow = room(this.locationRow, locations.length + 1).fill(UNRESOLVED, 0, locations.length + 1);
    const bounds = {
      strings: strings.length,
      functions: functions.length,
      locations: locations.length,
      lines: locations.lineStart[locations.length]!,
    };
    this.symbols.begin(this.#view, bounds, this.#arena);
  }

  /** The row, INVALID for a location that does not count (contract/pyroscope.md §4.4). */
  #resolveLocation(location: number): number {
    const { locations } = this.#pprof;
    const from = locations.lineStart[location]!;
    const to = locations.lineStart[location + 1]!;
    const addressLo = locations.addressLo[location]!;
    const addressHi = locations.addressHi[location]!;
    const mappingLo = locations.mappingIdLo[location]!;
    const mappingHi = locations.mappingIdHi[location]!;
    if (from === to && (addressLo | addressHi) === 0) return INVALID;
    const isStub = (mappingLo | mappingHi) === 0;
    const mapping = isStub ? -1 : this.#mappingIds.row(mappingLo, mappingHi);
    if (!isStub && mapping < 0) return INVALID;
    const table = this.symbols.locations;
    for (let line = from; line < to; line++) {
      const row = this.#functionIds.row(locations.lineFunctionIdLo[line]!, locations.lineFunctionIdHi[line]!);
      if (row < 0) return INVALID;
      table.addLine(this.#function(row), locations.lineNumber[line]!);
    }
    // With lines a place is known by them (design: engine.md §7), so that equal lines at several addresses are one; without, by its address alone.
    const hasLines = from < to;
    return table.add(
      isStub ? this.#stub() : this.#mapping(mapping),
      hasLines ? 0 : addressLo,
      hasLines ? 0 : addressHi,
    );
  }

  #function(index: number): number {
    const done = this.#functionRow[index]! - 1;
    if (done >= 0) return done;
    const { functions } = this.#pprof;
    const { names, shapes } = this.#rules;
    const systemName = this.#string(functions.systemName[index]!);
    const fileName = this.#string(functions.fileName[index]!);
    const sent = functions.name[index]!;
    const isAsSent = names === 'as sent' && (shapes.size === 0 || !shapes.has(sent));
    const name = isAsSent ? this.#string(sent) : this.#madeName(sent, functions.fileName[index]!);
    const row = this.symbols.functions.add(name, systemName, fileName, functions.startLine[index]!);
    this.#functionRow[index] = row + 1;
    return row;
  }

  #madeName(nameIndex: number, fileIndex: number): number {
    const { names, shapes } = this.#rules;
    const file = names === 'as sent' ? '' : textOf(this.#pprof, fileIndex);
    let name = textOf(this.#pprof, nameIndex);
    if (names === 'file first' || (names === 'relative file first' && !file.startsWith('/'))) name = `${file} ${name}`;
    if (shapes.has(nameIndex)) name = withoutShapes(name);
    return this.symbols.strings.addText(this.cut(name));
  }

  #stub(): number {
    if (this.#stubMapping === UNRESOLVED) this.#stubMapping = 1 + this.#internMapping(-1, true);
    return this.#stubMapping - 1;
  }

  #mapping(index: number): number {
    const done = this.#mappingRow[index]! - 1;
    if (done >= 0) return done;
    const row = this.#internMapping(index, (this.#pprof.mappings.flags[index]! & HAS_FUNCTIONS) !== 0);
    this.#mappingRow[index] = row + 1;
    return row;
  }

  /** @param index -1 for the stub. @param isCleared without its memory range. */
  #internMapping(index: number, isCleared: boolean): number {
    const { mappings } = this.#pprof;
    const { buildIdOf } = this.#rules;
    const half = (column: Int32Array, side: number): number => (isCleared ? 0 : column[index * 2 + side]!);
    const sent = index < 0 ? 0 : mappings.buildId[index]!;
    return this.symbols.mappings.intern({
      startLo: half(mappings.start, 0),
      startHi: half(mappings.start, 1),
      limitLo: half(mappings.limit, 0),
      limitHi: half(mappings.limit, 1),
      offsetLo: half(mappings.offset, 0),
      offsetHi: half(mappings.offset, 1),
      fileName: index < 0 ? 0 : this.#string(mappings.fileName[index]!),
      buildId:
        buildIdOf === undefined
          ? this.#string(sent)
          : this.symbols.strings.addText(buildIdOf(textOf(this.#pprof, sent))),
      flags: index < 0 ? 0 : mappings.flags[index]!,
    });
  }

  /** Hot: once per string used. A string row of the file as one of ours; negative ones read as empty, too long ones keep their tail. */
  #string(index: number): number {
    if (index <= 0) return 0;
    const done = this.#stringRow[index]! - 1;
    if (done >= 0) return done;
    const { strings, bytes } = this.#pprof;
    const to = strings.to[index]!;
    const from = this.#tailFrom(bytes, strings.from[index]!, to);
    const row = this.symbols.strings.add(from, to);
    this.#stringRow[index] = row + 1;
    return row;
  }

  /** Where the part of a string that is kept begins: never in the middle of a character. */
  #tailFrom(bytes: Uint8Array, from: number, to: number): number {
    const limit = this.#rules.maxStringLength;
    if (limit === 0 || to - from <= limit) return from;
    this.truncated++;
    let at = to - limit;
    while (at < to && (bytes[at]! & 0xc0) === 0x80) at++;
    return at;
  }

  /** A text as any string of the profile: cut to its tail when it is too long. */
  cut(text: string): string {
    const limit = this.#rules.maxStringLength;
    if (limit === 0 || text.length * 3 <= limit) return text;
    const bytes = encoder.encode(text);
    return decoder.decode(bytes.subarray(this.#tailFrom(bytes, 0, bytes.length)));
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
