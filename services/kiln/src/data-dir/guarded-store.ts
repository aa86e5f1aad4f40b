import { KilnError } from '@kiln/model';
import type { ObjectStore } from '@kiln/objstore';

/** A store that writes nothing while `refusal` says why; reading and deleting go on. */
export function guardedStore(store: ObjectStore, refusal: () => string | undefined): ObjectStore {
  const unlessRefused = async <T>(write: () => Promise<T>): Promise<T> => {
    const why = refusal();
    if (why !== undefined) throw new KilnError('unavailable', why);
    return write();
  };
  return {
    get: (key) => store.get(key),
    getRange: (key, offset, length) => store.getRange(key, offset, length),
    put: (key, bytes) => unlessRefused(() => store.put(key, bytes)),
    putIfAbsent: (key, bytes) => unlessRefused(() => store.putIfAbsent(key, bytes)),
    putIfMatch: (key, bytes, etag) => unlessRefused(() => store.putIfMatch(key, bytes, etag)),
    list: (prefix, options) => store.list(prefix, options),
    delete: (key) => store.delete(key),
  };
}
