import type { DatasetTables, Page } from '@kiln/block';
import type { QueryRange } from './query.ts';

/** Buckets of one roll-up. */
export interface BucketPages {
  /** How long a bucket is, ms. */
  readonly lengthMs: number;
  /** A page's rows are buckets. */
  readonly pages: readonly Page[];
  /** A byte per bucket, not 0 where it is wanted. */
  readonly wanted: Uint8Array;
}

/** Buckets that hold the rows of [fromMs, toMs), each row once. */
export interface Cover {
  readonly buckets: readonly BucketPages[];
  readonly fromMs: number;
  /** Not above `fromMs` when nothing is covered. */
  readonly toMs: number;
}

/** Nothing is covered. */
export const NO_COVER: Cover = { buckets: [], fromMs: 0, toMs: 0 };

/** Roll-ups that sum all rows of minMs to maxMs, both inclusive. */
interface RolledUp extends Pick<DatasetTables, 'minMs' | 'maxMs'> {
  readonly rollups: DatasetTables['rollups'] | undefined;
}

/** Whether buckets hold all rows of the range that they were chosen for. */
export function isCovered({ fromMs, toMs }: Pick<Cover, 'fromMs' | 'toMs'>, { startMs, endMs }: QueryRange): boolean {
  return fromMs <= startMs && endMs < toMs;
}

/**
 * The largest buckets that lie inside a range, then smaller ones around them (design: engine.md §7). What is left of the range is two ragged
 * edges, or all of it. A bucket at an end of the dataset lies inside when its rows do.
 */
export function coverRange({ rollups = [], minMs, maxMs }: RolledUp, { startMs, endMs }: QueryRange): Cover {
  const start = startMs <= minMs ? -Infinity : startMs;
  const end = endMs >= maxMs ? Infinity : endMs + 1;
  const all = start === -Infinity && end === Infinity;
  const buckets: BucketPages[] = [];
  let [fromMs, toMs] = [0, 0];
  for (const { stepMs, startMs: starts, pages } of rollups) {
    if (stepMs === 0 && !all) continue;
    const first = stepMs === 0 ? start : Math.ceil(start / stepMs) * stepMs;
    const last = stepMs === 0 ? end : Math.floor(end / stepMs) * stepMs;
    if (first >= last) continue;
    // A step divides the one before: what that one covers begins and ends where buckets of this one do, and this one covers it too.
    const wanted = new Uint8Array(starts.length);
    for (let i = 0; i < starts.length; i++) {
      const at = starts[i]!;
      if (at >= first && at < last && (at < fromMs || at >= toMs)) wanted[i] = 1;
    }
    if (wanted.includes(1)) buckets.push({ lengthMs: stepMs === 0 ? maxMs - minMs + 1 : stepMs, pages, wanted });
    [fromMs, toMs] = [first, last];
  }
  return buckets.length === 0 ? NO_COVER : { buckets, fromMs, toMs };
}
