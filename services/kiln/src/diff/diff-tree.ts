import { KilnError } from '@kiln/model';
import { nameOf, type FlameNode } from '../flame/flame-tree.ts';

/** querier.v1.FlameGraphDiff in protobuf JSON. */
export interface DiffJson {
  readonly names?: readonly string[];
  readonly levels?: readonly { readonly values?: readonly (string | number)[] }[];
  readonly leftTicks?: string | number;
  readonly rightTicks?: string | number;
}

/** A box of two profiles, as wide as both together. */
export interface DiffNode extends FlameNode {
  readonly base: Side;
  readonly now: Side;
  readonly children: DiffNode[];
}

/** Left edge and values in one profile. */
interface Side {
  readonly x: bigint;
  readonly total: bigint;
  readonly self: bigint;
}

/**
 * The tree of a diff: seven numbers a box, the base left, the other right (contract/pyroscope.md §5.7).
 * @throws KilnError `data_loss` when the numbers contradict each other.
 */
export function diffTree({ names = [], levels = [] }: DiffJson): DiffNode {
  let above: DiffNode[] = [];
  let root: DiffNode | undefined;
  for (const { values = [] } of levels) {
    if (values.length % 7 !== 0) throw broken(`a level of ${values.length} numbers`);
    const row: DiffNode[] = [];
    let ends = { base: 0n, now: 0n };
    let parent = 0;
    for (let i = 0; i < values.length; i += 7) {
      const [dl, tl, sl, dr, tr, sr] = values.slice(i, i + 6).map(BigInt) as [
        bigint,
        bigint,
        bigint,
        bigint,
        bigint,
        bigint,
      ];
      const base = { x: ends.base + dl, total: tl, self: sl };
      const now = { x: ends.now + dr, total: tr, self: sr };
      const node: DiffNode = {
        name: nameOf(names, Number(values[i + 6]), root === undefined),
        total: tl + tr,
        self: sl + sr,
        x: base.x + now.x,
        base,
        now,
        children: [],
      };
      if (root === undefined) root = node;
      else {
        while (parent < above.length && above[parent]!.x + above[parent]!.total <= node.x) parent++;
        const over = above[parent];
        if (over === undefined || node.x < over.x || node.x + node.total > over.x + over.total)
          throw broken('a box that lies under none');
        over.children.push(node);
      }
      row.push(node);
      ends = { base: base.x + tl, now: now.x + tr };
    }
    above = row;
  }
  const none = { x: 0n, total: 0n, self: 0n };
  return root ?? { name: 'total', total: 0n, self: 0n, x: 0n, base: none, now: none, children: [] };
}

/** What one function cost before and now. */
export interface FunctionChange {
  readonly name: string;
  readonly baseSelf: bigint;
  readonly self: bigint;
  readonly baseTotal: bigint;
  readonly total: bigint;
}

/** Sums by function, a stack counted once however often the function recurs in it; largest change of the own value first, then of the total. */
export function functionChanges(root: DiffNode): FunctionChange[] {
  const sums = new Map<string, { -readonly [K in keyof FunctionChange]: FunctionChange[K] }>();
  const open: { node: DiffNode; over: ReadonlySet<string> }[] = root.children.map((node) => ({
    node,
    over: new Set<string>(),
  }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, over } = next;
    const { name, base, now } = node;
    let sum = sums.get(name);
    if (sum === undefined) sums.set(name, (sum = { name, baseSelf: 0n, self: 0n, baseTotal: 0n, total: 0n }));
    sum.baseSelf += base.self;
    sum.self += now.self;
    if (!over.has(name)) {
      sum.baseTotal += base.total;
      sum.total += now.total;
    }
    const below = over.has(name) ? over : new Set([...over, name]);
    for (const child of node.children) open.push({ node: child, over: below });
  }
  const change = (a: bigint, b: bigint): bigint => (a > b ? a - b : b - a);
  const larger = (a: bigint, b: bigint): number => (a > b ? -1 : a < b ? 1 : 0);
  return [...sums.values()].toSorted(
    (a, b) =>
      larger(change(a.self, a.baseSelf), change(b.self, b.baseSelf)) ||
      larger(change(a.total, a.baseTotal), change(b.total, b.baseTotal)) ||
      (a.name < b.name ? -1 : 1),
  );
}

function broken(found: string): KilnError {
  return new KilnError('data_loss', `the answer is no diff: found ${found}`);
}
