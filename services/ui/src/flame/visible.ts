import type { FrameTree } from './frame-tree.ts';
import { resized } from './tree-builder.ts';

/** What is looked at: the values from `from` to `to` over `width` pixels, and depths from `top` to before `bottom`. */
export interface View {
  readonly from: number;
  readonly to: number;
  readonly width: number;
  readonly top: number;
  readonly bottom: number;
}

/** Frames narrower than this are drawn together, in pixels. */
const NARROW = 1.5;
/** A gap that is seen, in pixels. */
const GAP = 0.5;

/** Boxes to draw, as columns that are filled again for every picture. */
export class Boxes {
  length = 0;
  /** The first row of the box; it stands for `count` rows. */
  row: Int32Array = new Int32Array(4096);
  count: Uint32Array = new Uint32Array(4096);
  depth: Uint32Array = new Uint32Array(4096);
  /** Left edge and width in pixels, cut off at the edges of the view. */
  x: Float32Array = new Float32Array(4096);
  width: Float32Array = new Float32Array(4096);

  push(row: number, count: number, depth: number, x: number, width: number): void {
    const at = this.length++;
    if (at === this.row.length) this.#grow();
    this.row[at] = row;
    this.count[at] = count;
    this.depth[at] = depth;
    this.x[at] = x;
    this.width[at] = width;
  }

  #grow(): void {
    const length = this.row.length * 2;
    this.row = resized(this.row, new Int32Array(length));
    this.count = resized(this.count, new Uint32Array(length));
    this.depth = resized(this.depth, new Uint32Array(length));
    this.x = resized(this.x, new Float32Array(length));
    this.width = resized(this.width, new Float32Array(length));
  }
}

/**
 * The boxes of a view: at most about two per pixel of a level, however many frames there are. Each level is entered by binary search, and frames
 * too narrow to be seen are stepped over by doubling.
 */
export function findVisible(tree: FrameTree, view: View, boxes: Boxes): void {
  const { levels, left, total } = tree;
  const { from, to, width } = view;
  boxes.length = 0;
  if (!(to > from) || width <= 0) return;
  const scale = width / (to - from);
  const bottom = Math.min(view.bottom, levels.length - 1);
  for (let depth = Math.max(0, view.top); depth < bottom; depth++) {
    const end = levels[depth + 1]!;
    let row = firstBeyond(left, total, levels[depth]!, end, from);
    while (row < end && left[row]! < to) {
      const x = (left[row]! - from) * scale;
      let right = x + total[row]! * scale;
      let next = row + 1;
      if (right - x < NARROW) {
        while (next < end) {
          const reached = skip(left, total, next, end, from + (right + 1) / scale);
          if (reached > next) {
            right = (left[reached - 1]! + total[reached - 1]! - from) * scale;
            next = reached;
          } else {
            const w = total[next]! * scale;
            const l = (left[next]! - from) * scale;
            if (w >= NARROW || l > right + GAP || l >= width) break;
            right = l + w;
            next++;
          }
        }
      }
      const start = Math.max(0, x);
      boxes.push(row, next - row, depth, start, Math.min(width, right) - start);
      row = next;
    }
  }
}

/** The first row of [start, end) whose right edge lies beyond `value`. */
export function firstBeyond(
  left: Float64Array,
  total: Float64Array,
  start: number,
  end: number,
  value: number,
): number {
  let low = start;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (left[middle]! + total[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** As firstBeyond, for an answer that is likely near `start`. */
function skip(left: Float64Array, total: Float64Array, start: number, end: number, value: number): number {
  let step = 1;
  let low = start;
  while (low + step < end && left[low + step]! + total[low + step]! <= value) {
    low += step;
    step *= 2;
  }
  return firstBeyond(left, total, low, Math.min(end, low + step), value);
}

/** The row at a value and a depth; -1 where there is none. */
export function rowAt({ levels, left, total }: FrameTree, depth: number, value: number): number {
  if (depth < 0 || depth >= levels.length - 1) return -1;
  const end = levels[depth + 1]!;
  const row = firstBeyond(left, total, levels[depth]!, end, value);
  return row < end && left[row]! <= value ? row : -1;
}
