import { KilnError } from '@kiln/model';
import { persist, type Patience } from './attempts.ts';
import type { Catalog, CatalogReader } from './catalog.ts';

/** What raises with each write of a rewritten object, so that an etag never comes back. */
export interface Revised {
  readonly rev: number;
}

/** How one kind of object that is rewritten is read and written. */
export interface RewrittenObject<Body extends object> {
  readonly key: string;
  decode(catalog: CatalogReader, bytes: Uint8Array): Body & Revised;
  encode(catalog: CatalogReader, value: Body & Revised): Uint8Array;
}

/**
 * Reads the object, lets `change` make the next one, and writes it if nobody wrote in between; else reads again. A write whose outcome is
 * unknown is read again as well, so `change` must see by itself that its work is done: it returns undefined then. It may throw to refuse.
 * @returns what is stored: the next value, or the current one when there was nothing to do.
 */
export async function compareAndSet<Body extends object>(
  catalog: Catalog,
  object: RewrittenObject<Body>,
  patience: Patience,
  change: (current: (Body & Revised) | undefined) => Body | undefined,
): Promise<(Body & Revised) | undefined> {
  return persist(catalog, patience, async () => {
    const stored = await catalog.objects.get(object.key);
    const current = stored === undefined ? undefined : object.decode(catalog, stored.bytes);
    const changed = change(current);
    if (changed === undefined) return current;
    const next = { ...changed, rev: (current?.rev ?? 0) + 1 };
    const bytes = object.encode(catalog, next);
    const put =
      stored === undefined
        ? await catalog.objects.putIfAbsent(object.key, bytes)
        : await catalog.objects.putIfMatch(object.key, bytes, stored.etag);
    if (put.written) return next;
    throw new KilnError('aborted', `object ${object.key} was written by somebody else at the same time`);
  });
}
