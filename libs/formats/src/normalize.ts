import {
  INT64_HI,
  KilnError,
  labelSetKey,
  labelValue,
  SPILL,
  type ExactColumn,
  type Label,
  type Profile,
  type SampleGroup,
  type SpanColumns,
  type ValueType,
} from '@kiln/model';
import { isGo, withoutShapes } from './go-names.ts';
import { completeLabels, seriesLabels } from './labels.ts';
import type { ProfileLimits } from './limits.ts';
import { checkPprof, textOf } from './pprof/check.ts';
import { indexIds, type Pprof } from './pprof/decode.ts';
import { BYTES, malformed, VARINT, Wire } from './pprof/wire.ts';
import { SymbolsBuilder } from './symbols-builder.ts';

/** What comes with a decoded profile. */
export interface NormalizeRequest {
  /** As pushed: any order, copies included. */
  readonly labels: readonly Label[];
  readonly limits: ProfileLimits;
  /** Unix milliseconds; the time of a profile that carries none. */
  readonly receivedMs: number;
  /** How function names are made; see `spy-fixes.ts`. */
  readonly names?: 'as sent' | 'file first' | 'relative file first';
}

export interface Normalized {
  /** Undefined when nothing is left to store: a profile without samples is no error. */
  readonly profile: Profile | undefined;
  /** Stacks cut at max_profile_stacktrace_depth. */
  readonly truncatedStacks: number;
  /** Strings cut at max_profile_symbol_value_length. */
  readonly truncatedStrings: number;
}

/**
 * A decoded pprof as a `Profile`, by contract/pyroscope.md §4.1 steps 1, 6, 7 (without stack repair), 9, 10, 11 and §4.2 to §4.8: checked against the
 * limits, samples without value or with invalid locations dropped, equal stacks summed exactly, string sample labels made series, span and trace ids
 * kept with their samples.
 * @throws KilnError `invalid_argument` with a reason of §4.3, or `out_of_range` for a sum that int64 cannot carry.
 */
export function normalizePprof(pprof: Pprof, request: NormalizeRequest): Normalized {
  const { limits, receivedMs } = request;
  const pushed = completeLabels(request.labels);
  const checked = checkPprof(pprof, limits, receivedMs);
  const samples = new Samples(pprof, request, labelValue(pushed, 'pyroscope_spy'), buildIdOf(pushed));
  samples.read();
  const types = valueTypes(pprof);
  const groups: SampleGroup[] = [];
  const bySeries = new Map<string, number>();
  for (let group = 0; group < samples.groups.length; group++) {
    const summed = samples.sum(group);
    if (summed === undefined) continue;
    const made: SampleGroup = { series: seriesLabels(pushed, samples.groups[group]!, limits), ...summed };
    const key = labelSetKey(made.series);
    const at = bySeries.get(key);
    // Sample labels that lose against the series' own leave groups with equal labels.
    if (at === undefined) bySeries.set(key, groups.push(made) - 1);
    else groups[at] = mergeGroups(groups[at]!, made);
  }
  const counts = { truncatedStacks: samples.truncatedStacks, truncatedStrings: samples.truncatedStrings };
  if (groups.length === 0) {
    seriesLabels(pushed, [], limits);
    return { profile: undefined, ...counts };
  }
  const series = groups[0]!.series;
  return {
    profile: {
      service: labelValue(series, 'service_name'),
      name: labelValue(series, '__name__'),
      types,
      timeNanos: checked.timeNanos,
      durationNanos: pprof.durationNanos,
      symbols: samples.symbols.symbols(),
      groups,
    },
    ...counts,
  };
}

/** Types with the period type each was sampled by. */
function valueTypes(pprof: Pprof): ValueType[] {
  const { periodType } = pprof;
  const period =
    periodType === undefined
      ? { periodType: '', periodUnit: '' }
      : { periodType: textOf(pprof, periodType.type), periodUnit: textOf(pprof, periodType.unit) };
  return pprof.sampleTypes.map(({ type, unit }) => ({
    type: textOf(pprof, type),
    unit: textOf(pprof, unit),
    ...period,
  }));
}

/** How mappings get their build id when the labels name a source repository (contract/pyroscope.md §4.1 step 10). */
function buildIdOf(labels: readonly Label[]): ((buildId: string) => string) | undefined {
  const repository = labelValue(labels, 'service_repository');
  const gitRef = labelValue(labels, 'service_git_ref');
  const rootPath = labelValue(labels, 'service_root_path');
  if (repository === '' && gitRef === '' && rootPath === '') return undefined;
  return (buildId) => {
    const parts = [
      ['repository', repository],
      ['git_ref', gitRef],
      ['build_id', buildId],
      ['root_path', rootPath],
    ];
    return JSON.stringify(Object.fromEntries(parts.filter(([, value]) => value !== '')));
  };
}

const UNRESOLVED = -2;
const INVALID = -1;
const HAS_FUNCTIONS = 1;

/** Key and string of a label message that ends at `to`; a numeric label has string 0. */
function readLabel(wire: Wire, to: number): [number, number] {
  let key = 0;
  let str = 0;
  while (wire.next(to)) {
    if (wire.type !== VARINT) continue;
    if (wire.field === 1) key = wire.index();
    else if (wire.field === 2) str = wire.index();
  }
  return [key, str];
}

/**
 * The samples of one profile, read into columns: group of labels, stack row, values, ids. Hot: once per sample and frame; symbols are interned when a
 * kept sample first uses them.
 */
class Samples {
  readonly symbols = new SymbolsBuilder();
  /** String sample labels of each group; group 0 has none. */
  readonly groups: Label[][] = [[]];
  truncatedStacks = 0;
  truncatedStrings = 0;

  readonly #pprof: Pprof;
  readonly #limits: ProfileLimits;
  readonly #names: NonNullable<NormalizeRequest['names']>;
  readonly #buildIdOf: ((buildId: string) => string) | undefined;
  readonly #cutsShapes: boolean;
  readonly #types: number;
  readonly #groupOf = new Map<string, number>();
  readonly #stringRow: Int32Array;
  readonly #functionRow: Int32Array;
  readonly #mappingRow: Int32Array;
  readonly #locationRow: Int32Array;
  #stubMapping = -1;
  #length = 0;
  readonly #group: Uint32Array;
  readonly #stack: Uint32Array;
  readonly #lo: Float64Array[];
  readonly #hi: Float64Array[];
  #spanId: BigUint64Array | undefined;
  #traceHi: BigUint64Array | undefined;
  #traceLo: BigUint64Array | undefined;

  constructor(
    pprof: Pprof,
    { limits, names }: NormalizeRequest,
    spy: string,
    buildId: ((buildId: string) => string) | undefined,
  ) {
    this.#pprof = pprof;
    this.#limits = limits;
    this.#names = names ?? 'as sent';
    this.#buildIdOf = buildId;
    this.#cutsShapes = isGo(pprof, spy);
    this.#types = pprof.sampleTypes.length;
    this.#stringRow = new Int32Array(pprof.strings.length).fill(UNRESOLVED);
    this.#functionRow = new Int32Array(pprof.functions.length).fill(UNRESOLVED);
    this.#mappingRow = new Int32Array(pprof.mappings.length).fill(UNRESOLVED);
    this.#locationRow = new Int32Array(pprof.locations.length).fill(UNRESOLVED);
    const count = pprof.samples.length;
    this.#group = new Uint32Array(count);
    this.#stack = new Uint32Array(count);
    this.#lo = Array.from({ length: this.#types }, () => new Float64Array(count));
    this.#hi = Array.from({ length: this.#types }, () => new Float64Array(count));
  }

  /** Hot: once per sample. */
  read(): void {
    const { bytes, samples } = this.#pprof;
    const wire = new Wire(bytes);
    const stacks = new StackTable(this.symbols);
    const locationIds = indexIds(this.#pprof.locations);
    const functionIds = indexIds(this.#pprof.functions);
    const mappingIds = indexIds(this.#pprof.mappings);
    const maxDepth = this.#limits.maxStacktraceDepth;
    const types = this.#types;
    let path = new Uint32Array(256);
    for (let sample = 0; sample < samples.length; sample++) {
      const to = samples.to[sample]!;
      wire.at = samples.from[sample]!;
      const row = this.#length;
      let depth = 0;
      let values = 0;
      let isKept = true;
      let hasValue = false;
      let hasLabels = false;
      while (wire.next(to)) {
        const field = wire.field;
        if (field === 1) {
          // Packed or one by one: both are a run of numbers.
          const runTo = wire.type === BYTES ? wire.to : 0;
          if (wire.type === BYTES) wire.at = wire.from;
          else if (wire.type !== VARINT) continue;
          while (runTo === 0 || wire.at < runTo) {
            if (runTo !== 0) wire.varint(runTo);
            if (depth === path.length) path = grown(path);
            path[depth++] = locationIds.row(wire.lo, wire.hi);
            if (runTo === 0) break;
          }
        } else if (field === 2) {
          const runTo = wire.type === BYTES ? wire.to : 0;
          if (wire.type === BYTES) wire.at = wire.from;
          else if (wire.type !== VARINT) continue;
          while (runTo === 0 || wire.at < runTo) {
            if (runTo !== 0) wire.varint(runTo);
            const { lo, hi } = wire;
            if (hi >= 0x80000000) isKept = false;
            else if (values < types) {
              if (lo !== 0 || hi !== 0) hasValue = true;
              if (hi < 0x100000) {
                this.#lo[values]![row] = hi * 4294967296 + lo;
                this.#hi[values]![row] = 0;
              } else {
                this.#lo[values]![row] = (hi & 0xfffff) * 4294967296 + lo;
                this.#hi[values]![row] = hi >>> 20;
              }
            }
            values++;
            if (runTo === 0) break;
          }
        } else if (field === 3 && wire.type === BYTES) hasLabels = true;
      }
      if (values !== types)
        throw malformed(`sample ${sample} has ${values} values, the profile has ${types} sample types`);
      let group = 0;
      if (hasLabels) group = this.#readLabels(wire, samples.from[sample]!, to, row, isKept && hasValue);
      if (!isKept || !hasValue) continue;
      // Locations are leaf first. Too deep a stack keeps its root side.
      let leaf = 0;
      if (maxDepth > 0 && depth > maxDepth) {
        leaf = depth - maxDepth;
        this.truncatedStacks++;
      }
      for (let i = leaf; i < depth && isKept; i++) {
        const location = path[i]! | 0;
        let resolved = location < 0 ? INVALID : this.#locationRow[location]!;
        if (resolved === UNRESOLVED) resolved = this.#resolveLocation(location, functionIds, mappingIds);
        if (resolved === INVALID) isKept = false;
        path[i] = resolved;
      }
      if (!isKept) continue;
      this.#stack[row] = stacks.row(path, leaf, depth);
      this.#group[row] = group;
      this.#length = row + 1;
    }
  }

  /** The group of a sample's string labels; its span and trace ids go into their columns. */
  #readLabels(wire: Wire, from: number, to: number, row: number, isKept: boolean): number {
    const labels = new Map<string, string>();
    let count = 0;
    wire.at = from;
    while (wire.next(to)) {
      if (wire.field !== 3 || wire.type !== BYTES) continue;
      count++;
      const labelTo = wire.to;
      wire.at = wire.from;
      const [key, str] = readLabel(wire, labelTo);
      const strings = this.#pprof.strings.length;
      if (key < 0 || key >= strings || str < 0 || str >= strings) {
        throw malformed(
          `sample label string index out of range: ${key < 0 || key >= strings ? key : str}, the string table has ${strings}`,
        );
      }
      if (str !== 0) labels.set(textOf(this.#pprof, key), this.#cutText(textOf(this.#pprof, str)));
    }
    const limit = this.#limits.maxStacktraceSampleLabels;
    if (limit > 0 && count > limit) {
      throw new KilnError(
        'invalid_argument',
        `sample ${row} has ${count} labels, limit ${limit} (max_profile_stacktrace_sample_labels)`,
        {
          reason: 'sample_labels_limit',
        },
      );
    }
    if (!isKept) return 0;
    this.#takeIds(labels, row);
    if (labels.size === 0) return 0;
    const sorted = [...labels].sort(([a], [b]) => (a < b ? -1 : 1));
    const text = JSON.stringify(sorted);
    let group = this.#groupOf.get(text);
    if (group === undefined) {
      group = this.groups.push(sorted.map(([name, value]) => ({ name, value }))) - 1;
      this.#groupOf.set(text, group);
    }
    return group;
  }

  /** Moves span and trace ids out of the labels. One that is not hex of its length is no id and is dropped. */
  #takeIds(labels: Map<string, string>, row: number): void {
    const span = labels.get('profile_id') ?? labels.get('span_id');
    const trace = labels.get('trace_id');
    for (const name of ['profile_id', 'span_id', 'trace_id']) labels.delete(name);
    if (span === undefined && trace === undefined) return;
    if (this.#spanId === undefined) {
      const count = this.#pprof.samples.length;
      this.#spanId = new BigUint64Array(count);
      this.#traceHi = new BigUint64Array(count);
      this.#traceLo = new BigUint64Array(count);
    }
    this.#spanId[row] = span !== undefined && /^[0-9a-fA-F]{16}$/.test(span) ? BigInt(`0x${span}`) : 0n;
    const isTrace = trace !== undefined && /^[0-9a-fA-F]{32}$/.test(trace);
    this.#traceHi![row] = isTrace ? BigInt(`0x${trace.slice(0, 16)}`) : 0n;
    this.#traceLo![row] = isTrace ? BigInt(`0x${trace.slice(16)}`) : 0n;
  }

  #resolveLocation(
    location: number,
    functionIds: ReturnType<typeof indexIds>,
    mappingIds: ReturnType<typeof indexIds>,
  ): number {
    const { locations } = this.#pprof;
    const from = locations.lineStart[location]!;
    const count = locations.lineStart[location + 1]! - from;
    const addressLo = locations.addressLo[location]!;
    const addressHi = locations.addressHi[location]!;
    const mappingLo = locations.mappingIdLo[location]!;
    const mappingHi = locations.mappingIdHi[location]!;
    const isStub = mappingLo === 0 && mappingHi === 0;
    const mapping = isStub ? -1 : mappingIds.row(mappingLo, mappingHi);
    let isValid = (count > 0 || addressLo !== 0 || addressHi !== 0) && (isStub || mapping >= 0);
    const functions = new Uint32Array(count);
    for (let i = 0; i < count && isValid; i++) {
      const row = functionIds.row(locations.lineFunctionIdLo[from + i]!, locations.lineFunctionIdHi[from + i]!);
      if (row < 0) isValid = false;
      else functions[i] = this.#resolveFunction(row);
    }
    const resolved = isValid ? this.#addLocation(location, mapping, functions, from, count) : INVALID;
    this.#locationRow[location] = resolved;
    return resolved;
  }

  #addLocation(location: number, mapping: number, functions: Uint32Array, from: number, count: number): number {
    const { locations, mappings } = this.#pprof;
    const mappingRow = mapping < 0 ? this.#stub() : this.#resolveMapping(mapping);
    const isSymbolised = mapping >= 0 && (mappings.flags[mapping]! & HAS_FUNCTIONS) !== 0;
    return this.symbols.location(
      mappingRow,
      isSymbolised ? 0 : locations.addressLo[location]!,
      isSymbolised ? 0 : locations.addressHi[location]!,
      functions,
      locations.lineNumber.subarray(from, from + count),
      count,
    );
  }

  #stub(): number {
    if (this.#stubMapping < 0)
      this.#stubMapping = this.symbols.mapping({ start: 0n, limit: 0n, offset: 0n, fileName: 0, buildId: 0, flags: 0 });
    return this.#stubMapping;
  }

  #resolveMapping(mapping: number): number {
    const done = this.#mappingRow[mapping]!;
    if (done >= 0) return done;
    const { mappings } = this.#pprof;
    const isSymbolised = (mappings.flags[mapping]! & HAS_FUNCTIONS) !== 0;
    const buildId = this.#resolveString(mappings.buildId[mapping]!);
    const row = this.symbols.mapping({
      start: isSymbolised ? 0n : mappings.start[mapping]!,
      limit: isSymbolised ? 0n : mappings.limit[mapping]!,
      offset: isSymbolised ? 0n : mappings.offset[mapping]!,
      fileName: this.#resolveString(mappings.fileName[mapping]!),
      buildId:
        this.#buildIdOf === undefined ? buildId : this.symbols.text(this.#buildIdOf(this.symbols.textOf(buildId))),
      flags: mappings.flags[mapping]!,
    });
    this.#mappingRow[mapping] = row;
    return row;
  }

  #resolveFunction(index: number): number {
    const done = this.#functionRow[index]!;
    if (done >= 0) return done;
    const { functions } = this.#pprof;
    const fileName = this.#resolveString(functions.fileName[index]!);
    let name = this.#resolveString(functions.name[index]!);
    if (this.#names !== 'as sent') name = this.#withFile(name, fileName);
    if (this.#cutsShapes) {
      const text = this.symbols.textOf(name);
      const cut = withoutShapes(text);
      if (cut !== text) name = this.symbols.text(cut);
    }
    const row = this.symbols.function(
      name,
      this.#resolveString(functions.systemName[index]!),
      fileName,
      functions.startLine[index]!,
    );
    this.#functionRow[index] = row;
    return row;
  }

  #withFile(name: number, fileName: number): number {
    const file = this.symbols.textOf(fileName);
    if (this.#names === 'relative file first' && file.startsWith('/')) return name;
    return this.symbols.text(`${file} ${this.symbols.textOf(name)}`);
  }

  /** A string row of the file as one of ours; negative ones read as empty, too long ones keep their tail. */
  #resolveString(index: number): number {
    if (index <= 0) return 0;
    const done = this.#stringRow[index]!;
    if (done >= 0) return done;
    const { strings, bytes } = this.#pprof;
    let from = strings.from[index]!;
    const to = strings.to[index]!;
    const limit = this.#limits.maxSymbolValueLength;
    if (limit > 0 && to - from > limit) {
      from = to - limit;
      // Not in the middle of a character.
      while (from < to && (bytes[from]! & 0xc0) === 0x80) from++;
      this.truncatedStrings++;
    }
    const row = this.symbols.string(bytes, from, to);
    this.#stringRow[index] = row;
    return row;
  }

  #cutText(text: string): string {
    const limit = this.#limits.maxSymbolValueLength;
    if (limit === 0 || text.length * 3 <= limit) return text;
    const bytes = new TextEncoder().encode(text);
    if (bytes.length <= limit) return text;
    this.truncatedStrings++;
    let from = bytes.length - limit;
    while (from < bytes.length && (bytes[from]! & 0xc0) === 0x80) from++;
    return new TextDecoder().decode(bytes.subarray(from));
  }

  /** Hot: the samples of one group, equal stacks summed, sorted by stack; undefined when it has none. */
  sum(group: number): Omit<SampleGroup, 'series'> | undefined {
    const at = new Int32Array(this.symbols.stacks).fill(-1);
    let distinct = 0;
    for (let row = 0; row < this.#length; row++) {
      if (this.#group[row] !== group) continue;
      const stack = this.#stack[row]!;
      if (at[stack]! < 0) {
        at[stack] = 0;
        distinct++;
      }
    }
    if (distinct === 0) return undefined;
    const stack = new Uint32Array(distinct);
    let next = 0;
    for (let s = 0; s < at.length; s++) {
      if (at[s]! < 0) continue;
      stack[next] = s;
      at[s] = next++;
    }
    const values = this.#lo.map((lo, type) => this.#sumType(group, type, at, distinct, lo, this.#hi[type]!));
    return { length: distinct, stack, values, spans: this.#spans(group) };
  }

  #sumType(
    group: number,
    type: number,
    at: Int32Array,
    distinct: number,
    lo: Float64Array,
    hi: Float64Array,
  ): ExactColumn {
    const sumLo = new Float64Array(distinct);
    const sumHi = new Float64Array(distinct);
    let totalLo = 0;
    let totalHi = 0;
    let wide = 0;
    for (let row = 0; row < this.#length; row++) {
      if (this.#group[row] !== group) continue;
      const slot = at[this.#stack[row]!]!;
      let low = sumLo[slot]! + lo[row]!;
      let high = sumHi[slot]! + hi[row]!;
      if (low >= SPILL) {
        low -= SPILL;
        high += 1;
      }
      sumLo[slot] = low;
      sumHi[slot] = high;
      wide = Math.max(wide, high);
      totalLo += lo[row]!;
      totalHi += hi[row]!;
      if (totalLo >= SPILL) {
        totalLo -= SPILL;
        totalHi += 1;
      }
    }
    if (totalHi >= INT64_HI) {
      const { type: name, unit } = this.#pprof.sampleTypes[type]!;
      throw new KilnError(
        'out_of_range',
        `the profile's values of ${textOf(this.#pprof, name)}/${textOf(this.#pprof, unit)} sum to ${(BigInt(totalHi) << 52n) + BigInt(totalLo)}: a sum must lie within int64, -9223372036854775808 to 9223372036854775807`,
        { reason: 'malformed_profile' },
      );
    }
    return { lo: sumLo, hi: wide > 0 ? sumHi : undefined };
  }

  #spans(group: number): SpanColumns | undefined {
    if (this.#spanId === undefined) return undefined;
    const rows: number[] = [];
    for (let row = 0; row < this.#length; row++) {
      if (this.#group[row] !== group) continue;
      if (this.#spanId[row] !== 0n || this.#traceHi![row] !== 0n || this.#traceLo![row] !== 0n) rows.push(row);
    }
    if (rows.length === 0) return undefined;
    return {
      length: rows.length,
      stack: Uint32Array.from(rows, (row) => this.#stack[row]!),
      spanId: BigUint64Array.from(rows, (row) => this.#spanId![row]!),
      traceIdHi: BigUint64Array.from(rows, (row) => this.#traceHi![row]!),
      traceIdLo: BigUint64Array.from(rows, (row) => this.#traceLo![row]!),
      values: this.#lo.map((lo, type) => ({
        lo: Float64Array.from(rows, (row) => lo[row]!),
        hi: Float64Array.from(rows, (row) => this.#hi[type]![row]!),
      })),
    };
  }
}

/** Stacks by their list of locations, in front of the tree: a stack seen before costs one hash of its frames and one compare along the tree. */
class StackTable {
  readonly #symbols: SymbolsBuilder;
  #slots: Int32Array = new Int32Array(1024).fill(-1);
  #hashes = new Int32Array(512);
  #nodes = new Uint32Array(512);
  #length = 0;

  constructor(symbols: SymbolsBuilder) {
    this.#symbols = symbols;
  }

  /** The stack row of path[leaf .. depth), leaf first. */
  row(path: Uint32Array, leaf: number, depth: number): number {
    let hash = depth - leaf;
    for (let i = leaf; i < depth; i++) hash = Math.imul(hash ^ path[i]!, 0x01000193) ^ (hash >>> 15);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    const mask = this.#slots.length - 1;
    let slot = (hash >>> 5) & mask;
    for (let stack = this.#slots[slot]!; stack >= 0; stack = this.#slots[slot]!) {
      if (this.#hashes[stack] === hash && this.#isPath(this.#nodes[stack]!, path, leaf, depth)) return stack;
      slot = (slot + 1) & mask;
    }
    let node = 0;
    for (let i = depth - 1; i >= leaf; i--) node = this.#symbols.node(node, path[i]!);
    const stack = this.#symbols.stack(node);
    if (stack === this.#length) this.#add(slot, hash, node);
    return stack;
  }

  #isPath(leafNode: number, path: Uint32Array, leaf: number, depth: number): boolean {
    const symbols = this.#symbols;
    let node = leafNode;
    for (let i = leaf; i < depth; i++) {
      if (node === 0 || symbols.locationOf(node) !== path[i]) return false;
      node = symbols.parentOf(node);
    }
    return node === 0;
  }

  #add(slot: number, hash: number, node: number): void {
    const stack = this.#length++;
    if (stack === this.#hashes.length) {
      const hashes = new Int32Array(stack * 2);
      hashes.set(this.#hashes);
      this.#hashes = hashes;
      this.#nodes = grown(this.#nodes);
    }
    this.#hashes[stack] = hash;
    this.#nodes[stack] = node;
    this.#slots[slot] = stack;
    if (this.#length * 2 <= this.#slots.length) return;
    this.#slots = new Int32Array(this.#slots.length * 4).fill(-1);
    const mask = this.#slots.length - 1;
    for (let row = 0; row < this.#length; row++) {
      let free = (this.#hashes[row]! >>> 5) & mask;
      while (this.#slots[free]! >= 0) free = (free + 1) & mask;
      this.#slots[free] = row;
    }
  }
}

function grown(old: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(old.length * 2);
  larger.set(old);
  return larger;
}

/** Two groups that turned out to be one series. */
function mergeGroups(a: SampleGroup, b: SampleGroup): SampleGroup {
  const stacks = [...new Set([...a.stack.subarray(0, a.length), ...b.stack.subarray(0, b.length)])].sort(
    (x, y) => x - y,
  );
  const position = new Map(stacks.map((stack, i) => [stack, i]));
  const values = a.values.map((_, type) => {
    const sums = { lo: new Float64Array(stacks.length), hi: new Float64Array(stacks.length) };
    for (const group of [a, b]) {
      const { lo, hi } = group.values[type]!;
      for (let i = 0; i < group.length; i++) {
        const at = position.get(group.stack[i]!)!;
        const sum = sums.lo[at]! + lo[i]!;
        sums.lo[at] = sum >= SPILL ? sum - SPILL : sum;
        sums.hi[at] = sums.hi[at]! + (hi?.[i] ?? 0) + (sum >= SPILL ? 1 : 0);
      }
    }
    if (sums.hi.reduce((x, y) => x + y, 0) + Math.ceil(sums.lo.reduce((x, y) => x + y / SPILL, 0)) > INT64_HI) {
      throw new KilnError(
        'out_of_range',
        'values of one series sum beyond int64, -9223372036854775808 to 9223372036854775807',
        {
          reason: 'malformed_profile',
        },
      );
    }
    return sums;
  });
  return {
    series: a.series,
    length: stacks.length,
    stack: Uint32Array.from(stacks),
    values,
    spans: mergeSpans(a.spans, b.spans),
  };
}

function mergeSpans(a: SpanColumns | undefined, b: SpanColumns | undefined): SpanColumns | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const both = <T extends Uint32Array | BigUint64Array | Float64Array>(x: T, y: T, into: T): T => {
    into.set(x.subarray(0, a.length) as never);
    into.set(y.subarray(0, b.length) as never, a.length);
    return into;
  };
  const length = a.length + b.length;
  const zeros = (n: number): Float64Array => new Float64Array(n);
  return {
    length,
    stack: both(a.stack, b.stack, new Uint32Array(length)),
    spanId: both(a.spanId, b.spanId, new BigUint64Array(length)),
    traceIdHi: both(a.traceIdHi, b.traceIdHi, new BigUint64Array(length)),
    traceIdLo: both(a.traceIdLo, b.traceIdLo, new BigUint64Array(length)),
    values: a.values.map((column, type) => {
      const other = b.values[type]!;
      return {
        lo: both(column.lo, other.lo, zeros(length)),
        hi: both(column.hi ?? zeros(a.length), other.hi ?? zeros(b.length), zeros(length)),
      };
    }),
  };
}
