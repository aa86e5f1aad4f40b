import type { ByteReader, ByteWriter } from '@kiln/bytes';
import type {
  ExactColumn,
  FunctionColumns,
  LocationColumns,
  MappingColumns,
  StackColumns,
  StringColumn,
  Symbols,
  TreeColumns,
} from '@kiln/model';
import { readExact, writeExact } from './exact-codec.ts';
import { readByteStrings, writeByteStrings } from './name-table.ts';

/** Stacktraces with their symbols: row i of `symbols.stacks` has value i. */
export interface StackValues {
  readonly symbols: Symbols;
  readonly values: ExactColumn;
}

/*
 * symbols   := strings | functions | mappings | locations | tree | stacks
 * strings   := byte strings (name-table.ts), the first one empty
 * functions := n | n * (name, system name, file, start line)             line := sign u8 | absolute value
 * mappings  := n | n * (start u64 | limit u64 | offset u64 | file, build id | flags u8)
 * locations := n | n * (mapping | address u64 | lines * (function | line), lines before them)
 * tree      := n | column node - parent | column location                nodes 1 to n, parents first
 * stacks    := n | column node | column value, exact
 */
export function writeSymbols(writer: ByteWriter, { symbols, values }: StackValues): void {
  writeByteStrings(writer, symbols.strings);
  writeFunctions(writer, symbols.functions);
  writeMappings(writer, symbols.mappings);
  writeLocations(writer, symbols.locations);
  writeTree(writer, symbols.tree);
  const { length, node } = symbols.stacks;
  writer.varint(length);
  for (let stack = 0; stack < length; stack++) writer.varint(node[stack]!);
  for (let stack = 0; stack < length; stack++) writeExact(writer, values.lo[stack]!, values.hi?.[stack] ?? 0);
}

/** Reads what `writeSymbols` wrote; every row number is checked against its table. */
export function readSymbols(reader: ByteReader): StackValues {
  const strings = readStrings(reader);
  const functions = readFunctions(reader, strings.length);
  const mappings = readMappings(reader, strings.length);
  const locations = readLocations(reader, mappings.length, functions.length);
  const tree = readTree(reader, locations.length);
  const stacks = readStacks(reader, tree.length);
  const lo = new Float64Array(stacks.length);
  const hi = new Float64Array(stacks.length);
  for (let stack = 0; stack < stacks.length; stack++) readExact(reader, lo, hi, stack);
  return { symbols: { strings, functions, mappings, locations, tree, stacks }, values: { lo, hi } };
}

function readStrings(reader: ByteReader): StringColumn {
  const { bytes, ends } = readByteStrings(reader);
  if (ends[0] !== 0) reader.fail('strings without "" as their first');
  const offsets = new Uint32Array(ends.length + 1);
  offsets.set(ends, 1);
  return { length: ends.length, bytes, offsets };
}

function writeFunctions(writer: ByteWriter, { length, name, systemName, fileName, startLine }: FunctionColumns): void {
  writer.varint(length);
  for (let row = 0; row < length; row++) {
    writer.varint(name[row]!);
    writer.varint(systemName[row]!);
    writer.varint(fileName[row]!);
    writeLine(writer, startLine[row]!);
  }
}

function readFunctions(reader: ByteReader, strings: number): FunctionColumns {
  const length = reader.count(5);
  const name = new Uint32Array(length);
  const systemName = new Uint32Array(length);
  const fileName = new Uint32Array(length);
  const startLine = new Float64Array(length);
  for (let row = 0; row < length; row++) {
    name[row] = readRow(reader, strings, 'string');
    systemName[row] = readRow(reader, strings, 'string');
    fileName[row] = readRow(reader, strings, 'string');
    startLine[row] = readLine(reader);
  }
  return { length, name, systemName, fileName, startLine };
}

function writeMappings(writer: ByteWriter, mappings: MappingColumns): void {
  writer.varint(mappings.length);
  for (let row = 0; row < mappings.length; row++) {
    writer.u64(mappings.start[row]!);
    writer.u64(mappings.limit[row]!);
    writer.u64(mappings.offset[row]!);
    writer.varint(mappings.fileName[row]!);
    writer.varint(mappings.buildId[row]!);
    writer.u8(mappings.flags[row]!);
  }
}

function readMappings(reader: ByteReader, strings: number): MappingColumns {
  const length = reader.count(27);
  const start = new BigUint64Array(length);
  const limit = new BigUint64Array(length);
  const offset = new BigUint64Array(length);
  const fileName = new Uint32Array(length);
  const buildId = new Uint32Array(length);
  const flags = new Uint8Array(length);
  for (let row = 0; row < length; row++) {
    start[row] = reader.u64();
    limit[row] = reader.u64();
    offset[row] = reader.u64();
    fileName[row] = readRow(reader, strings, 'string');
    buildId[row] = readRow(reader, strings, 'string');
    flags[row] = reader.u8();
  }
  return { length, start, limit, offset, fileName, buildId, flags };
}

function writeLocations(writer: ByteWriter, locations: LocationColumns): void {
  const { length, mapping, addressLo, addressHi, lineStart, lineFunction, lineNumber } = locations;
  writer.varint(length);
  for (let row = 0; row < length; row++) {
    const first = lineStart[row]!;
    const end = lineStart[row + 1]!;
    writer.varint(mapping[row]!);
    writer.u32(addressLo[row]!);
    writer.u32(addressHi[row]!);
    writer.varint(end - first);
    for (let line = first; line < end; line++) {
      writer.varint(lineFunction[line]!);
      writeLine(writer, lineNumber[line]!);
    }
  }
}

function readLocations(reader: ByteReader, mappings: number, functions: number): LocationColumns {
  const length = reader.count(10);
  const mapping = new Uint32Array(length);
  const addressLo = new Uint32Array(length);
  const addressHi = new Uint32Array(length);
  const lineStart = new Uint32Array(length + 1);
  const lineFunction: number[] = [];
  const lineNumber: number[] = [];
  for (let row = 0; row < length; row++) {
    mapping[row] = readRow(reader, mappings, 'mapping');
    addressLo[row] = reader.u32();
    addressHi[row] = reader.u32();
    const lines = reader.count(3);
    for (let line = 0; line < lines; line++) {
      lineFunction.push(readRow(reader, functions, 'function'));
      lineNumber.push(readLine(reader));
    }
    lineStart[row + 1] = lineFunction.length;
  }
  return {
    length,
    mapping,
    addressLo,
    addressHi,
    lineStart,
    lineFunction: Uint32Array.from(lineFunction),
    lineNumber: Float64Array.from(lineNumber),
  };
}

function writeTree(writer: ByteWriter, { length, parent, location }: TreeColumns): void {
  writer.varint(length - 1);
  for (let node = 1; node < length; node++) writer.varint(node - parent[node]!);
  for (let node = 1; node < length; node++) writer.varint(location[node]!);
}

function readTree(reader: ByteReader, locations: number): TreeColumns {
  const length = reader.count(2) + 1;
  const parent = readParents(reader, length);
  const location = new Uint32Array(length);
  for (let node = 1; node < length; node++) location[node] = readRow(reader, locations, 'location');
  return { length, parent, location };
}

/** A column of `node - parent` for nodes 1 to length - 1: a parent comes before its children. */
export function readParents(reader: ByteReader, length: number): Uint32Array {
  const parent = new Uint32Array(length);
  for (let node = 1; node < length; node++) {
    const up = reader.varint();
    if (up === 0 || up > node) reader.fail(`node ${node} with its parent ${up} before it`);
    parent[node] = node - up;
  }
  return parent;
}

function readStacks(reader: ByteReader, nodes: number): StackColumns {
  const length = reader.count(2);
  const node = new Uint32Array(length);
  for (let stack = 0; stack < length; stack++) node[stack] = readRow(reader, nodes, 'node');
  return { length, node };
}

function readRow(reader: ByteReader, rows: number, what: string): number {
  const row = reader.varint();
  return row < rows ? row : reader.fail(`${what} ${row} of ${rows}`);
}

/** A line number may be anywhere within +-2^53, which zigzag could not carry. */
function writeLine(writer: ByteWriter, line: number): void {
  writer.u8(line < 0 ? 1 : 0);
  writer.varint(Math.abs(line));
}

function readLine(reader: ByteReader): number {
  const sign = reader.u8();
  if (sign > 1) reader.fail(`sign ${sign} of a line number`);
  const line = reader.varint();
  return sign === 1 ? -line : line;
}
