import { KilnError } from '@kiln/model';
import type { Query } from '@kiln/query';

/** Roles read the clock at slightly different times. */
const SLACK_MS = 10_000;

/** So that a row of the near future (`reject_newer_than`) is in "everything". */
const DAY_MS = 86_400_000;

/**
 * The query with its start within the tenant's retention; undefined when all of its range is older. No range (0, 0) on a discovery query is the
 * whole retention.
 * @param retentionMs 0 = for ever.
 * @throws KilnError `invalid_argument` for a SelectSeries that starts before the retention: its steps count from its start, so only its caller
 * can move it.
 */
export function withinRetention(query: Query, retentionMs: number, nowMs: number): Query | undefined {
  const oldest = retentionMs === 0 ? 0 : nowMs - retentionMs;
  if (isDiscovery(query) && query.startMs === 0 && query.endMs === 0) {
    return { ...query, startMs: oldest, endMs: nowMs + DAY_MS };
  }
  if (retentionMs === 0 || query.startMs >= oldest) return query;
  if (query.endMs < oldest) return undefined;
  if (query.kind !== 'selectSeries') return { ...query, startMs: oldest };
  if (query.startMs >= oldest - SLACK_MS) return query;
  throw new KilnError(
    'invalid_argument',
    `SelectSeries starts at ${query.startMs}, before the retention of ${retentionMs} ms (retention_period), which begins at ${oldest}`,
  );
}

function isDiscovery({ kind }: Query): boolean {
  return kind === 'profileTypes' || kind === 'labelNames' || kind === 'labelValues' || kind === 'series';
}
