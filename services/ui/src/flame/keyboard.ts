import type { Range } from './camera.ts';
import { depthOf, type FrameTree } from './frame-tree.ts';

/**
 * The row that a key moves the cursor to: arrows go to the frame above, the largest in view below and the neighbours of the level, Home and End to the ends
 * of what is in view. The same row where there is no other; undefined for another key.
 * @param upwards callers above: then up leads away from the root.
 */
export function nextRow(tree: FrameTree, row: number, key: string, view: Range, upwards: boolean): number | undefined {
  const { parent, levels, left, total } = tree;
  if (key === (upwards ? 'ArrowDown' : 'ArrowUp')) return Math.max(0, parent[row]!);
  if (key === (upwards ? 'ArrowUp' : 'ArrowDown')) return largestChild(tree, row, view);
  const depth = depthOf(tree, row);
  const isSeen = (other: number): boolean => left[other]! < view.to && left[other]! + total[other]! > view.from;
  const [first, end] = [levels[depth]!, levels[depth + 1]!];
  if (key === 'ArrowLeft') return row > first && isSeen(row - 1) ? row - 1 : row;
  if (key === 'ArrowRight') return row + 1 < end && isSeen(row + 1) ? row + 1 : row;
  let at = row;
  if (key === 'Home') {
    while (at > first && isSeen(at - 1)) at--;
    return at;
  }
  if (key === 'End') {
    while (at + 1 < end && isSeen(at + 1)) at++;
    return at;
  }
  return undefined;
}

/** Of the frames below the one with most of it in view; the row itself where there is none. */
function largestChild({ firstChild, left, total }: FrameTree, row: number, view: Range): number {
  let best = row;
  let most = 0;
  for (let child = firstChild[row]!; child < firstChild[row + 1]!; child++) {
    const seen = Math.min(view.to, left[child]! + total[child]!) - Math.max(view.from, left[child]!);
    if (seen > most) {
      best = child;
      most = seen;
    }
  }
  return best;
}
