import { frameTree, type FrameTree } from '../flame/frame-tree.ts';
import type { FlameData, FlameDiffData } from '../flame/props.ts';

/**
 * Two flame graphs over one tree, as the server answers it for sums: averages it does not compare. What one side cut as too small is there in a frame
 * `other`, also where the other side has it by name.
 * @throws KilnError `data_loss` when the numbers of a graph contradict each other.
 */
export function diffOfGraphs(left: FlameData, right: FlameData): FlameDiffData {
  const sides = [frameTree(left), frameTree(right)] as const;
  // As the server writes them: the root, and below it functions without a name.
  const names = ['total'];
  const index = new Map([['', 0]]);
  const nameOf = (text: string): number => {
    const known = index.get(text) ?? names.push(text) - 1;
    index.set(text, known);
    return known;
  };
  const levels: number[][] = [];
  let level: Pair[] = [{ name: '', rows: [0, 0], lefts: [0, 0] }];
  while (level.length > 0) {
    const values: number[] = [];
    const ends = [0, 0];
    for (const { name, rows, lefts } of level) {
      for (const side of [0, 1] as const) {
        const [total, self] = valuesOf(sides[side], rows[side]);
        values.push(lefts[side] - ends[side]!, total, self);
        ends[side] = lefts[side] + total;
      }
      values.push(nameOf(name));
    }
    levels.push(values);
    level = level.flatMap((pair) => childrenOf(pair, sides));
  }
  return {
    names,
    levels,
    leftTotal: left.total,
    rightTotal: right.total,
    unit: left.unit,
    ...(left.kind === undefined ? {} : { kind: left.kind }),
  };
}

/** A frame of one path on both sides. */
interface Pair {
  readonly name: string;
  /** -1 = not there. */
  readonly rows: readonly [number, number];
  /** Left edges. */
  readonly lefts: readonly [number, number];
}

function valuesOf({ total, self }: FrameTree, row: number): [total: number, self: number] {
  return row < 0 ? [0, 0] : [total[row]!, self[row]!];
}

/** Children by name, from behind the own value of the frame. */
function childrenOf({ rows, lefts }: Pair, sides: readonly [FrameTree, FrameTree]): Pair[] {
  const found = new Map<string, [number, number]>();
  for (const side of [0, 1] as const) {
    const { firstChild, name, names } = sides[side];
    const row = rows[side];
    if (row < 0) continue;
    for (let child = firstChild[row]!; child < firstChild[row + 1]!; child++) {
      const text = names[name[child]!]!;
      const pair = found.get(text) ?? [-1, -1];
      pair[side] = child;
      found.set(text, pair);
    }
  }
  const next: [number, number] = [0, 1].map(
    (side) => lefts[side as 0 | 1] + valuesOf(sides[side as 0 | 1], rows[side as 0 | 1])[1],
  ) as [number, number];
  return Array.from(found, ([name, children]) => {
    const pair = { name, rows: children, lefts: [next[0], next[1]] as const };
    for (const side of [0, 1] as const) next[side] += valuesOf(sides[side], children[side])[0];
    return pair;
  });
}
