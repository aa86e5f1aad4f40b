import { SPILL } from '@kiln/model';
import { KEY, OTHER_KEY } from './hash-keys.ts';
import { atMost, refuseNodes, type QueryLimits } from './limits.ts';
import { NameTable } from './name-table.ts';

/**
 * Functions by path from the root, siblings unique by name; node 0 is the root of all. A parent's number is below its
 * children's. Columns may be longer than `length`.
 */
export interface FunctionTreeColumns {
  readonly names: NameTable;
  /** Nodes, the root among them. */
  readonly length: number;
  readonly parent: Uint32Array;
  /** Number in `names`; meaningless for the root. */
  readonly name: Uint32Array;
  /** The exact value of each node itself (see model's exact integers). */
  readonly selfLo: Float64Array;
  readonly selfHi: Float64Array;
}

/** A function tree that grows. Columns are replaced as it does: hoist them only between calls of `child`. */
export class FunctionTree implements FunctionTreeColumns {
  readonly names: NameTable;
  parent: Uint32Array = new Uint32Array(64);
  name: Uint32Array = new Uint32Array(64);
  selfLo: Float64Array = new Float64Array(64);
  selfHi: Float64Array = new Float64Array(64);
  readonly #maxNodes: number;
  /** Open addressing over (parent, name); the root is never in it, so 0 is free. At most half full. */
  #slots: Uint32Array = new Uint32Array(256);
  #length = 1;

  /** @param names of several trees, where they share theirs. */
  constructor({ maxResultNodes }: QueryLimits = {}, names: NameTable = new NameTable()) {
    this.#maxNodes = atMost(maxResultNodes);
    this.names = names;
  }

  get length(): number {
    return this.#length;
  }

  /** Makes room for that many nodes in all, as far as the limit allows them: growing step by step takes as long as adding them. */
  reserve(nodes: number): void {
    const length = Math.min(nodes, this.#maxNodes) + 1;
    if (length > this.parent.length) this.#grow(length);
    if (length * 2 > this.#slots.length) this.#rehash(length);
  }

  /**
   * Hot: once per node of each source. The child of `parent` with that name, made when there is none.
   * @param guess a node that it may be. Sources have much the same paths in much the same order, so it mostly is the one behind the node that was
   * found last, and no slot has to be looked up, which is where the time goes in a tree that is larger than the cache.
   */
  child(parent: number, name: number, guess: number): number {
    if (guess < this.#length && this.parent[guess] === parent && this.name[guess] === name) return guess;
    const slots = this.#slots;
    const mask = slots.length - 1;
    const parents = this.parent;
    const names = this.name;
    let slot = mix(parent, name) & mask;
    for (;;) {
      const node = slots[slot]!;
      if (node === 0) return this.#append(slot, parent, name);
      if (parents[node] === parent && names[node] === name) return node;
      slot = (slot + 1) & mask;
    }
  }

  /** Adds to a node's own value. */
  add(node: number, lo: number, hi: number): void {
    let sum = this.selfLo[node]! + lo;
    let carry = hi;
    if (sum >= SPILL) {
      sum -= SPILL;
      carry += 1;
    }
    this.selfLo[node] = sum;
    if (carry !== 0) this.selfHi[node] = this.selfHi[node]! + carry;
  }

  #append(slot: number, parent: number, name: number): number {
    const node = this.#length;
    if (node > this.#maxNodes) refuseNodes(this.#maxNodes);
    this.#length = node + 1;
    if (node === this.parent.length) this.#grow(node * 2);
    this.parent[node] = parent;
    this.name[node] = name;
    this.#slots[slot] = node;
    if (this.#length * 2 > this.#slots.length) this.#rehash(this.#length * 2);
    return node;
  }

  #grow(length: number): void {
    this.parent = copyU32(this.parent, length);
    this.name = copyU32(this.name, length);
    this.selfLo = copyF64(this.selfLo, length);
    this.selfHi = copyF64(this.selfHi, length);
  }

  #rehash(nodes: number): void {
    const slots = new Uint32Array(2 ** Math.ceil(Math.log2(nodes * 2)));
    const mask = slots.length - 1;
    for (let node = 1; node < this.#length; node++) {
      let slot = mix(this.parent[node]!, this.name[node]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = node;
    }
    this.#slots = slots;
  }
}

function mix(a: number, b: number): number {
  let h = Math.imul(a, KEY) ^ Math.imul(b, OTHER_KEY);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return h ^ (h >>> 13);
}

function copyU32(source: Uint32Array, length: number): Uint32Array {
  const copy = new Uint32Array(length);
  copy.set(source);
  return copy;
}

function copyF64(source: Float64Array, length: number): Float64Array {
  const copy = new Float64Array(length);
  copy.set(source);
  return copy;
}
