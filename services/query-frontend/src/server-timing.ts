import { formatDuration } from '@kiln/config';
import type { AnswerStats } from '@kiln/query';

/**
 * What an answer took, as the header `Server-Timing`: how long planning, reading and merging took, and what was read. `resolution` is the longest
 * bucket of roll-ups that was merged in place of profiles; without it all sums are of profiles one by one.
 */
export function serverTiming({ totalMs, ...stats }: AnswerStats): string {
  const { objects, requests, bytes, rows, pages, buckets, resolutionMs, plans } = stats;
  const counts = Object.entries({ objects, requests, bytes, rows, pages, buckets, plans });
  const words = counts.map(([name, count]) => `${name} ${count}`);
  if (resolutionMs > 0) words.push(`resolution ${formatDuration(resolutionMs)}`);
  return `read;dur=${totalMs};desc="${words.join(', ')}"`;
}
