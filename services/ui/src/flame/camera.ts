import type { FrameTree } from './frame-tree.ts';

/** The values between the left and the right edge of the picture. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** The narrowest part of the whole that a picture shows: doubles end some digits further on. */
const NARROWEST = 1e-9;

/** All of a row. */
export function rangeOfRow({ left, total }: FrameTree, row: number): Range {
  return { from: left[row]!, to: left[row]! + total[row]! };
}

/** The same range within the tree, moved before it is cut. */
export function clampedRange({ total }: FrameTree, { from, to }: Range): Range {
  const whole = total[0]!;
  const span = Math.min(whole, Math.max(to - from, whole * NARROWEST));
  const start = Math.min(Math.max(0, from), whole - span);
  return { from: start, to: start + span };
}

/** Wider by `factor`, with the value at `part` of the width where it was. */
export function zoomed({ from, to }: Range, part: number, factor: number): Range {
  const fixed = from + (to - from) * part;
  return { from: fixed - (fixed - from) * factor, to: fixed + (to - fixed) * factor };
}

/** Moved to the right by `part` of its width. */
export function panned({ from, to }: Range, part: number): Range {
  const by = (to - from) * part;
  return { from: from + by, to: to + by };
}

/** `part` of the way from one range to another, slower at its end. */
export function eased(start: Range, end: Range, part: number): Range {
  const done = 1 - (1 - part) ** 3;
  return { from: start.from + (end.from - start.from) * done, to: start.to + (end.to - start.to) * done };
}

/** The part of `to` that a range was of `from`. */
export function moved(range: Range, from: Range, to: Range): Range {
  const scale = from.to === from.from ? 1 : (to.to - to.from) / (from.to - from.from);
  return { from: to.from + (range.from - from.from) * scale, to: to.from + (range.to - from.from) * scale };
}
