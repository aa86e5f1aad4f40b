import { writeSegment, type Codecs, type DatasetTables } from '@kiln/block';
import type { Gap, Segment } from '@kiln/catalog';
import type { LogId, TenantId } from '@kiln/model';
import type { Generation } from './generation.ts';
import type { Ids } from './ids.ts';

/** Where a segment goes: the rows of `logId` in (start, end]. */
export interface SegmentPlace {
  readonly logId: LogId;
  readonly start: number;
  readonly end: number;
  readonly blockId: Uint8Array;
}

/** The level-0 object of a generation: its rows above `place.start`, each tenant in a part of its own, and the ids kept for them. */
export function encodeSegment(
  generation: Generation,
  ids: Ids,
  place: SegmentPlace,
  codecs: Codecs,
): Segment | undefined {
  const kept = ids.between(generation.fromMark, generation.toMark);
  const tenants: { tenant: TenantId; datasets: DatasetTables[] }[] = [];
  for (const tenant of generation.head.tenants()) {
    const datasets = [...generation.head.tables(tenant, place.start)];
    if (datasets.length > 0) tenants.push({ tenant, datasets });
  }
  if (tenants.length === 0 && kept.length === 0) return undefined;
  const { bytes, entries, idsOff, idsLen } = writeSegment({ ...place, tenants, ids: kept }, codecs);
  return { bytes, tenants: entries, idsOff, idsLen };
}

/** The gaps of a generation that lie above `start`, in order. */
export function gapsAbove(gaps: readonly Gap[], start: number): Gap[] {
  return gaps.filter((gap) => gap.upTo > start).map((gap) => ({ ...gap, after: Math.max(gap.after, start) }));
}
