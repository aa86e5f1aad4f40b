import { SPILL, type ExactColumn } from '@kiln/model';
import type { SymbolRemap } from '../symbols/symbol-remap.ts';

/**
 * Gives the samples of a row the order that a page wants, after their stacks were renumbered: strictly increasing. Samples that fall
 * on one stack are added. Holds scratch columns that every row reuses.
 */
export class SampleSorter {
  stack: Uint32Array = new Uint32Array(0);
  values: ExactColumn[] = [];
  length = 0;
  #keys: Float64Array = new Float64Array(0);
  #numbers: Uint32Array = new Uint32Array(0);

  /** Hot: once per row. The result is in `stack`, `values`, `length` until the next call. */
  sort(remap: SymbolRemap, stack: Uint32Array, values: readonly ExactColumn[], length: number): void {
    if (length > this.#numbers.length) {
      this.#numbers = new Uint32Array(length * 2);
      this.#keys = new Float64Array(length * 2);
      this.stack = new Uint32Array(length * 2);
    }
    const numbers = this.#numbers;
    remap.stacks(stack, length, numbers);
    let rising = true;
    for (let i = 1; i < length; i++) rising &&= numbers[i]! > numbers[i - 1]!;
    if (rising) {
      this.stack.set(numbers.subarray(0, length));
      this.values = values.slice();
      this.length = length;
    } else {
      this.#permute(this.#order(length), values, length);
    }
  }

  /** Sample numbers by stack: one native sort of doubles that hold both. */
  #order(length: number): Float64Array {
    const keys = this.#keys.subarray(0, length);
    for (let i = 0; i < length; i++) keys[i] = this.#numbers[i]! * length + i; // below 2^53 for 2^21 samples of 2^32 stacks
    keys.sort();
    for (let i = 0; i < length; i++) keys[i] = keys[i]! - Math.floor(keys[i]! / length) * length;
    return keys;
  }

  #permute(order: Float64Array, values: readonly ExactColumn[], length: number): void {
    const numbers = this.#numbers;
    let out = -1;
    for (let i = 0; i < length; i++) {
      const number = numbers[order[i]!]!;
      if (out < 0 || this.stack[out] !== number) this.stack[++out] = number;
    }
    this.length = out + 1;
    this.values = values.map((column) => this.#gather(order, column, length));
  }

  #gather(order: Float64Array, { lo, hi }: ExactColumn, length: number): ExactColumn {
    const outLo = new Float64Array(this.length);
    const outHi = new Float64Array(this.length);
    let wide = false;
    let out = -1;
    let last = -1;
    for (let i = 0; i < length; i++) {
      const from = order[i]!;
      const number = this.#numbers[from]!;
      if (number !== last) out++;
      last = number;
      const sum = outLo[out]! + lo[from]!;
      const carry = sum >= SPILL ? 1 : 0;
      outLo[out] = sum - carry * SPILL;
      outHi[out] = outHi[out]! + carry + (hi === undefined ? 0 : hi[from]!);
      wide ||= outHi[out] !== 0;
    }
    return { lo: outLo, hi: wide ? outHi : undefined };
  }
}
