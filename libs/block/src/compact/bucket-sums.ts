import { SPILL, type ExactColumn } from '@kiln/model';

/**
 * Exact sums by stack and value type of what falls in one bucket. Dense columns with a mark per stack, so that a bucket of few stacks is
 * emptied in as many steps.
 */
export class BucketSums {
  /** What `take` gave: stack rows, rising; valid until the next `take`. */
  stack: Uint32Array = new Uint32Array(0);
  readonly values: ExactColumn[] = [];
  length = 0;
  readonly #lo: Float64Array[];
  readonly #hi: Float64Array[];
  readonly #mark: Uint8Array;
  readonly #touched: Uint32Array;
  #count = 0;

  constructor(types: number, stacks: number) {
    this.#lo = Array.from({ length: types }, () => new Float64Array(stacks));
    this.#hi = Array.from({ length: types }, () => new Float64Array(stacks));
    this.#mark = new Uint8Array(stacks);
    this.#touched = new Uint32Array(stacks);
  }

  /** Hot: once per sample and value type. */
  add(stack: Uint32Array, values: readonly ExactColumn[], length: number): void {
    for (let i = 0; i < length; i++) {
      const row = stack[i]!;
      if (this.#mark[row] !== 0) continue;
      this.#mark[row] = 1;
      this.#touched[this.#count++] = row;
    }
    for (let t = 0; t < values.length; t++) addColumn(this.#lo[t]!, this.#hi[t]!, stack, values[t]!, length);
  }

  /** Moves the sums to `stack`, `values` and `length`, and starts anew. */
  take(): void {
    const length = this.#count;
    this.#count = 0;
    this.length = length;
    this.stack = this.#touched.slice(0, length).sort();
    for (let t = 0; t < this.#lo.length; t++) this.values[t] = takeColumn(this.#lo[t]!, this.#hi[t]!, this.stack);
    for (let i = 0; i < length; i++) this.#mark[this.stack[i]!] = 0;
  }
}

function addColumn(
  sumsLo: Float64Array,
  sumsHi: Float64Array,
  stack: Uint32Array,
  { lo, hi }: ExactColumn,
  length: number,
): void {
  for (let i = 0; i < length; i++) {
    const row = stack[i]!;
    const sum = sumsLo[row]! + lo[i]!;
    const carry = sum >= SPILL ? 1 : 0;
    sumsLo[row] = carry === 0 ? sum : sum - SPILL;
    if (carry !== 0 || hi !== undefined) sumsHi[row] = sumsHi[row]! + carry + (hi === undefined ? 0 : hi[i]!);
  }
}

function takeColumn(sumsLo: Float64Array, sumsHi: Float64Array, stack: Uint32Array): ExactColumn {
  const lo = new Float64Array(stack.length);
  let hi: Float64Array | undefined;
  for (let i = 0; i < stack.length; i++) {
    const row = stack[i]!;
    lo[i] = sumsLo[row]!;
    sumsLo[row] = 0;
    if (sumsHi[row] === 0) continue;
    hi ??= new Float64Array(stack.length);
    hi[i] = sumsHi[row]!;
    sumsHi[row] = 0;
  }
  return { lo, hi };
}
