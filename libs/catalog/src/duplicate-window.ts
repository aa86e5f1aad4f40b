/** No window is longer, so that owners keep the ids of two hours and no more. */
export const MAX_DUPLICATE_WINDOW_MS = 7_200_000;

const QUEUEING_MS = 60_000;

/**
 * How long, in append time, a copy of a profile is recognised: as long as its retry would be accepted, and a minute for queues and clocks
 * (distributed.md §1.6, Duplicate window).
 * @param rejectOlderMs the tenant's `reject_older_than`, 0 = off.
 * @param rejectNewerMs the tenant's `reject_newer_than`, 0 = off.
 */
export function duplicateWindowMs(rejectOlderMs: number, rejectNewerMs: number): number {
  if (rejectOlderMs === 0 || rejectNewerMs === 0) return MAX_DUPLICATE_WINDOW_MS;
  return Math.min(MAX_DUPLICATE_WINDOW_MS, rejectOlderMs + rejectNewerMs + QUEUEING_MS);
}
