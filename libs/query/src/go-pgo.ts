import { SymbolTable } from '@kiln/block';
import type { LocationColumns } from '@kiln/model';
import { MergedStacks } from './merged-stacks.ts';
import type { GoPgo } from './query.ts';
import type { StackValues } from './symbol-codec.ts';

/** Stacktraces cut to their innermost locations and, if asked for, without the line of the innermost function; equal ones as one (contract/pyroscope.md §5.12). */
export function goPgo({ symbols, values }: StackValues, { keepLocations, aggregateCallees }: GoPgo): StackValues {
  const { tree, stacks, locations } = symbols;
  const most = keepLocations === 0 ? Infinity : keepLocations;
  const table = new SymbolTable();
  const node = new Uint32Array(stacks.length);
  const path: number[] = [];
  for (let stack = 0; stack < stacks.length; stack++) {
    path.length = 0;
    for (let at = stacks.node[stack]!; at !== 0 && path.length < most; at = tree.parent[at]!)
      path.push(tree.location[at]!);
    let down = 0;
    for (let i = path.length - 1; i > 0; i--) down = table.tree.intern(down, path[i]!);
    if (path.length > 0) down = table.tree.intern(down, path[0]! + (aggregateCallees ? locations.length : 0));
    node[stack] = down;
  }
  const reduced = {
    ...symbols,
    locations: aggregateCallees ? withoutLeafLines(locations) : locations,
    tree: table.tree.columns(),
    stacks: { length: stacks.length, node },
  };
  const merged = new MergedStacks();
  merged.add({ symbols: reduced, values });
  return merged.build();
}

/** All locations twice: row length + i is row i with line 0 in its innermost function. */
function withoutLeafLines(locations: LocationColumns): LocationColumns {
  const { length, mapping, addressLo, addressHi, lineStart, lineFunction, lineNumber } = locations;
  const lines = lineStart[length]!;
  const number = new Float64Array(lines * 2);
  number.set(lineNumber.subarray(0, lines));
  number.set(lineNumber.subarray(0, lines), lines);
  const start = new Uint32Array(length * 2 + 1);
  for (let row = 0; row <= length; row++) {
    start[row] = lineStart[row]!;
    start[length + row] = lines + lineStart[row]!;
  }
  for (let row = 0; row < length; row++) if (lineStart[row]! < lineStart[row + 1]!) number[lines + lineStart[row]!] = 0;
  return {
    length: length * 2,
    mapping: twice(mapping, length),
    addressLo: twice(addressLo, length),
    addressHi: twice(addressHi, length),
    lineStart: start,
    lineFunction: twice(lineFunction, lines),
    lineNumber: number,
  };
}

function twice(column: Uint32Array, length: number): Uint32Array {
  const both = new Uint32Array(length * 2);
  both.set(column.subarray(0, length));
  both.set(column.subarray(0, length), length);
  return both;
}
