import type { Gap } from '@kiln/catalog';
import type { QueryRange } from '@kiln/query';

/** How far a profile's time may lie from its append time; 0 = any distance. */
export interface Acceptance {
  readonly rejectOlderThanMs: number;
  readonly rejectNewerThanMs: number;
}

/** Whether rows that a gap swallowed can have had times in the range. What is not known of its append times counts as any time. */
export function canTouch(
  { fromMs, toMs }: Gap,
  { startMs, endMs }: QueryRange,
  { rejectOlderThanMs, rejectNewerThanMs }: Acceptance,
): boolean {
  const earliest = fromMs === 0 || rejectOlderThanMs === 0 ? -Infinity : fromMs - rejectOlderThanMs;
  const latest = toMs === 0 || rejectNewerThanMs === 0 ? Infinity : toMs + rejectNewerThanMs;
  return earliest <= endMs && latest >= startMs;
}
