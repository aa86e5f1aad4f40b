import { KilnError } from '@kiln/model';
import { valueOf, type Values } from '../values.ts';

/** One box of a flame graph. */
export interface FlameNode {
  readonly name: string;
  readonly total: bigint;
  readonly self: bigint;
  /** Left edge, in the unit of the values. */
  readonly x: bigint;
  /** Left to right. */
  readonly children: FlameNode[];
}

/** querier.v1.FlameGraph in protobuf JSON: 64-bit numbers are strings, empty things are left out. */
export interface FlameGraphJson {
  readonly names?: readonly string[];
  readonly levels?: readonly { readonly values?: readonly (string | number)[] }[];
  readonly total?: string | number;
}

/**
 * The tree of a flame graph: four numbers a box, x offset from the box before, total, self, name (contract/pyroscope.md §5.6).
 * @param values what its numbers are: those of averages have decimals.
 * @throws KilnError `data_loss` when the numbers contradict each other.
 */
export function flameTree(
  { names = [], levels = [] }: FlameGraphJson,
  values: Pick<Values, 'scale'> = { scale: 1 },
): FlameNode {
  let above: FlameNode[] = [];
  let root: FlameNode | undefined;
  for (const { values: numbers = [] } of levels) {
    const row: FlameNode[] = [];
    let x = 0n;
    let parent = 0;
    if (numbers.length % 4 !== 0) throw broken(`a level of ${numbers.length} numbers`);
    for (let i = 0; i < numbers.length; i += 4) {
      const [offset, total, self] = numbers.slice(i, i + 3).map((one) => valueOf(one, values)) as [
        bigint,
        bigint,
        bigint,
      ];
      const name = numbers[i + 3]!;
      x += offset;
      const node: FlameNode = { name: nameOf(names, Number(name), root === undefined), total, self, x, children: [] };
      if (root === undefined) root = node;
      else {
        while (parent < above.length && above[parent]!.x + above[parent]!.total <= x) parent++;
        const over = above[parent];
        if (over === undefined || x < over.x || x + total > over.x + over.total)
          throw broken('a box that lies under none');
        over.children.push(node);
      }
      row.push(node);
      x += total;
    }
    above = row;
  }
  return root ?? { name: 'total', total: 0n, self: 0n, x: 0n, children: [] };
}

/** The first name is that of the root. Below it stands for functions without one, as Pyroscope writes them. */
export function nameOf(names: readonly string[], index: number, isRoot: boolean): string {
  return index === 0 && !isRoot ? '' : (names[index] ?? '?');
}

/** Every box, parents first. */
export function* flameNodes<N extends { readonly children: N[] }>(root: N): Generator<{ node: N; depth: number }> {
  const open = [{ node: root, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    yield next;
    for (const child of next.node.children.toReversed()) open.push({ node: child, depth: next.depth + 1 });
  }
}

/** `share` of 1 as the parts of a graph's total; 0 for an empty graph. */
export function shareOf(part: bigint, total: bigint): number {
  return total === 0n ? 0 : Number(part) / Number(total);
}

function broken(found: string): KilnError {
  return new KilnError('data_loss', `the answer is no flame graph: found ${found}`);
}
