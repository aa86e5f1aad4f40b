import { ByteWriter } from '@kiln/bytes';
import type { Symbols } from '@kiln/model';
import { writeInt, writeStep, writeU64s, writeUints } from '../../columns.ts';
import { writeFrontCoded } from '../front-coding.ts';
import { usedSymbols, type UsedSymbols } from './used-symbols.ts';

/*
 * SYMBOLS   := strings, front-coded, the first is "" | functions | mappings | locations | tree | stacks
 * functions := n | n * name - name before, zigzag | n * system name: 0 = the name, else string + 1 | n * file - file before, zigzag | n * start line, zigzag
 * mappings  := n | columns start, limit, offset, file, build id, flags (a byte each)
 * locations := n | n * mapping | n * number of lines | per location without lines: address - such an address before, mod 2^64, zigzag
 *              | per line: function | per line: line - line of that function before (its start line at first), zigzag
 * tree      := n without the root | n * levels up from the node before, then one down | n * location: 0 = the next one not used so far, else location + 1
 * stacks    := n | n * node - node before, zigzag
 *
 * Nodes are in preorder and numbered from 1, 0 is the root. Which order strings, functions and locations are in is the writer's choice; this one sorts
 * strings and functions and numbers locations as the tree meets them, which takes a quarter off what plain columns take.
 */

/** Only what the tree uses is stored. Stacks keep their numbers, because pages refer to them. */
export function encodeSymbols(symbols: Symbols): Uint8Array {
  const used = usedSymbols(symbols);
  const w = new ByteWriter(1024 + used.nodes.length * 4 + used.strings.length * 24);
  writeFrontCoded(w, symbols.strings, used.strings);
  writeFunctions(w, symbols, used);
  writeMappings(w, symbols, used);
  writeLocations(w, symbols, used);
  writeTree(w, symbols, used);
  writeStacks(w, symbols, used);
  return w.view();
}

function writeFunctions(w: ByteWriter, { functions }: Symbols, { functions: rows, stringNumber }: UsedSymbols): void {
  const { name, systemName, fileName, startLine } = functions;
  w.varint(rows.length);
  let last = 0;
  for (const row of rows) {
    const number = stringNumber[name[row]!]!;
    w.zigzag(number - last);
    last = number;
  }
  for (const row of rows) w.varint(systemName[row] === name[row] ? 0 : stringNumber[systemName[row]!]! + 1);
  last = 0;
  for (const row of rows) {
    const number = stringNumber[fileName[row]!]!;
    w.zigzag(number - last);
    last = number;
  }
  for (const row of rows) writeInt(w, startLine[row]!);
}

function writeMappings(w: ByteWriter, { mappings }: Symbols, { stringNumber }: UsedSymbols): void {
  const { length, start, limit, offset, fileName, buildId, flags } = mappings;
  w.varint(length);
  writeU64s(w, start, length);
  writeU64s(w, limit, length);
  writeU64s(w, offset, length);
  for (let i = 0; i < length; i++) w.varint(stringNumber[fileName[i]!]!);
  for (let i = 0; i < length; i++) w.varint(stringNumber[buildId[i]!]!);
  w.bytes(flags.subarray(0, length));
}

function writeLocations(
  w: ByteWriter,
  { locations, functions }: Symbols,
  { locations: rows, functionNumber }: UsedSymbols,
): void {
  const { mapping, addressLo, addressHi, lineStart, lineFunction, lineNumber } = locations;
  w.varint(rows.length);
  for (const row of rows) w.varint(mapping[row]!);
  for (const row of rows) w.varint(lineStart[row + 1]! - lineStart[row]!);
  let last = 0n;
  for (const row of rows) {
    if (lineStart[row + 1] !== lineStart[row]) continue;
    const address = (BigInt(addressHi[row]!) << 32n) | BigInt(addressLo[row]!);
    const step = BigInt.asIntN(64, address - last);
    const zigzag = step < 0n ? -step * 2n - 1n : step * 2n;
    w.varintExact(Number(zigzag & 0xfffffffffffffn), Number(zigzag >> 52n));
    last = address;
  }
  for (const row of rows)
    for (let line = lineStart[row]!; line < lineStart[row + 1]!; line++) w.varint(functionNumber[lineFunction[line]!]!);
  const lastLine = functions.startLine.slice(0, functions.length);
  for (const row of rows)
    for (let line = lineStart[row]!; line < lineStart[row + 1]!; line++) {
      const fn = lineFunction[line]!;
      writeStep(w, lineNumber[line]!, lastLine[fn]!);
      lastLine[fn] = lineNumber[line]!;
    }
}

function writeTree(w: ByteWriter, { tree }: Symbols, { nodes, up, locationNumber }: UsedSymbols): void {
  w.varint(nodes.length);
  writeUints(w, up, nodes.length);
  const code = new Uint32Array(nodes.length);
  let next = 0;
  for (let i = 0; i < nodes.length; i++) {
    const number = locationNumber[tree.location[nodes[i]!]!]!;
    if (number === next) next++;
    else code[i] = number + 1;
  }
  writeUints(w, code, nodes.length);
}

function writeStacks(w: ByteWriter, { stacks }: Symbols, { nodeNumber }: UsedSymbols): void {
  w.varint(stacks.length);
  let last = 0;
  for (let i = 0; i < stacks.length; i++) {
    const number = nodeNumber[stacks.node[i]!]!;
    w.zigzag(number - last);
    last = number;
  }
}
