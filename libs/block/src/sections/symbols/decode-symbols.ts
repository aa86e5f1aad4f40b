import { ByteReader } from '@kiln/bytes';
import type { FunctionColumns, LocationColumns, MappingColumns, StackColumns, Symbols, TreeColumns } from '@kiln/model';
import { readInts, readStep, readU64s, readUints } from '../../columns.ts';
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

function readTree(r: ByteReader, locations: number): TreeColumns {
  const count = r.count(2);
  const up = readUints(r, count, count + 1, 'level');
  const parent = new Uint32Array(count + 1);
  let last = 0;
  for (let i = 0; i < count; i++) {
    for (let levels = up[i]!; levels > 0; levels--) {
      if (last === 0) r.fail(`node ${i + 1} above the root`);
      last = parent[last]!;
    }
    parent[i + 1] = last;
    last = i + 1;
  }
  const code = readUints(r, count, locations + 1, 'location');
  const location = new Uint32Array(count + 1);
  let next = 0;
  for (let i = 0; i < count; i++) {
    const known = code[i]!;
    const number = known === 0 ? next++ : known - 1;
    if (number >= locations) r.fail(`location ${number} of ${locations}`);
    location[i + 1] = number;
  }
  return { length: count + 1, parent, location };
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
