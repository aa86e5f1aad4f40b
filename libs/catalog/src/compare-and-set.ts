import { KilnError } from '@kiln/model';
import { persist, type Patience } from './attempts.ts';
import type { Catalog } from './catalog.ts';

/** How one kind of object that is rewritten is read and written. `rev` rises with each write, so that an etag never comes back. */
export interface RewrittenObject<T extends { readonly rev: number }> {
  readonly key: string;
  decode(catalog: Catalog, bytes: Uint8Array): T;
  encode(catalog: Catalog, value: T): Uint8Array;
}

/**
 * Reads the object, lets `change` make the next one, and writes it if nobody wrote in between; else reads again. A write whose outcome is
 * unknown is read again as well, so `change` must see by itself that its work is done: it returns undefined then. It may throw to refuse.
 * @returns what is stored: the next value, or the current one when there was nothing to do.
 */
export async function compareAndSet<T extends { readonly rev: number }>(
  catalog: Catalog,
  object: RewrittenObject<T>,
  patience: Patience,
  change: (current: T | undefined) => Omit<T, 'rev'> | undefined,
): Promise<T | undefined> {
  return persist(catalog, patience, async () => {
    const stored = await catalog.objects.get(object.key);
    const current = stored === undefined ? undefined : object.decode(catalog, stored.bytes);
    const changed = change(current);
    if (changed === undefined) return current;
    const next = { ...changed, rev: (current?.rev ?? 0) + 1 } as T;
    const bytes = object.encode(catalog, next);
    const put =
      stored === undefined
        ? await catalog.objects.putIfAbsent(object.key, bytes)
        : await catalog.objects.putIfMatch(object.key, bytes, stored.etag);
    if (put.written) return next;
    throw new KilnError('aborted', `object ${object.key} was written by somebody else at the same time`);
  });
}
