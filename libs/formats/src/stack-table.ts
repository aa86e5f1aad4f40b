import type { SymbolsBuilder } from './symbols-builder.ts';

/**
 * Stacks by their list of locations, in front of the tree: one that was seen before costs a hash of its frames and a compare with the list kept of it
 * (95 % of a real profile's stacks are new only once). Hashes are never trusted alone.
 */
export class StackTable {
  readonly #symbols: SymbolsBuilder;
  #slots: Int32Array = new Int32Array(1024).fill(-1);
  #hash = new Int32Array(512);
  #pathEnd = new Uint32Array(513);
  #paths = new Uint32Array(8192);
  #length = 0;

  constructor(symbols: SymbolsBuilder) {
    this.#symbols = symbols;
  }

  /** Hot: once per sample. The stack row of the location rows path[leaf .. depth), leaf first, whose hash is `hash`. */
  row(path: Uint32Array, leaf: number, depth: number, hash: number): number {
    const slots = this.#slots;
    const hashes = this.#hash;
    const ends = this.#pathEnd;
    const mask = slots.length - 1;
    const count = depth - leaf;
    let slot = (hash ^ (hash >>> 15)) & mask;
    for (let stack = slots[slot]!; stack >= 0; stack = slots[slot]!) {
      if (hashes[stack] === hash) {
        const paths = this.#paths;
        const from = ends[stack]!;
        let i = ends[stack + 1]! - from === count ? 0 : count + 1;
        while (i < count && paths[from + i] === path[leaf + i]) i++;
        if (i === count) return stack;
      }
      slot = (slot + 1) & mask;
    }
    return this.#add(path, leaf, depth, hash, slot);
  }

  #add(path: Uint32Array, leaf: number, depth: number, hash: number, slot: number): number {
    const node = this.#symbols.nodeOfPath(path, leaf, depth);
    const stack = this.#symbols.addStack(node);
    if (stack + 2 > this.#pathEnd.length) {
      this.#hash = larger(this.#hash, new Int32Array(stack * 2));
      this.#pathEnd = larger(this.#pathEnd, new Uint32Array(stack * 2 + 1));
    }
    const from = this.#pathEnd[stack]!;
    const to = from + depth - leaf;
    if (to > this.#paths.length)
      this.#paths = larger(this.#paths, new Uint32Array(Math.max(to, this.#paths.length * 2)));
    for (let i = leaf; i < depth; i++) this.#paths[from + i - leaf] = path[i]!;
    this.#pathEnd[stack + 1] = to;
    this.#hash[stack] = hash;
    this.#slots[slot] = stack;
    this.#length = stack + 1;
    if (this.#length * 2 > this.#slots.length) this.#rehash();
    return stack;
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 4).fill(-1);
    const mask = this.#slots.length - 1;
    for (let stack = 0; stack < this.#length; stack++) {
      const hash = this.#hash[stack]!;
      let slot = (hash ^ (hash >>> 15)) & mask;
      while (this.#slots[slot]! >= 0) slot = (slot + 1) & mask;
      this.#slots[slot] = stack;
    }
  }
}

function larger<T extends Uint32Array | Int32Array>(old: T, into: T): T {
  into.set(old);
  return into;
}
