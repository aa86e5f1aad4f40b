import { type ExactColumn, ExactSums, type LocationRow, type Symbols } from '@kiln/model';
import type { FunctionTree } from './function-tree.ts';

/**
 * Adds sums by stack row to a function tree: frames root first, the lines of one location as frames of their own with the
 * innermost last. Only paths that hold a value are walked, so the tree gets no node without one.
 * Hot: once per node of the location tree.
 */
export function addStacks(into: FunctionTree, symbols: Symbols, sums: ExactColumn): void {
  const { length, parent, location } = symbols.tree;
  const self = sumByNode(symbols, sums);
  const used = markUsed(self, parent, length);
  let nodes = 0;
  for (let node = 1; node < length; node++) nodes += used[node]!;
  into.reserve(nodes);
  const frames = new FrameNames(into, symbols);
  const nameOfFunction = frames.ofFunction;
  const { lineStart, lineFunction } = symbols.locations;
  const target = new Uint32Array(length);
  let last = 0;
  for (let node = 1; node < length; node++) {
    if (used[node] === 0) continue;
    let frame = target[parent[node]!]!;
    const place = location[node]!;
    const first = lineStart[place]!;
    const end = lineStart[place + 1]!;
    if (first === end) frame = last = into.child(frame, frames.internAddress(place), last + 1);
    for (let line = end - 1; line >= first; line--) {
      const fn = lineFunction[line]!;
      const known = nameOfFunction[fn]!;
      frame = last = into.child(frame, known >= 0 ? known : frames.internFunction(fn), last + 1);
    }
    target[node] = frame;
  }
  const { lo, hi } = self;
  for (let node = 0; node < length; node++)
    if (lo[node] !== 0 || hi[node] !== 0) into.add(target[node]!, lo[node]!, hi[node]!);
}

/** Sums by node of the location tree. Hot: once per stack. */
export function sumByNode({ tree, stacks }: Symbols, { lo, hi }: ExactColumn): ExactSums {
  const self = new ExactSums(tree.length);
  const node = stacks.node;
  for (let stack = 0; stack < stacks.length; stack++) {
    const high = hi === undefined ? 0 : hi[stack]!;
    if (lo[stack] !== 0 || high !== 0) self.add(node[stack]!, lo[stack]!, high);
  }
  return self;
}

/** A byte per node, not 0 where it or something below it has a value. One pass backwards: parents come before children. */
export function markUsed({ lo, hi }: ExactSums, parent: Uint32Array, length: number): Uint8Array {
  const used = new Uint8Array(length);
  for (let node = length - 1; node > 0; node--) {
    if (used[node] === 0 && lo[node] === 0 && hi[node] === 0) continue;
    used[node] = 1;
    used[parent[node]!] = 1;
  }
  return used;
}

/** Names of frames as numbers of a function tree's name table. */
class FrameNames {
  /** By function row; -1 where it was not needed yet. */
  readonly ofFunction: Int32Array;
  readonly #into: FunctionTree;
  readonly #symbols: Symbols;

  constructor(into: FunctionTree, symbols: Symbols) {
    this.#into = into;
    this.#symbols = symbols;
    this.ofFunction = new Int32Array(symbols.functions.length).fill(-1);
  }

  internFunction(fn: number): number {
    const { strings, functions } = this.#symbols;
    const text = functions.name[fn]!;
    const name = this.#into.names.intern(strings.bytes, strings.offsets[text]!, strings.offsets[text + 1]!);
    this.ofFunction[fn] = name;
    return name;
  }

  internAddress(place: LocationRow): number {
    return this.#into.names.internText(addressName(this.#symbols, place));
  }
}

/** The frame of a location without lines: `<base name of the binary>!0x<address>` (contract/pyroscope.md §5.4). */
export function addressName({ strings, mappings, locations }: Symbols, place: LocationRow): string {
  const mapping = locations.mapping[place]!;
  const file = mapping < mappings.length ? mappings.fileName[mapping]! : 0;
  const path = decoder.decode(strings.bytes.subarray(strings.offsets[file], strings.offsets[file + 1]));
  const base = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  const high = locations.addressHi[place]!;
  const low = locations.addressLo[place]!.toString(16);
  const address = high === 0 ? low : high.toString(16) + low.padStart(8, '0');
  return `${base === '' ? 'unknown' : base}!0x${address}`;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
