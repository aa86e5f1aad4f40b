import type { FunctionRow } from '../flame/props.ts';

/** A function on both sides. */
export interface Change {
  readonly name: string;
  readonly left: number;
  readonly right: number;
  /** Of all samples of its side, 0 to 1. */
  readonly leftShare: number;
  readonly rightShare: number;
  readonly kind: 'new' | 'removed' | 'changed' | 'same';
}

/** One side's functions, all of them, and what their shares are of. */
export interface FunctionsOfSide {
  readonly rows: readonly FunctionRow[];
  readonly total: number;
}

/**
 * Every function of either side, the largest change of share first, of equal ones the largest share.
 * @param of which value: of stacks that end in the function, or of those that it is in.
 */
export function changesOf(left: FunctionsOfSide, right: FunctionsOfSide, of: 'flat' | 'cum'): Change[] {
  const rightRows = new Map(right.rows.map((row) => [row.name, row]));
  const changes: Change[] = [];
  const add = (name: string, before: FunctionRow | undefined, after: FunctionRow | undefined): void => {
    const [was, is] = [before?.[of] ?? 0, after?.[of] ?? 0];
    const leftShare = left.total === 0 ? 0 : was / left.total;
    const rightShare = right.total === 0 ? 0 : is / right.total;
    const kind =
      before === undefined ? 'new' : after === undefined ? 'removed' : leftShare === rightShare ? 'same' : 'changed';
    changes.push({ name, left: was, right: is, leftShare, rightShare, kind });
  };
  for (const row of left.rows) {
    add(row.name, row, rightRows.get(row.name));
    rightRows.delete(row.name);
  }
  for (const row of rightRows.values()) add(row.name, undefined, row);
  return changes.toSorted(
    (a, b) => sizeOf(b) - sizeOf(a) || b.leftShare + b.rightShare - a.leftShare - a.rightShare || byName(a, b),
  );
}

function sizeOf({ leftShare, rightShare }: Change): number {
  return Math.abs(rightShare - leftShare);
}

function byName(a: Change, b: Change): number {
  return a.name < b.name ? -1 : 1;
}
