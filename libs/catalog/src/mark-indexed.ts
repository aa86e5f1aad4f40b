import type { TenantId } from '@kiln/model';
import { persist, type Patience } from './attempts.ts';
import type { Catalog, CatalogReader } from './catalog.ts';
import { decodeJsonObject, encodeJsonObject } from './json-object.ts';
import { indexedKey } from './keys.ts';

const VERSION = 1;

/**
 * Notes outside of what is kept of a tenant that it has an index: a tenant whose index is lost looks like one that never had any, and its blocks like
 * what a process left behind. Called when the index is there; who dies before is made up for by the next sweep.
 */
export async function markIndexed(catalog: Catalog, tenant: TenantId, patience: Patience): Promise<void> {
  const mark = encodeJsonObject(catalog.crc32, { version: VERSION, tenant });
  await persist(catalog, patience, () => catalog.objects.putIfAbsent(indexedKey(tenant), mark));
}

/** @throws CorruptDataError when the bytes are no such note; that it is there counts all the same. */
export function checkIndexedMark({ crc32 }: Pick<CatalogReader, 'crc32'>, key: string, bytes: Uint8Array): void {
  decodeJsonObject(crc32, key, bytes, VERSION).text('tenant');
}
