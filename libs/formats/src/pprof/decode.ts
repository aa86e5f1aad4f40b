import { IdIndex } from './id-index.ts';
import { BYTES, malformed, VARINT, Wire } from './wire.ts';

/** A type or period type: rows of the string table as they stand in the file, unchecked; -1 for a negative one. */
export interface PprofValueType {
  readonly type: number;
  readonly unit: number;
}

/**
 * A pprof as tables over its own bytes (https://github.com/google/pprof/blob/main/proto/profile.proto). The structure is checked, references are not yet:
 * string rows are as in the file (-1 for a negative one), ids are 64-bit halves, samples are still messages.
 */
export interface Pprof {
  readonly bytes: Uint8Array;
  readonly strings: { readonly length: number; readonly from: Uint32Array; readonly to: Uint32Array };
  readonly sampleTypes: readonly PprofValueType[];
  readonly periodType: PprofValueType | undefined;
  readonly period: bigint;
  readonly timeNanos: bigint;
  readonly durationNanos: bigint;
  readonly functions: {
    readonly length: number;
    readonly idLo: Uint32Array;
    readonly idHi: Uint32Array;
    readonly name: Int32Array;
    readonly systemName: Int32Array;
    readonly fileName: Int32Array;
    readonly startLine: Float64Array;
  };
  readonly mappings: {
    readonly length: number;
    readonly idLo: Uint32Array;
    readonly idHi: Uint32Array;
    readonly start: BigUint64Array;
    readonly limit: BigUint64Array;
    readonly offset: BigUint64Array;
    readonly fileName: Int32Array;
    readonly buildId: Int32Array;
    readonly flags: Uint8Array;
  };
  readonly locations: {
    readonly length: number;
    readonly idLo: Uint32Array;
    readonly idHi: Uint32Array;
    readonly mappingIdLo: Uint32Array;
    readonly mappingIdHi: Uint32Array;
    readonly addressLo: Uint32Array;
    readonly addressHi: Uint32Array;
    /** Lines of location i are rows lineStart[i] .. lineStart[i + 1]. */
    readonly lineStart: Uint32Array;
    readonly lineFunctionIdLo: Uint32Array;
    readonly lineFunctionIdHi: Uint32Array;
    readonly lineNumber: Float64Array;
  };
  /** Sample messages: bytes [from, to) each. */
  readonly samples: { readonly length: number; readonly from: Uint32Array; readonly to: Uint32Array };
}

/** Ids of a table, indexed when first asked for. */
export function indexIds(table: { length: number; idLo: Uint32Array; idHi: Uint32Array }): IdIndex {
  return new IdIndex(table.idLo, table.idHi, table.length);
}

const SAMPLE_TYPE = 1;
const SAMPLE = 2;
const MAPPING = 3;
const LOCATION = 4;
const FUNCTION = 5;
const STRING = 6;
const TIME_NANOS = 9;
const DURATION_NANOS = 10;
const PERIOD_TYPE = 11;
const PERIOD = 12;

/**
 * Reads an uncompressed pprof. Two passes over the top level: one that counts, one that fills columns of exactly that size; no object per sample,
 * location, line or string. Fields may come in any order; unknown ones are skipped.
 * @throws KilnError `invalid_argument`, reason `malformed_profile`, with the byte's offset.
 */
export function decodePprof(bytes: Uint8Array): Pprof {
  if (bytes.length === 0) throw malformed('profile is empty: 0 bytes');
  const counts = countFields(bytes);
  const strings = {
    length: counts[STRING]!,
    from: new Uint32Array(counts[STRING]!),
    to: new Uint32Array(counts[STRING]!),
  };
  const samples = {
    length: counts[SAMPLE]!,
    from: new Uint32Array(counts[SAMPLE]!),
    to: new Uint32Array(counts[SAMPLE]!),
  };
  const functions = makeFunctions(counts[FUNCTION]!);
  const mappings = makeMappings(counts[MAPPING]!);
  const lines = new Lines(counts[LOCATION]! * 2);
  const locations = makeLocations(counts[LOCATION]!);
  const sampleTypes: PprofValueType[] = [];
  let periodType: PprofValueType | undefined;
  let period = 0n;
  let timeNanos = 0n;
  let durationNanos = 0n;
  let s = 0;
  let p = 0;
  let f = 0;
  let m = 0;
  let l = 0;
  const wire = new Wire(bytes);
  const end = bytes.length;
  while (wire.next(end)) {
    const { field, type, from, to } = wire;
    if (type === BYTES) {
      if (field === STRING) {
        strings.from[s] = from;
        strings.to[s++] = to;
      } else if (field === SAMPLE) {
        samples.from[p] = from;
        samples.to[p++] = to;
      } else if (field === LOCATION) readLocation(wire, from, to, locations, l++, lines);
      else if (field === FUNCTION) readFunction(wire, from, to, functions, f++);
      else if (field === MAPPING) readMapping(wire, from, to, mappings, m++);
      else if (field === SAMPLE_TYPE) sampleTypes.push(readValueType(wire, from, to));
      else if (field === PERIOD_TYPE) periodType = readValueType(wire, from, to);
      wire.at = to;
    } else if (type === VARINT) {
      if (field === TIME_NANOS) timeNanos = wire.big();
      else if (field === DURATION_NANOS) durationNanos = wire.big();
      else if (field === PERIOD) period = wire.big();
    }
  }
  locations.lineStart[l] = lines.length;
  return {
    bytes,
    strings,
    sampleTypes,
    periodType,
    period,
    timeNanos,
    durationNanos,
    functions,
    mappings,
    locations: {
      ...locations,
      lineFunctionIdLo: lines.functionIdLo,
      lineFunctionIdHi: lines.functionIdHi,
      lineNumber: lines.number,
    },
    samples,
  };
}

/** Hot. How often each of the fields 0 to 15 occurs as a message or string; checks the top level on the way. */
function countFields(bytes: Uint8Array): Uint32Array {
  const counts = new Uint32Array(16);
  const wire = new Wire(bytes);
  const end = bytes.length;
  while (wire.next(end)) if (wire.type === BYTES && wire.field < 16) counts[wire.field] = counts[wire.field]! + 1;
  return counts;
}

type Functions = Pprof['functions'];
type Mappings = Pprof['mappings'];
type Locations = Omit<Pprof['locations'], 'lineFunctionIdLo' | 'lineFunctionIdHi' | 'lineNumber'>;

function makeFunctions(length: number): Functions {
  return {
    length,
    idLo: new Uint32Array(length),
    idHi: new Uint32Array(length),
    name: new Int32Array(length),
    systemName: new Int32Array(length),
    fileName: new Int32Array(length),
    startLine: new Float64Array(length),
  };
}

function makeMappings(length: number): Mappings {
  return {
    length,
    idLo: new Uint32Array(length),
    idHi: new Uint32Array(length),
    start: new BigUint64Array(length),
    limit: new BigUint64Array(length),
    offset: new BigUint64Array(length),
    fileName: new Int32Array(length),
    buildId: new Int32Array(length),
    flags: new Uint8Array(length),
  };
}

function makeLocations(length: number): Locations {
  return {
    length,
    idLo: new Uint32Array(length),
    idHi: new Uint32Array(length),
    mappingIdLo: new Uint32Array(length),
    mappingIdHi: new Uint32Array(length),
    addressLo: new Uint32Array(length),
    addressHi: new Uint32Array(length),
    lineStart: new Uint32Array(length + 1),
  };
}

/** Lines of all locations; how many is known only after reading. */
class Lines {
  length = 0;
  functionIdLo: Uint32Array;
  functionIdHi: Uint32Array;
  number: Float64Array;

  constructor(capacity: number) {
    this.functionIdLo = new Uint32Array(capacity);
    this.functionIdHi = new Uint32Array(capacity);
    this.number = new Float64Array(capacity);
  }

  /** Adds a line of zeros and returns its row. */
  add(): number {
    if (this.length === this.functionIdLo.length) {
      const capacity = this.length * 2 + 16;
      this.functionIdLo = grown(this.functionIdLo, new Uint32Array(capacity));
      this.functionIdHi = grown(this.functionIdHi, new Uint32Array(capacity));
      this.number = grown(this.number, new Float64Array(capacity));
    }
    return this.length++;
  }
}

function grown<T extends Uint32Array | Float64Array>(old: T, into: T): T {
  into.set(old);
  return into;
}

function readValueType(wire: Wire, from: number, to: number): PprofValueType {
  let type = 0;
  let unit = 0;
  wire.at = from;
  while (wire.next(to)) {
    if (wire.type !== VARINT) continue;
    if (wire.field === 1) type = wire.index();
    else if (wire.field === 2) unit = wire.index();
  }
  return { type, unit };
}

/** Hot: once per function. */
function readFunction(wire: Wire, from: number, to: number, table: Functions, row: number): void {
  wire.at = from;
  while (wire.next(to)) {
    if (wire.type !== VARINT) continue;
    const field = wire.field;
    if (field === 1) {
      table.idLo[row] = wire.lo;
      table.idHi[row] = wire.hi;
    } else if (field === 2) table.name[row] = wire.index();
    else if (field === 3) table.systemName[row] = wire.index();
    else if (field === 4) table.fileName[row] = wire.index();
    else if (field === 5) table.startLine[row] = lineNumber(wire);
  }
}

function readMapping(wire: Wire, from: number, to: number, table: Mappings, row: number): void {
  wire.at = from;
  while (wire.next(to)) {
    if (wire.type !== VARINT) continue;
    const field = wire.field;
    if (field === 1) {
      table.idLo[row] = wire.lo;
      table.idHi[row] = wire.hi;
    } else if (field === 2) table.start[row] = wire.bigUnsigned();
    else if (field === 3) table.limit[row] = wire.bigUnsigned();
    else if (field === 4) table.offset[row] = wire.bigUnsigned();
    else if (field === 5) table.fileName[row] = wire.index();
    else if (field === 6) table.buildId[row] = wire.index();
    else if (field >= 7 && field <= 10) {
      const bit = 1 << (field - 7);
      table.flags[row] = wire.lo !== 0 || wire.hi !== 0 ? table.flags[row]! | bit : table.flags[row]! & ~bit;
    }
  }
}

/** Hot: once per location. */
function readLocation(wire: Wire, from: number, to: number, table: Locations, row: number, lines: Lines): void {
  table.lineStart[row] = lines.length;
  wire.at = from;
  while (wire.next(to)) {
    const field = wire.field;
    if (wire.type === VARINT) {
      if (field === 1) {
        table.idLo[row] = wire.lo;
        table.idHi[row] = wire.hi;
      } else if (field === 2) {
        table.mappingIdLo[row] = wire.lo;
        table.mappingIdHi[row] = wire.hi;
      } else if (field === 3) {
        table.addressLo[row] = wire.lo;
        table.addressHi[row] = wire.hi;
      }
    } else if (wire.type === BYTES && field === 4) {
      const lineTo = wire.to;
      readLine(wire, wire.from, lineTo, lines, lines.add());
      wire.at = lineTo;
    }
  }
}

/** Hot: once per line. */
function readLine(wire: Wire, from: number, to: number, lines: Lines, row: number): void {
  wire.at = from;
  while (wire.next(to)) {
    if (wire.type !== VARINT) continue;
    if (wire.field === 1) {
      lines.functionIdLo[row] = wire.lo;
      lines.functionIdHi[row] = wire.hi;
    } else if (wire.field === 2) lines.number[row] = lineNumber(wire);
  }
}

/** Line numbers are kept as doubles; one that a double cannot hold exactly is no line of any file. */
function lineNumber(wire: Wire): number {
  const number = wire.number();
  if (!Number.isSafeInteger(number)) throw malformed(`line number ${number} at byte ${wire.at} is beyond 2^53`);
  return number;
}
