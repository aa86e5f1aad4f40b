import { SPILL, type ExactColumn } from '@kiln/model';

/** Above this many samples a row's sort keys no longer fit a double beside 32-bit stack rows. */
const MAX_KEYED = 1 << 21;

/**
 * Gives the samples of a row the order a page wants after their stacks were renumbered: stack rows strictly increasing. Holds scratch columns
 * that are reused for every row. Samples that fall on one stack are added.
 */
export class SampleSorter {
  /** Valid until the next `sort`. */
  stack: Uint32Array = new Uint32Array(64);
  values: ExactColumn[] = [];
  length = 0;
  #numbers: Uint32Array = new Uint32Array(64);
  #keys: Float64Array = new Float64Array(64);
  #lo: Float64Array[] = [];
  #hi: Float64Array[] = [];

  get byteLength(): number {
    return (
      this.stack.byteLength +
      this.#numbers.byteLength +
      this.#keys.byteLength +
      (this.#lo.length + this.#hi.length) * this.#keys.byteLength
    );
  }

  /** A scratch column for the new stack rows of `length` samples. */
  numbers(length: number): Uint32Array {
    if (length > this.#numbers.length) this.#numbers = new Uint32Array(Math.max(length, this.#numbers.length * 2));
    return this.#numbers;
  }

  /**
   * Hot: once per row, two passes over its samples.
   * @param numbers the new stack row of each sample.
   */
  sort(numbers: Uint32Array, values: readonly ExactColumn[], length: number): void {
    this.#reserve(length, values.length);
    if (increasing(numbers, length)) this.#copy(numbers, values, length);
    else this.#permute(this.#order(numbers, length), numbers, values, length);
  }

  /** Row numbers in the order of their stacks, as the low part of the keys: a native sort of numbers, no comparator. */
  #order(numbers: Uint32Array, length: number): Float64Array {
    if (length > MAX_KEYED) return orderSlow(numbers, length);
    const keys = this.#keys.subarray(0, length);
    for (let i = 0; i < length; i++) keys[i] = numbers[i]! * MAX_KEYED + i;
    keys.sort();
    for (let i = 0; i < length; i++) {
      const key = keys[i]!;
      keys[i] = key - Math.floor(key / MAX_KEYED) * MAX_KEYED; // the remainder; `%` of doubles is a library call
    }
    return keys;
  }

  #copy(numbers: Uint32Array, values: readonly ExactColumn[], length: number): void {
    this.stack.set(numbers.length === length ? numbers : numbers.subarray(0, length));
    for (let t = 0; t < values.length; t++) {
      const { lo, hi } = values[t]!;
      this.#lo[t]!.set(lo.length === length ? lo : lo.subarray(0, length));
      if (hi !== undefined) this.#hi[t]!.set(hi.subarray(0, length));
      this.values[t] = { lo: this.#lo[t]!, hi: hi === undefined ? undefined : this.#hi[t]! };
    }
    this.length = length;
  }

  #permute(order: Float64Array, numbers: Uint32Array, values: readonly ExactColumn[], length: number): void {
    const stack = this.stack;
    let out = -1;
    let last = -1;
    let twice = false;
    for (let i = 0; i < length; i++) {
      const number = numbers[order[i]!]!;
      if (number === last) twice = true;
      else stack[++out] = last = number;
    }
    this.length = out + 1;
    for (let t = 0; t < values.length; t++) {
      const { lo, hi } = values[t]!;
      if (twice) this.#add(order, numbers, lo, hi, t, length);
      else this.#gather(order, lo, hi, t, length);
    }
  }

  #gather(order: Float64Array, lo: Float64Array, hi: Float64Array | undefined, type: number, length: number): void {
    const outLo = this.#lo[type]!;
    for (let i = 0; i < length; i++) outLo[i] = lo[order[i]!]!;
    if (hi !== undefined) {
      const outHi = this.#hi[type]!;
      for (let i = 0; i < length; i++) outHi[i] = hi[order[i]!]!;
    }
    this.values[type] = { lo: outLo, hi: hi === undefined ? undefined : this.#hi[type]! };
  }

  #add(
    order: Float64Array,
    numbers: Uint32Array,
    lo: Float64Array,
    hi: Float64Array | undefined,
    type: number,
    length: number,
  ): void {
    const outLo = this.#lo[type]!.fill(0, 0, length);
    const outHi = this.#hi[type]!.fill(0, 0, length);
    let out = -1;
    let last = -1;
    let wide = 0;
    for (let i = 0; i < length; i++) {
      const from = order[i]!;
      if (numbers[from] !== last) out++;
      last = numbers[from]!;
      const sum = outLo[out]! + lo[from]!;
      outLo[out] = sum >= SPILL ? sum - SPILL : sum;
      const high = outHi[out]! + (sum >= SPILL ? 1 : 0) + (hi === undefined ? 0 : hi[from]!);
      outHi[out] = high;
      if (high !== 0) wide = 1;
    }
    this.values[type] = { lo: outLo, hi: wide === 0 ? undefined : outHi };
  }

  #reserve(length: number, types: number): void {
    if (length > this.stack.length) {
      const capacity = Math.max(length, this.stack.length * 2);
      this.stack = new Uint32Array(capacity);
      this.#keys = new Float64Array(capacity);
      this.#lo = [];
      this.#hi = [];
    }
    while (this.#lo.length < types) {
      this.#lo.push(new Float64Array(this.#keys.length));
      this.#hi.push(new Float64Array(this.#keys.length));
    }
    this.values.length = types;
  }
}

function increasing(numbers: Uint32Array, length: number): boolean {
  for (let i = 1; i < length; i++) if (numbers[i]! <= numbers[i - 1]!) return false;
  return true;
}

function orderSlow(numbers: Uint32Array, length: number): Float64Array {
  const order = new Float64Array(length);
  for (let i = 0; i < length; i++) order[i] = i;
  order.sort((a, b) => numbers[a]! - numbers[b]!);
  return order;
}
