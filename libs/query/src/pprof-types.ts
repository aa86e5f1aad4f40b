import { SymbolRemap, SymbolTable } from '@kiln/block';
import { ExactSums, type Symbols } from '@kiln/model';
import type { PprofResult } from './pprof.ts';

/** Several value types over one table of symbols: row i of its stacks has value i of each. */
export interface PprofTypes {
  readonly symbols: Symbols;
  /** In the order of the results. */
  readonly values: readonly ExactSums[];
}

/** Results of several value types as one, equal stacktraces as one. Hot: once per stack of each. */
export function joinPprofTypes(results: readonly PprofResult[]): PprofTypes {
  const table = new SymbolTable();
  const most = results.reduce((sum, { symbols }) => sum + symbols.stacks.length, 0);
  const columns = results.map(({ symbols, values: { lo, hi } }) => {
    const remap = new SymbolRemap(symbols, table);
    const sums = new ExactSums(most);
    for (let stack = 0; stack < symbols.stacks.length; stack++) {
      const high = hi === undefined ? 0 : hi[stack]!;
      if (lo[stack] !== 0 || high !== 0) sums.add(remap.stack(stack), lo[stack]!, high);
    }
    return sums;
  });
  return { symbols: table.symbols(), values: columns };
}
