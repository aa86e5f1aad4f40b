import type { Symbols } from '@kiln/model';
import { sortByBytes } from './string-order.ts';

/**
 * The symbols that a tree uses, in the order in which the section stores them: locations as a walk through the tree meets them, functions by
 * name, strings by their bytes. Arrays named `…Number` give the stored number of a row of the table, those named for rows the
 * row of a stored number.
 */
export interface UsedSymbols {
  /** Nodes in preorder without the root; children in the order of their rows. */
  readonly nodes: Uint32Array;
  readonly nodeNumber: Uint32Array;
  /** Levels to go up from the node before, then one down. */
  readonly up: Uint32Array;
  readonly locations: Uint32Array;
  readonly locationNumber: Uint32Array;
  readonly functions: Uint32Array;
  readonly functionNumber: Uint32Array;
  readonly strings: Uint32Array;
  readonly stringNumber: Uint32Array;
}

export function usedSymbols(symbols: Symbols): UsedSymbols {
  const { nodes, nodeNumber, up } = preorder(symbols);
  const locations = new Marks(symbols.locations.length);
  for (const node of nodes) locations.mark(symbols.tree.location[node]!);
  const functions = new Marks(symbols.functions.length);
  const { lineStart, lineFunction } = symbols.locations;
  for (const location of locations.rows())
    for (let line = lineStart[location]!; line < lineStart[location + 1]!; line++) functions.mark(lineFunction[line]!);
  const strings = sortedStrings(symbols, functions.rows());
  const byName = sortedFunctions(symbols, functions.rows(), strings);
  const functionNumber = functions.number;
  for (let i = 0; i < byName.length; i++) functionNumber[byName[i]!] = i;
  return {
    nodes,
    nodeNumber,
    up,
    locations: locations.rows(),
    locationNumber: locations.number,
    functions: byName,
    functionNumber,
    ...strings,
  };
}

type UsedStrings = Pick<UsedSymbols, 'strings' | 'stringNumber'>;

/** Numbers rows in the order they are first marked. */
class Marks {
  readonly number: Uint32Array;
  readonly #seen: Uint8Array;
  readonly #rows: Uint32Array;
  #length = 0;

  constructor(length: number) {
    this.number = new Uint32Array(length);
    this.#seen = new Uint8Array(length);
    this.#rows = new Uint32Array(length);
  }

  mark(row: number): void {
    if (this.#seen[row] !== 0) return;
    this.#seen[row] = 1;
    this.number[row] = this.#length;
    this.#rows[this.#length++] = row;
  }

  rows(): Uint32Array {
    return this.#rows.subarray(0, this.#length);
  }
}

/** Without recursion: stacks may be deep. */
function preorder({ tree }: Symbols): Pick<UsedSymbols, 'nodes' | 'nodeNumber' | 'up'> {
  const { length, parent } = tree;
  const child = new Uint32Array(length);
  const sibling = new Uint32Array(length);
  for (let node = length - 1; node > 0; node--) {
    sibling[node] = child[parent[node]!]!;
    child[parent[node]!] = node;
  }
  const nodes = new Uint32Array(length - 1);
  const nodeNumber = new Uint32Array(length);
  const up = new Uint32Array(length - 1);
  let count = 0;
  let levels = 0;
  let at = child[0]!;
  while (at !== 0) {
    up[count] = levels;
    nodes[count] = at;
    nodeNumber[at] = ++count;
    levels = 0;
    let next = child[at]!;
    while (next === 0 && at !== 0) {
      next = sibling[at]!;
      at = parent[at]!;
      levels++;
    }
    at = next;
  }
  return { nodes, nodeNumber, up };
}

/** Row 0, the empty string, is stored first whether it is used or not. */
function sortedStrings(symbols: Symbols, functions: Uint32Array): UsedStrings {
  const used = new Marks(symbols.strings.length);
  used.mark(0);
  const { name, systemName, fileName } = symbols.functions;
  for (const row of functions) {
    used.mark(name[row]!);
    used.mark(systemName[row]!);
    used.mark(fileName[row]!);
  }
  const { mappings } = symbols;
  for (let row = 0; row < mappings.length; row++) {
    used.mark(mappings.fileName[row]!);
    used.mark(mappings.buildId[row]!);
  }
  const strings = used.rows();
  sortByBytes(strings.subarray(1), symbols.strings);
  for (let i = 0; i < strings.length; i++) used.number[strings[i]!] = i;
  return { strings, stringNumber: used.number };
}

/** By name, then as the tree meets them: a counting sort. */
function sortedFunctions({ functions }: Symbols, rows: Uint32Array, strings: UsedStrings): Uint32Array {
  const starts = new Uint32Array(strings.strings.length + 1);
  const name = functions.name;
  const number = strings.stringNumber;
  for (let i = 0; i < rows.length; i++) {
    const own = number[name[rows[i]!]!]! + 1;
    starts[own] = starts[own]! + 1;
  }
  for (let i = 1; i < starts.length; i++) starts[i] = starts[i]! + starts[i - 1]!;
  const sorted = new Uint32Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const own = number[name[rows[i]!]!]!;
    const at = starts[own]!;
    sorted[at] = rows[i]!;
    starts[own] = at + 1;
  }
  return sorted;
}
