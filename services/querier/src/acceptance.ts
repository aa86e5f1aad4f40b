import type { Gap } from '@kiln/catalog';
import type { QueryRange } from '@kiln/query';

/** How far ahead of its append time a profile's time may lie; 0 = any distance. */
export interface Acceptance {
  readonly rejectNewerThanMs: number;
}

/**
 * Whether rows that a gap swallowed can have had times in the range. An import reaches back as far as anybody may ask, so a gap bounds its rows from above
 * alone. What is not known of its append times counts as any time.
 */
export function canTouch({ toMs }: Gap, { startMs }: QueryRange, { rejectNewerThanMs }: Acceptance): boolean {
  const latest = toMs === 0 || rejectNewerThanMs === 0 ? Infinity : toMs + rejectNewerThanMs;
  return latest >= startMs;
}
