import type { FrameTree } from './frame-tree.ts';

/** What one function cost in the base and now; values in the unit of the diff, shares of 0 to 1 of each side's total. */
export interface FunctionChange {
  readonly name: string;
  readonly kind: 'new' | 'gone' | 'changed' | 'same';
  readonly base: Cost;
  readonly now: Cost;
}

export interface Cost {
  readonly self: number;
  readonly total: number;
  readonly selfShare: number;
  readonly totalShare: number;
}

/** Shares that differ by less are the same: a half of the last digit that is shown. */
const SAME = 0.00005;

/** Sums by function of a diff's tree; of a function that recurs in a stack the outermost frame alone counts for its total. */
export function functionChanges(tree: FrameTree): FunctionChange[] {
  const { length, names, name, sides } = tree;
  if (sides === undefined) return [];
  const outermost = outermostRows(tree);
  const [base, now] = sides.map((side) => {
    const self = new Float64Array(names.length);
    const total = new Float64Array(names.length);
    for (let row = 1; row < length; row++) {
      self[name[row]!]! += side.self[row]!;
      if (outermost[row] === 1) total[name[row]!]! += side.total[row]!;
    }
    const whole = side.total[0]! || 1;
    return (i: number): Cost => ({
      self: self[i]!,
      total: total[i]!,
      selfShare: self[i]! / whole,
      totalShare: total[i]! / whole,
    });
  }) as [(i: number) => Cost, (i: number) => Cost];
  const seen = new Uint8Array(names.length);
  for (let row = 1; row < length; row++) seen[name[row]!] = 1;
  const changes: FunctionChange[] = [];
  for (let i = 0; i < names.length; i++)
    if (seen[i] === 1) changes.push({ name: names[i]!, kind: kindOf(base(i), now(i)), base: base(i), now: now(i) });
  return changes;
}

function kindOf(base: Cost, now: Cost): FunctionChange['kind'] {
  if (base.total === 0) return now.total === 0 ? 'same' : 'new';
  if (now.total === 0) return 'gone';
  const differ = (a: number, b: number): boolean => Math.abs(a - b) >= SAME;
  return differ(base.selfShare, now.selfShare) || differ(base.totalShare, now.totalShare) ? 'changed' : 'same';
}

/** 1 for every row that has no frame of its own function above it. */
function outermostRows({ length, names, name, parent, firstChild }: FrameTree): Uint8Array {
  const outermost = new Uint8Array(length);
  /** How many frames of a function are on the way from the root. */
  const open = new Uint32Array(names.length);
  const next = firstChild.slice(0, length);
  open[name[0]!] = 1;
  for (let row = 0; row >= 0;) {
    if (next[row]! < firstChild[row + 1]!) {
      row = next[row]!++;
      outermost[row] = open[name[row]!]!++ === 0 ? 1 : 0;
    } else {
      open[name[row]!]!--;
      row = parent[row]!;
    }
  }
  return outermost;
}
