import type { LogId } from '@kiln/model';
import { BRIEFLY, persist, type Patience } from './attempts.ts';
import type { Catalog } from './catalog.ts';
import { quarantineKey } from './keys.ts';

/**
 * Keeps a record that could not be decoded, for people to look at; the caller commits a gap of its one offset. Both owners of a partition may
 * do it: the first copy stays.
 * @returns the key.
 */
export async function quarantineRecord(
  catalog: Catalog,
  { log, offset, record }: { readonly log: LogId; readonly offset: number; readonly record: Uint8Array },
  patience: Patience = BRIEFLY,
): Promise<string> {
  const key = quarantineKey(log, offset);
  await persist(catalog, patience, () => catalog.objects.putIfAbsent(key, record));
  return key;
}
