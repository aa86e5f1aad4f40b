import { SymbolRemap, SymbolTable } from '@kiln/block';
import { ExactSums } from '@kiln/model';
import { atMost, refuseNodes, type QueryLimits } from './limits.ts';
import type { StackValues } from './symbol-codec.ts';

/** Stacktraces of several sources, equal ones as one. Symbols that no value needs are left behind. */
export class MergedStacks {
  readonly #table = new SymbolTable();
  readonly #maxNodes: number;
  #sums = new ExactSums(64);

  constructor({ maxResultNodes }: QueryLimits = {}) {
    this.#maxNodes = atMost(maxResultNodes);
  }

  /** Hot: once per stack. */
  add({ symbols, values: { lo, hi } }: StackValues): void {
    const remap = new SymbolRemap(symbols, this.#table);
    for (let stack = 0; stack < symbols.stacks.length; stack++) {
      const high = hi === undefined ? 0 : hi[stack]!;
      if (lo[stack] === 0 && high === 0) continue;
      const merged = remap.stack(stack);
      if (this.#table.tree.nodes - 1 > this.#maxNodes) refuseNodes(this.#maxNodes);
      if (merged >= this.#sums.lo.length) this.#grow();
      this.#sums.add(merged, lo[stack]!, high);
    }
  }

  build(): StackValues {
    return { symbols: this.#table.symbols(), values: this.#sums };
  }

  #grow(): void {
    const { lo, hi } = this.#sums;
    this.#sums = new ExactSums(lo.length * 2);
    this.#sums.lo.set(lo);
    this.#sums.hi.set(hi);
  }
}
