import { SPILL, type ExactColumn } from '@kiln/model';

/** Bits that a pass of the sort looks at. */
const DIGIT = 11;

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
  #order: Uint32Array = new Uint32Array(64);
  #otherOrder: Uint32Array = new Uint32Array(64);
  readonly #starts = new Uint32Array(1 << DIGIT);
  #lo: Float64Array[] = [];
  #hi: Float64Array[] = [];

  get byteLength(): number {
    return (
      this.stack.byteLength +
      this.#numbers.byteLength +
      this.#order.byteLength * 2 +
      this.#starts.byteLength +
      (this.#lo.length + this.#hi.length) * this.stack.length * 8
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
    else this.#permute(this.#ordered(numbers, length), numbers, values, length);
  }

  /** Samples in the order of their stacks: a counting sort for each eleven bits of the stack rows, from the lowest on. */
  #ordered(numbers: Uint32Array, length: number): Uint32Array {
    const starts = this.#starts;
    let order = this.#order;
    let next = this.#otherOrder;
    let largest = 0;
    for (let i = 0; i < length; i++) {
      order[i] = i;
      if (numbers[i]! > largest) largest = numbers[i]!;
    }
    const mask = starts.length - 1;
    for (let shift = 0; shift < 32 && largest >>> shift > 0; shift += DIGIT) {
      starts.fill(0);
      for (let i = 0; i < length; i++) {
        const digit = (numbers[i]! >>> shift) & mask;
        starts[digit] = starts[digit]! + 1;
      }
      for (let digit = 0, start = 0; digit <= mask; digit++) {
        const count = starts[digit]!;
        starts[digit] = start;
        start += count;
      }
      for (let i = 0; i < length; i++) {
        const row = order[i]!;
        const digit = (numbers[row]! >>> shift) & mask;
        const at = starts[digit]!;
        next[at] = row;
        starts[digit] = at + 1;
      }
      [order, next] = [next, order];
    }
    return order;
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

  #permute(order: Uint32Array, numbers: Uint32Array, values: readonly ExactColumn[], length: number): void {
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

  #gather(order: Uint32Array, lo: Float64Array, hi: Float64Array | undefined, type: number, length: number): void {
    const outLo = this.#lo[type]!;
    for (let i = 0; i < length; i++) outLo[i] = lo[order[i]!]!;
    if (hi !== undefined) {
      const outHi = this.#hi[type]!;
      for (let i = 0; i < length; i++) outHi[i] = hi[order[i]!]!;
    }
    this.values[type] = { lo: outLo, hi: hi === undefined ? undefined : this.#hi[type]! };
  }

  #add(
    order: Uint32Array,
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
      this.#order = new Uint32Array(capacity);
      this.#otherOrder = new Uint32Array(capacity);
      this.#lo = [];
      this.#hi = [];
    }
    while (this.#lo.length < types) {
      this.#lo.push(new Float64Array(this.stack.length));
      this.#hi.push(new Float64Array(this.stack.length));
    }
    this.values.length = types;
  }
}

function increasing(numbers: Uint32Array, length: number): boolean {
  for (let i = 1; i < length; i++) if (numbers[i]! <= numbers[i - 1]!) return false;
  return true;
}
