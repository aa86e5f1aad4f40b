import { ByteReader } from '@kiln/bytes';
import type { FunctionColumns, LocationColumns, MappingColumns, StackColumns, Symbols, TreeColumns } from '@kiln/model';
import { readInts, readStep, readU64s, readUints, readUintsInto } from '../../columns.ts';
import { readFrontCoded } from '../front-coding.ts';

/** Decodes what encodeSymbols writes (layout there). @throws CorruptDataError when a number has no row. */
export function decodeSymbols(payload: Uint8Array): Symbols {
  const r = new ByteReader(payload, 'section SYMBOLS');
  const strings = readFrontCoded(r);
  if (strings.length === 0 || strings.offsets[1] !== 0) r.fail('string 0 is not ""');
  const functions = readFunctions(r, strings.length);
  const mappings = readMappings(r, strings.length);
  const locations = readLocations(r, mappings.length, functions);
  const tree = readTree(r, locations.length);
  const stacks = readStacks(r, tree.length);
  if (r.left > 0) r.fail(`${r.left} bytes behind the last stack`);
  return { strings, functions, mappings, locations, tree, stacks };
}

function readFunctions(r: ByteReader, strings: number): FunctionColumns {
  const length = r.count(4);
  const name = readSteps(r, length, strings, 'string');
  const systemName = readUints(r, length, strings + 1, 'string');
  for (let i = 0; i < length; i++) systemName[i] = systemName[i] === 0 ? name[i]! : systemName[i]! - 1;
  const fileName = readSteps(r, length, strings, 'string');
  return { length, name, systemName, fileName, startLine: readInts(r, length) };
}

function readMappings(r: ByteReader, strings: number): MappingColumns {
  const length = r.count(6);
  const start = readU64s(r, length);
  const limit = readU64s(r, length);
  const offset = readU64s(r, length);
  const fileName = readUints(r, length, strings, 'string');
  const buildId = readUints(r, length, strings, 'string');
  return { length, start, limit, offset, fileName, buildId, flags: r.take(length) };
}

function readLocations(r: ByteReader, mappings: number, functions: FunctionColumns): LocationColumns {
  const length = r.count(2);
  const mapping = readUints(r, length, mappings, 'mapping');
  const lineStart = new Uint32Array(length + 1);
  const counts = readUints(r, length, 2 ** 32, 'line');
  for (let i = 0; i < length; i++) {
    const end = lineStart[i]! + counts[i]!;
    if (end > r.left) r.fail(`${end} lines, ${r.left} bytes left`);
    lineStart[i + 1] = end;
  }
  const addressLo = new Uint32Array(length);
  const addressHi = new Uint32Array(length);
  let address = 0n;
  for (let i = 0; i < length; i++) {
    if (lineStart[i + 1] !== lineStart[i]) continue;
    const zigzag = r.varintBig();
    address = BigInt.asUintN(64, address + (zigzag % 2n === 0n ? zigzag / 2n : -(zigzag + 1n) / 2n));
    addressLo[i] = Number(address & 0xffffffffn);
    addressHi[i] = Number(address >> 32n);
  }
  const lines = lineStart[length]!;
  const lineFunction = readUints(r, lines, functions.length, 'function');
  const lineNumber = new Float64Array(lines);
  const lastLine = functions.startLine.slice();
  if (lines > r.left) r.fail(`${lines} line numbers, ${r.left} bytes left`);
  for (let i = 0; i < lines; i++) {
    const fn = lineFunction[i]!;
    const line = readStep(r, lastLine[fn]!);
    lineNumber[i] = line;
    lastLine[fn] = line;
  }
  return { length, mapping, addressLo, addressHi, lineStart, lineFunction, lineNumber };
}

/** Hot: once per node. Columns are read to where they stay, and then changed in place: memory that is touched first costs more than the work. */
function readTree(r: ByteReader, locations: number): TreeColumns {
  const count = r.count(2);
  const parent = new Uint32Array(count + 1);
  readUintsInto(r, parent, 1, count, count + 1, 'level');
  // The nodes from the root to the one before: going up is one step in here, whatever the number of levels.
  let path = new Uint32Array(256);
  let depth = 0;
  for (let node = 1; node <= count; node++) {
    depth -= parent[node]!;
    if (depth < 0) r.fail(`node ${node} above the root`);
    parent[node] = path[depth]!;
    if (++depth === path.length) path = doubled(path);
    path[depth] = node;
  }
  const location = new Uint32Array(count + 1);
  if (count > r.left) r.fail(`${count} location numbers, ${r.left} bytes left`);
  readUintsInto(r, location, 1, count, locations + 1, 'location');
  let next = 0;
  for (let node = 1; node <= count; node++) {
    const known = location[node]!;
    const number = known === 0 ? next++ : known - 1;
    if (number >= locations) r.fail(`location ${number} of ${locations}`);
    location[node] = number;
  }
  return { length: count + 1, parent, location };
}

function doubled(column: Uint32Array): Uint32Array<ArrayBuffer> {
  const copy = new Uint32Array(column.length * 2);
  copy.set(column);
  return copy;
}

function readStacks(r: ByteReader, nodes: number): StackColumns {
  const length = r.count();
  return { length, node: readSteps(r, length, nodes, 'node') };
}

/** Numbers as zigzag differences to the one before. */
function readSteps(r: ByteReader, length: number, limit: number, what: string): Uint32Array {
  const steps = readInts(r, length);
  const column = new Uint32Array(length);
  let last = 0;
  for (let i = 0; i < length; i++) {
    last += steps[i]!;
    if (last < 0 || last >= limit) r.fail(`${what} ${last} of ${limit}`);
    column[i] = last;
  }
  return column;
}
