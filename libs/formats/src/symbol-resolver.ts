import { isGo, withoutShapes } from './go-names.ts';
import type { ProfileLimits } from './limits.ts';
import { indexIds, type Pprof } from './pprof/decode.ts';
import { SymbolsBuilder } from './symbols-builder.ts';

/** How function names are made; see ingest/describe-ingest.ts. */
export type FunctionNames = 'as sent' | 'file first' | 'relative file first';

export interface SymbolRules {
  readonly limits: ProfileLimits;
  readonly names: FunctionNames;
  /** The label pyroscope_spy, '' when absent. */
  readonly spy: string;
  /** What a mapping's build id becomes, where the labels name a source repository. */
  readonly buildIdOf: ((buildId: string) => string) | undefined;
}

/** A location that has not been asked for yet. */
export const UNRESOLVED = -2;
/** A location that no stack may use (contract/pyroscope.md §4.4). */
export const INVALID = -1;
const HAS_FUNCTIONS = 1;

/** From rows of a pprof's tables to rows of a symbol table; what no kept sample asks for is never interned. */
export class SymbolResolver {
  readonly symbols: SymbolsBuilder = new SymbolsBuilder();
  /** By row of the file: our row, UNRESOLVED or INVALID. */
  readonly locationRow: Int32Array;
  truncatedStrings = 0;
  readonly #pprof: Pprof;
  readonly #rules: SymbolRules;
  readonly #cutsShapes: boolean;
  readonly #functionIds: ReturnType<typeof indexIds>;
  readonly #mappingIds: ReturnType<typeof indexIds>;
  readonly #stringRow: Int32Array;
  readonly #functionRow: Int32Array;
  readonly #mappingRow: Int32Array;
  #lineFunction = new Uint32Array(16);
  #stubMapping = -1;

  constructor(pprof: Pprof, rules: SymbolRules) {
    this.#pprof = pprof;
    this.#rules = rules;
    this.#cutsShapes = isGo(pprof, rules.spy);
    this.#functionIds = indexIds(pprof.functions);
    this.#mappingIds = indexIds(pprof.mappings);
    this.#stringRow = new Int32Array(pprof.strings.length).fill(UNRESOLVED);
    this.#functionRow = new Int32Array(pprof.functions.length).fill(UNRESOLVED);
    this.#mappingRow = new Int32Array(pprof.mappings.length).fill(UNRESOLVED);
    this.locationRow = new Int32Array(pprof.locations.length).fill(UNRESOLVED);
  }

  /** Interns a location at its first use; sets `locationRow`. */
  resolveLocation(location: number): number {
    const { locations } = this.#pprof;
    const from = locations.lineStart[location]!;
    const count = locations.lineStart[location + 1]! - from;
    const isStub = locations.mappingIdLo[location] === 0 && locations.mappingIdHi[location] === 0;
    const mapping = isStub
      ? -1
      : this.#mappingIds.row(locations.mappingIdLo[location]!, locations.mappingIdHi[location]!);
    const hasAddress = locations.addressLo[location] !== 0 || locations.addressHi[location] !== 0;
    let isValid = (count > 0 || hasAddress) && (isStub || mapping >= 0);
    if (count > this.#lineFunction.length) this.#lineFunction = new Uint32Array(count * 2);
    for (let i = 0; i < count && isValid; i++) {
      const row = this.#functionIds.row(locations.lineFunctionIdLo[from + i]!, locations.lineFunctionIdHi[from + i]!);
      if (row < 0) isValid = false;
      else {
        const done = this.#functionRow[row]!;
        this.#lineFunction[i] = done >= 0 ? done : this.#resolveFunction(row);
      }
    }
    const resolved = isValid ? this.#addLocation(location, mapping, from, count) : INVALID;
    this.locationRow[location] = resolved;
    return resolved;
  }

  #addLocation(location: number, mapping: number, from: number, count: number): number {
    const { locations, mappings } = this.#pprof;
    // A location without lines is known by its address alone, whatever its mapping says.
    const isSymbolised = count > 0 && mapping >= 0 && (mappings.flags[mapping]! & HAS_FUNCTIONS) !== 0;
    return this.symbols.location(
      mapping < 0 ? this.#stub() : this.#resolveMapping(mapping),
      isSymbolised ? 0 : locations.addressLo[location]!,
      isSymbolised ? 0 : locations.addressHi[location]!,
      this.#lineFunction,
      locations.lineNumber,
      from,
      count,
    );
  }

  #stub(): number {
    if (this.#stubMapping < 0) {
      this.#stubMapping = this.symbols.mapping({ start: 0n, limit: 0n, offset: 0n, fileName: 0, buildId: 0, flags: 0 });
    }
    return this.#stubMapping;
  }

  #resolveMapping(mapping: number): number {
    const done = this.#mappingRow[mapping]!;
    if (done >= 0) return done;
    const { mappings } = this.#pprof;
    const isSymbolised = (mappings.flags[mapping]! & HAS_FUNCTIONS) !== 0;
    const { symbols } = this;
    const { buildIdOf } = this.#rules;
    const buildId = this.#resolveString(mappings.buildId[mapping]!);
    const row = symbols.mapping({
      start: isSymbolised ? 0n : mappings.start[mapping]!,
      limit: isSymbolised ? 0n : mappings.limit[mapping]!,
      offset: isSymbolised ? 0n : mappings.offset[mapping]!,
      fileName: this.#resolveString(mappings.fileName[mapping]!),
      buildId: buildIdOf === undefined ? buildId : symbols.text(buildIdOf(symbols.textOf(buildId))),
      flags: mappings.flags[mapping]!,
    });
    this.#mappingRow[mapping] = row;
    return row;
  }

  #resolveFunction(index: number): number {
    const { functions } = this.#pprof;
    const fileName = this.#resolveString(functions.fileName[index]!);
    let name = this.#resolveString(functions.name[index]!);
    if (this.#rules.names !== 'as sent') name = this.#withFile(name, fileName);
    if (this.#cutsShapes) name = this.#withoutShapes(name);
    const systemName = this.#resolveString(functions.systemName[index]!);
    const row = this.symbols.function(name, systemName, fileName, functions.startLine[index]!);
    this.#functionRow[index] = row;
    return row;
  }

  #withFile(name: number, fileName: number): number {
    const file = this.symbols.textOf(fileName);
    if (this.#rules.names === 'relative file first' && file.startsWith('/')) return name;
    return this.symbols.text(`${file} ${this.symbols.textOf(name)}`);
  }

  #withoutShapes(name: number): number {
    const text = this.symbols.textOf(name);
    const cut = withoutShapes(text);
    return cut === text ? name : this.symbols.text(cut);
  }

  /** A string row of the file as one of ours; negative ones read as empty, too long ones keep their tail. */
  #resolveString(index: number): number {
    if (index <= 0) return 0;
    const done = this.#stringRow[index]!;
    if (done >= 0) return done;
    const { strings, bytes } = this.#pprof;
    const to = strings.to[index]!;
    const from = this.tailStart(bytes, strings.from[index]!, to);
    const row = this.symbols.string(bytes, from, to);
    this.#stringRow[index] = row;
    return row;
  }

  /** Where the kept tail of a string starts, not in the middle of a character; counts the cut. */
  tailStart(bytes: Uint8Array, from: number, to: number): number {
    const limit = this.#rules.limits.maxSymbolValueLength;
    if (limit === 0 || to - from <= limit) return from;
    this.truncatedStrings++;
    let start = to - limit;
    while (start < to && (bytes[start]! & 0xc0) === 0x80) start++;
    return start;
  }
}
