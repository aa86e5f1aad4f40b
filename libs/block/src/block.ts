import type { ByteWriter } from '@kiln/bytes';
import { KilnError, type TenantId } from '@kiln/model';
import { startObject, writeDirectory, type TenantEntry } from './directory.ts';
import { PartWriter } from './part.ts';
import type { Codecs, DatasetTables } from './tables.ts';

/** What an object of level 1 or 2 says of itself. */
export interface BlockHead {
  readonly level: 1 | 2;
  /** 16 bytes. */
  readonly blockId: Uint8Array;
  readonly tenant: TenantId;
}

/** What an object of level 1 or 2 is made of: rows of one tenant, their datasets of different keys. */
export interface BlockContent extends BlockHead {
  /** One at least, as `mergeDatasets` makes them; each is asked for when the one before was written. */
  readonly datasets: Iterable<DatasetTables>;
}

/** A whole object, and what its directory says of its one part. */
export interface Block {
  readonly bytes: Uint8Array;
  readonly entry: TenantEntry;
}

/** Writes a block, an object with one part and no ids, dataset by dataset: what was added is held as bytes only. */
export class BlockWriter {
  readonly #head: BlockHead;
  readonly #codecs: Codecs;
  readonly #w: ByteWriter;
  readonly #part: PartWriter;

  constructor(head: BlockHead, codecs: Codecs) {
    this.#head = head;
    this.#codecs = codecs;
    this.#w = startObject(head.blockId);
    this.#part = new PartWriter(this.#w, head.tenant, head.level, codecs);
  }

  /** @throws KilnError `internal` for rows that have log offsets. */
  add(tables: DatasetTables): void {
    if (tables.rows.offset !== undefined) throw new KilnError('internal', 'rows of a block have no log offset');
    this.#part.add(tables);
  }

  /** @throws KilnError `internal` without any row. */
  finish(): Block {
    const { level, blockId } = this.#head;
    const entry = this.#part.finish();
    if (entry.rows === 0) throw new KilnError('internal', 'a block needs rows');
    const directory = { level, blockId, logId: undefined, start: -1, end: -1, idsOff: 0, idsLen: 0, entries: [entry] };
    writeDirectory(this.#w, directory, this.#codecs);
    return { bytes: this.#w.toBytes(), entry };
  }
}

/** Writes a block at once. @throws KilnError `internal` for rows that have log offsets, and without any dataset. */
export function writeBlock({ datasets, ...head }: BlockContent, codecs: Codecs): Block {
  const block = new BlockWriter(head, codecs);
  for (const tables of datasets) block.add(tables);
  return block.finish();
}
