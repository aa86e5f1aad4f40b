import { KilnError, parseLogId, type LogId, type TenantId } from '@kiln/model';
import type { CatalogReader } from './catalog.ts';
import type { Revised, RewrittenObject } from './compare-and-set.ts';
import { gapFields, readGap } from './gap.ts';
import { decodeJsonObject, encodeJsonObject, type JsonFields } from './json-object.ts';
import { blockKey, blockPrefix, indexedKey, keyRev, tenantIndexKey } from './keys.ts';
import type { TrimmedGap } from './log-trim.ts';
import type { CommittedPart } from './parts.ts';

/** A block that counts. Its times lie in one window of its level. */
export interface LiveBlock extends Omit<CommittedPart, 'tenant'> {
  /** 1: an hour window, 2: a day window. */
  readonly level: number;
  /** Bytes of the whole object. */
  readonly size: number;
  /** What is wrong with it, once a merge found it damaged: it is merged no more, and answers that touch it are flagged. */
  readonly damage?: string | undefined;
  /** When it was made, by the clock of who made it; absent in indexes that are older than this field. */
  readonly madeMs?: number | undefined;
}

/** Rows that could not be read when they were compacted: they are in no block. `object` holds the bytes as they were found. */
export interface QuarantinedPart extends Omit<CommittedPart, 'tenant'> {
  /** For people: what is wrong. */
  readonly reason: string;
  readonly sinceMs: number;
}

/** A block that counts no more; the object is deleted an hour after `sinceMs`, so that readers of an older index find it. */
export interface Tombstone {
  readonly object: string;
  readonly sinceMs: number;
}

/** Up to which offset a log's rows of this tenant are in its blocks. */
export interface Contained {
  readonly log: LogId;
  /** W, the end of a manifest. */
  readonly upTo: number;
}

/** What `tenants/{tenant}/index` says. */
export interface TenantIndexBody {
  /** A job planned on a rev below it may not commit any more. */
  readonly floor: number;
  /** By log, each once; a log that is not named has W = -1. */
  readonly contained: readonly Contained[];
  /** In order of their first time. */
  readonly blocks: readonly LiveBlock[];
  readonly quarantine: readonly QuarantinedPart[];
  readonly tombstones: readonly Tombstone[];
  /** Gaps that W has passed. */
  readonly gaps: readonly TrimmedGap[];
}

/** The index of one tenant, a snapshot. */
export interface TenantIndex extends TenantIndexBody, Revised {}

const VERSION = 1;

export const EMPTY_INDEX: TenantIndexBody = {
  floor: 0,
  contained: [],
  blocks: [],
  quarantine: [],
  tombstones: [],
  gaps: [],
};

/** A tenant's index as it is read and rewritten. */
export function tenantIndex(tenant: TenantId): RewrittenObject<TenantIndexBody> {
  const key = tenantIndexKey(tenant);
  return { key, decode: (catalog, bytes) => decode(catalog, tenant, key, bytes), encode };
}

/**
 * What a tenant's index says now; rev 0 and nothing in it when it was never written.
 * @throws CorruptDataError, or KilnError `data_loss` when it was written and is gone: an empty one in its place would be an answer that lacks everything.
 */
export async function readTenantIndex(catalog: CatalogReader, tenant: TenantId): Promise<TenantIndex> {
  const object = tenantIndex(tenant);
  const { key } = object;
  const found = await catalog.objects.get(key);
  if (found !== undefined) return object.decode(catalog, found.bytes);
  const isMarked = (await catalog.objects.get(indexedKey(tenant))) !== undefined;
  if (!isMarked && !(await hasPlannedBlock(catalog, tenant))) return { rev: 0, ...EMPTY_INDEX };
  const made = await catalog.objects.get(key); // it may have been made in between, mark and all
  if (made !== undefined) return object.decode(catalog, made.bytes);
  throw lostIndex(tenant);
}

/** Whether a block was planned on an index: it tells of one that is older than its mark. */
async function hasPlannedBlock({ objects }: CatalogReader, tenant: TenantId): Promise<boolean> {
  const unplanned = blockKey(tenant, 0, 'f'.repeat(32));
  return (await objects.list(blockPrefix(tenant), { startAfter: unplanned, limit: 1 })).length > 0;
}

/** What is said of an index that was written and is not there. */
export function lostIndex(tenant: TenantId): KilnError {
  return new KilnError(
    'data_loss',
    `object ${tenantIndexKey(tenant)} is missing, but ${indexedKey(tenant)}, or a block, says that it was written: somebody removed it by hand, or the ` +
      `store lost it`,
  );
}

/**
 * That the index is older than blocks of its tenant: one of a backup was put back alone, and what was compacted since is missing without a word. Told by a
 * block that was planned on a later revision; of an index that is one revision behind there may be none.
 * @param index read before.
 */
export async function olderThanBlocks(
  catalog: CatalogReader,
  tenant: TenantId,
  { rev }: Revised,
): Promise<KilnError | undefined> {
  const [later] = await catalog.objects.list(blockPrefix(tenant), {
    startAfter: blockKey(tenant, rev, 'f'.repeat(32)),
    limit: 1,
  });
  if (later === undefined) return undefined;
  const now = (await readTenantIndex(catalog, tenant)).rev; // it may have been replaced since
  const planned = keyRev(tenant, later) ?? 0;
  if (planned <= now) return undefined;
  return new KilnError(
    'data_loss',
    `object ${tenantIndexKey(tenant)} is at revision ${now}, and ${later} was planned on revision ${planned}: the index was put back from an older backup, ` +
      `or copied before its blocks`,
  );
}

/** W of a log for the tenant of this index. */
export function containedUpTo({ contained }: TenantIndexBody, log: LogId): number {
  return contained.find((entry) => entry.log === log)?.upTo ?? -1;
}

/** Blocks in order of their first time. */
export function inOrder(blocks: readonly LiveBlock[]): LiveBlock[] {
  return blocks.toSorted((a, b) => a.minMs - b.minMs || (a.object < b.object ? -1 : 1));
}

function encode(catalog: CatalogReader, index: TenantIndex): Uint8Array {
  const { rev, floor, contained, blocks, quarantine, tombstones, gaps } = index;
  return encodeJsonObject(catalog.crc32, {
    version: VERSION,
    rev,
    floor,
    contained: contained.map(({ log, upTo }) => ({ log, upTo })),
    blocks: blocks.map((block) => ({
      ...placeFields(block),
      level: block.level,
      size: block.size,
      ...(block.damage === undefined ? {} : { damage: block.damage }),
      ...(block.madeMs === undefined ? {} : { madeMs: block.madeMs }),
    })),
    quarantine: quarantine.map((part) => ({ ...placeFields(part), reason: part.reason, sinceMs: part.sinceMs })),
    tombstones: tombstones.map(({ object, sinceMs }) => ({ object, sinceMs })),
    gaps: gaps.map((gap) => ({ log: gap.log, partition: gap.partition, ...gapFields(gap) })),
  });
}

function decode(catalog: CatalogReader, tenant: TenantId, key: string, bytes: Uint8Array): TenantIndex {
  const fields = decodeJsonObject(catalog.crc32, key, bytes, VERSION);
  const rev = fields.whole('rev', 1);
  const contained = fields.list('contained', (entry): Contained => ({
    log: entry.parsed('log', parseLogId),
    upTo: entry.whole('upTo', -1),
  }));
  if (new Set(contained.map(({ log }) => log)).size < contained.length) fields.fail('contained', 'names a log twice');
  const blocks = fields.list('blocks', (entry): LiveBlock => ({
    ...readPlace(entry),
    level: entry.whole('level', 1),
    size: entry.whole('size', 1),
    damage: entry.has('damage') ? entry.text('damage') : undefined,
    madeMs: entry.has('madeMs') ? entry.whole('madeMs') : undefined,
  }));
  for (const [i, { object }] of blocks.entries())
    if (!object.startsWith(blockPrefix(tenant)) || keyRev(tenant, object) === undefined)
      fields.fail(`blocks[${i}]`, `${object} is no block of this tenant`);
  if (new Set(blocks.map(({ object }) => object)).size < blocks.length) fields.fail('blocks', 'names a block twice');
  return {
    rev,
    floor: fields.whole('floor', 0),
    contained,
    blocks,
    quarantine: fields.list('quarantine', (entry): QuarantinedPart => ({
      ...readPlace(entry),
      reason: entry.text('reason'),
      sinceMs: entry.whole('sinceMs'),
    })),
    tombstones: fields.list('tombstones', (entry): Tombstone => ({
      object: entry.text('object'),
      sinceMs: entry.whole('sinceMs'),
    })),
    gaps: fields.list('gaps', (gap): TrimmedGap => ({
      log: gap.parsed('log', parseLogId),
      partition: gap.whole('partition', 0),
      ...readGap(gap),
    })),
  };
}

type PartPlace = Omit<CommittedPart, 'tenant'>;

function placeFields({ object, off, len, rows, minMs, maxMs }: PartPlace): PartPlace {
  return { object, off, len, rows, minMs, maxMs };
}

function readPlace(fields: JsonFields): PartPlace {
  const minMs = fields.whole('minMs');
  return {
    object: fields.text('object'),
    off: fields.whole('off', 0),
    len: fields.whole('len', 1),
    rows: fields.whole('rows', 1),
    minMs,
    maxMs: fields.whole('maxMs', minMs),
  };
}
