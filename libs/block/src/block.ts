import { KilnError, type TenantId } from '@kiln/model';
import { startObject, writeDirectory, type TenantEntry } from './directory.ts';
import { writePart } from './part.ts';
import type { Codecs, DatasetTables } from './tables.ts';

/** What an object of level 1 or 2 is made of: rows of one tenant, their datasets of different keys. */
export interface BlockContent {
  readonly level: 1 | 2;
  /** 16 bytes. */
  readonly blockId: Uint8Array;
  readonly tenant: TenantId;
  /** One at least, as `mergeDatasets` makes them; each is asked for when the one before was written. */
  readonly datasets: Iterable<DatasetTables>;
}

/** A whole object, and what its directory says of its one part. */
export interface Block {
  readonly bytes: Uint8Array;
  readonly entry: TenantEntry;
}

/** Writes a block: an object with one part and no ids. @throws KilnError `internal` for rows that have log offsets, and without any dataset. */
export function writeBlock({ level, blockId, tenant, datasets }: BlockContent, codecs: Codecs): Block {
  const w = startObject(blockId);
  const entry = writePart(w, tenant, withoutOffsets(datasets), level, codecs);
  if (entry.rows === 0) throw new KilnError('internal', 'a block needs rows');
  const directory = { level, blockId, logId: undefined, start: -1, end: -1, idsOff: 0, idsLen: 0, entries: [entry] };
  writeDirectory(w, directory, codecs);
  return { bytes: w.toBytes(), entry };
}

function* withoutOffsets(datasets: Iterable<DatasetTables>): Generator<DatasetTables> {
  for (const tables of datasets) {
    if (tables.rows.offset !== undefined) throw new KilnError('internal', 'rows of a block have no log offset');
    yield tables;
  }
}
