import { type ByteReader, type ByteWriter, type ColumnArena, CorruptDataError } from '@kiln/bytes';
import {
  KilnError,
  type FunctionColumns,
  type LocationColumns,
  type MappingColumns,
  type StringColumn,
  type Symbols,
  type TreeColumns,
} from '@kiln/model';
import {
  readInts,
  readStrings,
  readU64s,
  readUints,
  readUintsInto,
  stepsOf,
  writeInts,
  writeSteps,
  writeStrings,
  writeU64s,
  writeUints,
} from '../columns.ts';

/*
 * symbols  := strings | functions | mappings | locations | tree | stacks
 * strings  := n | n * length | bytes                                            row 0 is ""
 * functions:= n | columns name, system name, file, start line
 * mappings := n | columns start, limit, offset, file, build id, flags (a byte each)
 * locations:= n | columns mapping, address (u64), number of lines | columns function, line
 * tree     := n | columns node - parent, location                               for nodes 1 .. n - 1; node 0 is the root
 * stacks   := n | column node
 */

/** @param more strings that follow those of the symbols. */
export function writeSymbols(w: ByteWriter, symbols: Symbols, more?: StringColumn): void {
  const { strings, functions, mappings, locations, tree, stacks } = symbols;
  writeStrings(w, strings, more);
  w.varint(functions.length);
  writeUints(w, functions.name, functions.length);
  writeUints(w, functions.systemName, functions.length);
  writeUints(w, functions.fileName, functions.length);
  writeInts(w, functions.startLine, functions.length);
  w.varint(mappings.length);
  writeU64s(w, mappings.start, mappings.length);
  writeU64s(w, mappings.limit, mappings.length);
  writeU64s(w, mappings.offset, mappings.length);
  writeUints(w, mappings.fileName, mappings.length);
  writeUints(w, mappings.buildId, mappings.length);
  w.bytes(mappings.flags.subarray(0, mappings.length));
  writeLocations(w, locations);
  w.varint(tree.length);
  const distance = stepsOf(tree.length);
  for (let node = 1; node < tree.length; node++) {
    if (tree.parent[node]! >= node) throw new KilnError('internal', `node ${node} of a tree before its parent`);
    distance[node - 1] = node - tree.parent[node]!;
  }
  writeUints(w, distance, tree.length - 1);
  writeUints(w, tree.location.subarray(1), tree.length - 1);
  w.varint(stacks.length);
  writeUints(w, stacks.node, stacks.length);
}

function writeLocations(w: ByteWriter, locations: LocationColumns): void {
  const { length, mapping, addressLo, addressHi, lineStart, lineFunction, lineNumber } = locations;
  w.varint(length);
  writeUints(w, mapping, length);
  for (let i = 0; i < length; i++) {
    const hi = addressHi[i]!;
    const lo = addressLo[i]!;
    if (hi < 2 ** 20) w.varint(hi * 2 ** 32 + lo);
    else w.varintExact((hi % 2 ** 20) * 2 ** 32 + lo, Math.floor(hi / 2 ** 20));
  }
  writeSteps(w, lineStart, length);
  const lines = length === 0 ? 0 : lineStart[length]!;
  writeUints(w, lineFunction, lines);
  writeInts(w, lineNumber, lines);
}

/**
 * @param arena where the columns are made.
 * @throws CorruptDataError when a row number has no row, or a parent does not come before its child.
 */
export function readSymbols(r: ByteReader, arena: ColumnArena): Symbols {
  const strings = readStrings(r, arena);
  if (strings.length === 0 || strings.offsets[1] !== 0) r.fail('string 0 is not ""');
  const functions = readFunctions(r, strings.length, arena);
  const mappings = readMappings(r, strings.length, arena);
  const locations = readLocations(r, mappings.length, functions.length, arena);
  const tree = readTree(r, locations.length, arena);
  const length = r.count();
  const stacks = { length, node: readUints(r, length, tree.length, 'node', arena) };
  return { strings, functions, mappings, locations, tree, stacks };
}

function readFunctions(r: ByteReader, strings: number, arena: ColumnArena): FunctionColumns {
  const length = r.count(4);
  const name = readUints(r, length, strings, 'string', arena);
  const systemName = readUints(r, length, strings, 'string', arena);
  const fileName = readUints(r, length, strings, 'string', arena);
  return { length, name, systemName, fileName, startLine: readInts(r, length, arena) };
}

function readMappings(r: ByteReader, strings: number, arena: ColumnArena): MappingColumns {
  const length = r.count(6);
  const start = readU64s(r, length);
  const limit = readU64s(r, length);
  const offset = readU64s(r, length);
  const fileName = readUints(r, length, strings, 'string', arena);
  const buildId = readUints(r, length, strings, 'string', arena);
  return { length, start, limit, offset, fileName, buildId, flags: r.take(length) };
}

function readLocations(r: ByteReader, mappings: number, functions: number, arena: ColumnArena): LocationColumns {
  const length = r.count(3);
  const mapping = readUints(r, length, mappings, 'mapping', arena);
  const addressLo = arena.u32(length).fill(0);
  const addressHi = arena.u32(length).fill(0);
  for (let i = 0; i < length; i++) {
    if (r.left > 0 && r.bytes[r.position] === 0) {
      r.position++;
      continue;
    }
    const address = r.varintBig();
    addressLo[i] = Number(address & 0xffffffffn);
    addressHi[i] = Number(address >> 32n);
  }
  const lineStart = arena.u32(length + 1);
  lineStart[0] = 0;
  if (length > r.left) r.fail(`${length} line numbers, ${r.left} bytes left`);
  readUintsInto(r, lineStart, 1, length, 2 ** 32, 'line');
  let lines = 0;
  for (let i = 0; i < length; i++) {
    lines += lineStart[i + 1]!;
    if (lines > r.left) r.fail(`${lines} lines, ${r.left} bytes left`);
    lineStart[i + 1] = lines;
  }
  const lineFunction = readUints(r, lines, functions, 'function', arena);
  return { length, mapping, addressLo, addressHi, lineStart, lineFunction, lineNumber: readInts(r, lines, arena) };
}

function readTree(r: ByteReader, locations: number, arena: ColumnArena): TreeColumns {
  const length = r.varint();
  if (length === 0 || (length - 1) * 2 > r.left) r.fail(`tree of ${length} nodes, ${r.left} bytes left`);
  const parent = arena.u32(length);
  parent[0] = 0;
  readUintsInto(r, parent, 1, length - 1, length, 'distance to the parent');
  for (let node = 1; node < length; node++) {
    const back = parent[node]!;
    if (back === 0 || back > node) throw new CorruptDataError(r.format, r.position, `node ${node} before its parent`);
    parent[node] = node - back;
  }
  if (length - 1 > r.left) r.fail(`${length - 1} location numbers, ${r.left} bytes left`);
  const location = arena.u32(length);
  location[0] = 0;
  readUintsInto(r, location, 1, length - 1, locations, 'location');
  return { length, parent, location };
}
