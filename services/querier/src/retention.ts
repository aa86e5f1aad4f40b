import { rowRange, type Query } from '@kiln/query';

/**
 * The query without what is older than the tenant's retention; undefined when that is all of it. The one place where retention holds for reads:
 * whoever asks, and however many tenants are asked together. A series keeps its start, from which its steps count.
 * @param retentionMs 0 = for ever.
 */
export function withinRetention(query: Query, retentionMs: number, nowMs: number): Query | undefined {
  const oldestMs = nowMs - retentionMs;
  if (retentionMs === 0 || rowRange(query).startMs >= oldestMs) return query;
  if (query.endMs < oldestMs) return undefined;
  if (query.kind === 'selectSeries' || query.kind === 'heatmap')
    return { ...query, oldestMs: Math.max(oldestMs, query.oldestMs ?? oldestMs) };
  return { ...query, startMs: oldestMs };
}
