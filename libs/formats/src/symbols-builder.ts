import type { Symbols } from '@kiln/model';

/**
 * Collects the symbol table of one profile: equal strings, functions, locations and stacks get one row each, whatever their ids were in the file.
 * Row 0 of strings is "", node 0 of the tree is the root, a parent's row is below its child's. Lookups are open addressing over typed arrays with the
 * content compared, never by hash alone. Hot: once per string, function and location used, and once per frame of a new stack.
 */
export class SymbolsBuilder {
  #bytes = new Uint8Array(4096);
  #offsets = new Uint32Array(128);
  #strings = 1;
  #stringSlots: Int32Array = new Int32Array(256);
  readonly #functions = new Rows(4);
  #startLine = new Float64Array(64);
  readonly #mappings: {
    start: bigint;
    limit: bigint;
    offset: bigint;
    fileName: number;
    buildId: number;
    flags: number;
  }[] = [];
  readonly #locations = new Rows(4);
  #lineStart = new Uint32Array(64);
  #lineFunction = new Uint32Array(128);
  #lineNumber = new Float64Array(128);
  readonly #tree = new Rows(2);
  #stackNode = new Uint32Array(64);
  #stacks = 0;

  constructor() {
    this.#stringSlots[hashBytes(this.#bytes, 0, 0) & (this.#stringSlots.length - 1)] = 1;
    this.#tree.add(0, 0, 0, 0);
  }

  /** The row of a string given as UTF-8. */
  string(source: Uint8Array, from: number, to: number): number {
    const length = to - from;
    let mask = this.#stringSlots.length - 1;
    let slot = hashBytes(source, from, to) & mask;
    for (let row = this.#stringSlots[slot]!; row !== 0; row = this.#stringSlots[slot]!) {
      const at = this.#offsets[row - 1]!;
      if (this.#offsets[row]! - at === length && equalBytes(this.#bytes, at, source, from, length)) return row - 1;
      slot = (slot + 1) & mask;
    }
    const at = this.#offsets[this.#strings]!;
    if (at + length > this.#bytes.length)
      this.#bytes = resized(this.#bytes, new Uint8Array(Math.max(at + length, this.#bytes.length * 2)));
    for (let i = 0; i < length; i++) this.#bytes[at + i] = source[from + i]!;
    if (this.#strings + 2 > this.#offsets.length)
      this.#offsets = resized(this.#offsets, new Uint32Array(this.#offsets.length * 2));
    const row = this.#strings++;
    this.#offsets[row + 1] = at + length;
    this.#stringSlots[slot] = row + 1;
    if (this.#strings * 2 > this.#stringSlots.length) {
      this.#stringSlots = new Int32Array(this.#stringSlots.length * 4);
      mask = this.#stringSlots.length - 1;
      for (let r = 0; r < this.#strings; r++) {
        slot = hashBytes(this.#bytes, this.#offsets[r]!, this.#offsets[r + 1]!) & mask;
        while (this.#stringSlots[slot] !== 0) slot = (slot + 1) & mask;
        this.#stringSlots[slot] = r + 1;
      }
    }
    return row;
  }

  /** The row of a string given as text. */
  text(text: string): number {
    const encoded = encoder.encode(text);
    return this.string(encoded, 0, encoded.length);
  }

  /** The text of a string row. */
  textOf(row: number): string {
    return decoder.decode(this.#bytes.subarray(this.#offsets[row]!, this.#offsets[row + 1]!));
  }

  function(name: number, systemName: number, fileName: number, startLine: number): number {
    const before = this.#functions.length;
    // A start line beyond 32 bits shares a key with others and is told apart below by never being shared.
    const row =
      startLine === (startLine | 0)
        ? this.#functions.intern(name, systemName, fileName, startLine | 0)
        : this.#functions.add(name, systemName, fileName, 0);
    if (row === before) {
      if (row >= this.#startLine.length) this.#startLine = resized(this.#startLine, new Float64Array(row * 2));
      this.#startLine[row] = startLine;
    }
    return row;
  }

  /** Adds a mapping; there are few, and they are kept apart as they came. */
  mapping(mapping: {
    start: bigint;
    limit: bigint;
    offset: bigint;
    fileName: number;
    buildId: number;
    flags: number;
  }): number {
    return this.#mappings.push(mapping) - 1;
  }

  /** The row of a location with `count` lines, innermost function first: functions [0, count), numbers from `from` on. */
  location(
    mapping: number,
    addressLo: number,
    addressHi: number,
    lineFunction: Uint32Array,
    lineNumber: Float64Array,
    from: number,
    count: number,
  ): number {
    let hash = count;
    for (let i = 0; i < count; i++) hash = Math.imul(hash ^ lineFunction[i]!, 0x01000193) ^ (lineNumber[from + i]! | 0);
    const key = hash | 0;
    const rows = this.#locations;
    for (let slot = rows.find(mapping, addressLo, addressHi, key); ; slot = rows.after(slot)) {
      const row = rows.at(slot);
      if (row < 0) {
        const added = rows.addAt(slot, mapping, addressLo, addressHi, key);
        this.#addLines(added, lineFunction, lineNumber, from, count);
        return added;
      }
      if (
        rows.equals(row, mapping, addressLo, addressHi, key) &&
        this.#sameLines(row, lineFunction, lineNumber, from, count)
      )
        return row;
    }
  }

  #sameLines(row: number, lineFunction: Uint32Array, lineNumber: Float64Array, from: number, count: number): boolean {
    const at = this.#lineStart[row]!;
    if (this.#lineStart[row + 1]! - at !== count) return false;
    for (let i = 0; i < count; i++) {
      if (this.#lineFunction[at + i] !== lineFunction[i] || this.#lineNumber[at + i] !== lineNumber[from + i])
        return false;
    }
    return true;
  }

  #addLines(row: number, lineFunction: Uint32Array, lineNumber: Float64Array, from: number, count: number): void {
    if (row + 2 > this.#lineStart.length)
      this.#lineStart = resized(this.#lineStart, new Uint32Array(this.#lineStart.length * 2));
    const at = this.#lineStart[row]!;
    if (at + count > this.#lineFunction.length) {
      const capacity = Math.max(at + count, this.#lineFunction.length * 2);
      this.#lineFunction = resized(this.#lineFunction, new Uint32Array(capacity));
      this.#lineNumber = resized(this.#lineNumber, new Float64Array(capacity));
    }
    for (let i = 0; i < count; i++) {
      this.#lineFunction[at + i] = lineFunction[i]!;
      this.#lineNumber[at + i] = lineNumber[from + i]!;
    }
    this.#lineStart[row + 1] = at + count;
  }

  /** Hot: once per frame of a new stack. The node of the location rows path[leaf .. depth), leaf first. */
  nodeOfPath(path: Uint32Array, leaf: number, depth: number): number {
    const tree = this.#tree;
    let node = 0;
    for (let i = depth - 1; i >= leaf; i--) node = tree.intern(node, path[i]!, 0, 0);
    return node;
  }

  /** Adds a stack that ends at a node. The caller sees to it that equal stacks are added once. */
  addStack(node: number): number {
    if (this.#stacks === this.#stackNode.length)
      this.#stackNode = resized(this.#stackNode, new Uint32Array(this.#stacks * 2));
    this.#stackNode[this.#stacks] = node;
    return this.#stacks++;
  }

  get stacks(): number {
    return this.#stacks;
  }

  /** What was collected. The builder is then given up. */
  symbols(): Symbols {
    const mappings = this.#mappings;
    return {
      strings: { length: this.#strings, bytes: this.#bytes, offsets: this.#offsets },
      functions: {
        length: this.#functions.length,
        name: this.#functions.columnA,
        systemName: this.#functions.columnB,
        fileName: this.#functions.columnC,
        startLine: this.#startLine,
      },
      mappings: {
        length: mappings.length,
        start: BigUint64Array.from(mappings, ({ start }) => start),
        limit: BigUint64Array.from(mappings, ({ limit }) => limit),
        offset: BigUint64Array.from(mappings, ({ offset }) => offset),
        fileName: Uint32Array.from(mappings, ({ fileName }) => fileName),
        buildId: Uint32Array.from(mappings, ({ buildId }) => buildId),
        flags: Uint8Array.from(mappings, ({ flags }) => flags),
      },
      locations: {
        length: this.#locations.length,
        mapping: this.#locations.columnA,
        addressLo: this.#locations.columnB,
        addressHi: this.#locations.columnC,
        lineStart: this.#lineStart,
        lineFunction: this.#lineFunction,
        lineNumber: this.#lineNumber,
      },
      tree: { length: this.#tree.length, parent: this.#tree.columnA, location: this.#tree.columnB },
      stacks: { length: this.#stacks, node: this.#stackNode },
    };
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Rows of up to four whole numbers, interned by content: open addressing, load at most one half. */
class Rows {
  length = 0;
  columnA = new Uint32Array(64);
  columnB = new Uint32Array(64);
  columnC = new Uint32Array(64);
  #columnD = new Int32Array(64);
  #slots: Int32Array = new Int32Array(128).fill(-1);
  readonly #width: number;

  constructor(width: 2 | 4) {
    this.#width = width;
  }

  intern(a: number, b: number, c: number, d: number): number {
    let slot = this.find(a, b, c, d);
    for (;;) {
      const row = this.#slots[slot]!;
      if (row < 0) return this.addAt(slot, a, b, c, d);
      if (this.equals(row, a, b, c, d)) return row;
      slot = (slot + 1) & (this.#slots.length - 1);
    }
  }

  /** Adds a row that lookups do not find. */
  add(a: number, b: number, c: number, d: number): number {
    const row = this.length++;
    if (row === this.columnA.length) {
      this.columnA = resized(this.columnA, new Uint32Array(row * 2));
      this.columnB = resized(this.columnB, new Uint32Array(row * 2));
      if (this.#width === 4) {
        this.columnC = resized(this.columnC, new Uint32Array(row * 2));
        this.#columnD = resized(this.#columnD, new Int32Array(row * 2));
      }
    }
    this.columnA[row] = a;
    this.columnB[row] = b;
    if (this.#width === 4) {
      this.columnC[row] = c;
      this.#columnD[row] = d;
    }
    return row;
  }

  /** The first slot where a row of this content may be. */
  find(a: number, b: number, c: number, d: number): number {
    let hash = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b, 0xc2b2ae35);
    if (this.#width === 4) hash = Math.imul(hash ^ c, 0x27d4eb2f) ^ Math.imul(d, 0x165667b1);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 0x2c1b3c6d);
    return (hash ^ (hash >>> 13)) & (this.#slots.length - 1);
  }

  after(slot: number): number {
    return (slot + 1) & (this.#slots.length - 1);
  }

  /** The row in a slot, -1 when free. */
  at(slot: number): number {
    return this.#slots[slot]!;
  }

  equals(row: number, a: number, b: number, c: number, d: number): boolean {
    if (this.columnA[row] !== a || this.columnB[row] !== b) return false;
    return this.#width === 2 || (this.columnC[row] === c && this.#columnD[row] === d);
  }

  /** Adds a row at a free slot that `find` and `after` led to. */
  addAt(slot: number, a: number, b: number, c: number, d: number): number {
    const row = this.add(a, b, c, d);
    this.#slots[slot] = row;
    if (this.length * 2 > this.#slots.length) this.#rehash();
    return row;
  }

  #rehash(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 4).fill(-1);
    const mask = this.#slots.length - 1;
    for (let i = 0; i < old.length; i++) {
      const row = old[i]!;
      if (row < 0) continue;
      const isWide = this.#width === 4;
      let slot = this.find(
        this.columnA[row]!,
        this.columnB[row]!,
        isWide ? this.columnC[row]! : 0,
        isWide ? this.#columnD[row]! : 0,
      );
      while (this.#slots[slot]! >= 0) slot = (slot + 1) & mask;
      this.#slots[slot] = row;
    }
  }
}

function resized<T extends Uint8Array | Uint32Array | Int32Array | Float64Array>(old: T, into: T): T {
  into.set(old);
  return into;
}

/** Hot. FNV-1a over bytes, finished so that the low bits are good. */
function hashBytes(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  hash ^= hash >>> 15;
  return Math.imul(hash, 0x2c1b3c6d) >>> 4;
}

function equalBytes(a: Uint8Array, aFrom: number, b: Uint8Array, bFrom: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aFrom + i] !== b[bFrom + i]) return false;
  return true;
}
