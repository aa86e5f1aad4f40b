import { KEY, OTHER_KEY } from './hash-keys.ts';

/** A set of ids of two or four 32-bit words, whatever the order of the words, which is the caller's. */
export class IdSet {
  readonly #words: Uint32Array;
  readonly #perId: number;
  /** Open addressing, id + 1, 0 is free; at most half full. */
  readonly #slots: Uint32Array;

  /** @param words one id behind the other. @param perId words of each. */
  constructor(words: Uint32Array, perId: 2 | 4) {
    this.#words = words;
    this.#perId = perId;
    const ids = words.length / perId;
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(Math.max(1, ids) * 2)));
    const mask = this.#slots.length - 1;
    for (let id = 0; id < ids; id++) {
      const at = id * perId;
      let slot = hash(words[at]!, words[at + 1]!) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = id + 1;
    }
  }

  /** Hot: once per row or sample. The last two words are not looked at in ids of two. */
  has(a: number, b: number, c: number = 0, d: number = 0): boolean {
    const words = this.#words;
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hash(a, b) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const at = (slots[slot]! - 1) * this.#perId;
      if (words[at] !== a || words[at + 1] !== b) continue;
      if (this.#perId === 2 || (words[at + 2] === c && words[at + 3] === d)) return true;
    }
    return false;
  }
}

function hash(a: number, b: number): number {
  const h = Math.imul(a, KEY) ^ Math.imul(b, OTHER_KEY);
  return h ^ (h >>> 15);
}

/** 64-bit integers as their words, two each, in the order of this machine. */
export function wordsOf(integers: BigUint64Array): Uint32Array {
  return new Uint32Array(integers.buffer, integers.byteOffset, integers.length * 2);
}

/** Which of the two words of an integer is the high one. */
export const HIGH_WORD: number = wordsOf(BigUint64Array.of(1n))[0] === 1 ? 1 : 0;
