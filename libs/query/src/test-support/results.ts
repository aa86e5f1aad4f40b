import type { FlameGraph } from '../flame-graph.ts';
import type { StacktracesResult } from '../stacktraces.ts';

export function asFlameGraph(result: StacktracesResult): FlameGraph {
  if (result.format !== 'flamegraph') throw new Error(`a flame graph was asked for, the answer is a ${result.format}`);
  return result.flameGraph;
}

export function asTree(result: StacktracesResult): Uint8Array {
  if (result.format !== 'tree') throw new Error(`a tree was asked for, the answer is a ${result.format}`);
  return result.tree;
}
