import { KilnError, type LogId, type TenantId } from '@kiln/model';
import { startObject, writeDirectory, type TenantEntry } from './directory.ts';
import { PartWriter } from './part.ts';
import { writeRegion } from './region.ts';
import { encodeIds, IDS_OWNER } from './sections/kept-ids.ts';
import type { Codecs, DatasetTables, KeptIds } from './tables.ts';

/** What a level 0 object is made of: the rows (start, end] of one log, by tenant. */
export interface SegmentContent {
  readonly logId: LogId;
  readonly start: number;
  readonly end: number;
  /** 16 bytes. */
  readonly blockId: Uint8Array;
  /** Each tenant once; a tenant without datasets is left out. Each dataset is asked for when the one before was written. */
  readonly tenants: Iterable<{ readonly tenant: TenantId; readonly datasets: Iterable<DatasetTables> }>;
  readonly ids: KeptIds;
}

/** A whole object, and what its manifest repeats of it. */
export interface Segment {
  readonly bytes: Uint8Array;
  /** Sorted by tenant. */
  readonly entries: readonly TenantEntry[];
  readonly idsOff: number;
  readonly idsLen: number;
}

/** Writes a segment, the object of level 0. */
export function writeSegment(content: SegmentContent, codecs: Codecs): Segment {
  const { logId, start, end, blockId, tenants, ids } = content;
  const w = startObject(blockId);
  const entries: TenantEntry[] = [];
  for (const { tenant, datasets } of tenants) {
    let part: PartWriter | undefined;
    for (const tables of datasets) {
      part ??= new PartWriter(w, tenant, 0, codecs);
      part.add(tables);
    }
    if (part !== undefined) entries.push(part.finish());
  }
  entries.sort((a, b) => (a.tenant < b.tenant ? -1 : 1));
  for (let i = 1; i < entries.length; i++)
    if (entries[i]!.tenant === entries[i - 1]!.tenant)
      throw new KilnError('internal', 'a segment takes each tenant once');
  const idsPlace = ids.length > 0 ? writeRegion(w, codecs, IDS_OWNER, encodeIds(ids)) : { off: 0, len: 0 };
  const [idsOff, idsLen] = [idsPlace.off, idsPlace.len];
  writeDirectory(w, { level: 0, blockId, logId, start, end, idsOff, idsLen, entries }, codecs);
  return { bytes: w.toBytes(), entries, idsOff, idsLen };
}
