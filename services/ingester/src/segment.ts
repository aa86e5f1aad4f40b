import { writeSegment, type Codecs, type SegmentContent } from '@kiln/block';
import type { Gap, Segment } from '@kiln/catalog';
import type { LogId } from '@kiln/model';
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
  const tenants = datasetsAbove(generation, place.start);
  const { bytes, entries, idsOff, idsLen } = writeSegment({ ...place, tenants, ids: kept }, codecs);
  return entries.length === 0 && kept.length === 0 ? undefined : { bytes, tenants: entries, idsOff, idsLen };
}

function* datasetsAbove({ head }: Generation, start: number): SegmentContent['tenants'] {
  for (const tenant of head.tenants()) yield { tenant, datasets: head.tables(tenant, start) };
}

/** The gaps of a generation that lie above `start`, in order. */
export function gapsAbove(gaps: readonly Gap[], start: number): Gap[] {
  return gaps.filter((gap) => gap.upTo > start).map((gap) => ({ ...gap, after: Math.max(gap.after, start) }));
}
