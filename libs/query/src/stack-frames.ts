import type { ExactColumn, LocationRow, Symbols, TreeColumns } from '@kiln/model';
import type { FunctionTree } from './function-tree.ts';

/**
 * Adds sums by stack row to a function tree: frames root first, the lines of one location as frames of their own with the
 * innermost last. Only paths that hold a value are walked, so the tree gets no node without one.
 * Hot: once per node of the location tree.
 */
export function addStacks(into: FunctionTree, symbols: Symbols, sums: ExactColumn): void {
  const { tree } = symbols;
  const { length, parent, location } = tree;
  const used = markUsed(symbols, sums);
  let nodes = 0;
  for (let node = 1; node < length; node++) nodes += used[node]!;
  into.reserve(nodes);
  const frames = new FrameNames(into, symbols);
  // By node of the location tree: its last frame; of one that is not used that of the node before.
  const target = new Uint32Array(length);
  for (let node = 1, last = 0; node < length; node++) {
    if (used[node] !== 0) {
      const before = last;
      const known = into.length;
      last = frames.add(target[parent[node]!]!, location[node]!, last + 1);
      if (last === before + 1 && last < known) {
        target[node] = last;
        node = passKnown(into, tree, { used, nameOf: frames.ofPlace, target }, node + 1) - 1;
        last = target[node]!;
        continue;
      }
    }
    target[node] = last;
  }
  addValues(into, symbols, sums, target);
}

/** What `passKnown` goes by. */
interface Walk {
  readonly used: Uint8Array;
  /** By location: the name of its only frame, or UNKNOWN. */
  readonly nameOf: Uint32Array;
  readonly target: Uint32Array;
}

/**
 * Hot: once per node. Sources have much the same paths in much the same order: as long as the frame of a node is there, and is the one behind that of the
 * node before, nothing is looked up. No call in this loop: behind one, V8 checks every array again.
 * @returns the first node that is to be looked up; the length of the tree when there is none.
 */
function passKnown(
  into: FunctionTree,
  { parent, location }: TreeColumns,
  { used, nameOf, target }: Walk,
  from: number,
): number {
  const known = into.length;
  const parents = into.parent;
  const names = into.name;
  const length = used.length;
  let last = target[from - 1]!;
  let node = from;
  for (; node < length; node++) {
    if (used[node] !== 0) {
      const guess = last + 1;
      if (guess >= known) break;
      if (names[guess] !== nameOf[location[node]!] || parents[guess] !== target[parent[node]!]) break;
      last = guess;
    }
    target[node] = last;
  }
  return node;
}

/** Hot: once per stack. */
function addValues(into: FunctionTree, { stacks }: Symbols, { lo, hi }: ExactColumn, target: Uint32Array): void {
  const node = stacks.node;
  for (let stack = 0; stack < stacks.length; stack++) {
    const high = hi === undefined ? 0 : hi[stack]!;
    if (lo[stack] !== 0 || high !== 0) into.add(target[node[stack]!]!, lo[stack]!, high);
  }
}

/** A byte per node, 1 where it or something below it has a value. One pass backwards: parents come before children. */
function markUsed({ tree, stacks }: Symbols, { lo, hi }: ExactColumn): Uint8Array {
  const { length, parent } = tree;
  const used = new Uint8Array(length);
  const leaf = stacks.node;
  for (let stack = 0; stack < stacks.length; stack++)
    if (lo[stack] !== 0 || (hi !== undefined && hi[stack] !== 0)) used[leaf[stack]!] = 1;
  for (let node = length - 1; node > 0; node--) if (used[node] !== 0) used[parent[node]!] = 1;
  return used;
}

/** Of a location whose frames have no name yet, or that has several frames. */
const UNKNOWN = 0xffffffff;

/** Frames of locations, by names as numbers of a function tree's name table. */
class FrameNames {
  /** By location: the name of its only frame, or UNKNOWN. */
  readonly ofPlace: Uint32Array;
  /** By function row; UNKNOWN where it was not needed yet. */
  readonly #ofFunction: Uint32Array;
  readonly #into: FunctionTree;
  readonly #symbols: Symbols;

  constructor(into: FunctionTree, symbols: Symbols) {
    this.#into = into;
    this.#symbols = symbols;
    this.ofPlace = new Uint32Array(symbols.locations.length).fill(UNKNOWN);
    this.#ofFunction = new Uint32Array(symbols.functions.length).fill(UNKNOWN);
  }

  /** The last frame of a location below `above`. @param guess as in `FunctionTree.child`. */
  add(above: number, place: LocationRow, guess: number): number {
    const name = this.ofPlace[place]!;
    return name === UNKNOWN ? this.#addFrames(above, place, guess) : this.#into.child(above, name, guess);
  }

  #addFrames(above: number, place: LocationRow, guess: number): number {
    const { lineStart, lineFunction } = this.#symbols.locations;
    const first = lineStart[place]!;
    const end = lineStart[place + 1]!;
    if (end - first < 2) {
      const name = end === first ? this.#internAddress(place) : this.#nameOf(lineFunction[first]!);
      this.ofPlace[place] = name;
      return this.#into.child(above, name, guess);
    }
    let frame = above;
    let next = guess;
    for (let line = end - 1; line >= first; line--) {
      frame = this.#into.child(frame, this.#nameOf(lineFunction[line]!), next);
      next = frame + 1;
    }
    return frame;
  }

  #nameOf(fn: number): number {
    const known = this.#ofFunction[fn]!;
    if (known !== UNKNOWN) return known;
    const { strings, functions } = this.#symbols;
    const text = functions.name[fn]!;
    const name = this.#into.names.intern(strings.bytes, strings.offsets[text]!, strings.offsets[text + 1]!);
    this.#ofFunction[fn] = name;
    return name;
  }

  #internAddress(place: LocationRow): number {
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
