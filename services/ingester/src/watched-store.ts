import type { ObjectStore } from '@kiln/objstore';

/** A store that tells how its calls end, so that a partition can say why it stands still while somebody below retries. */
export function watchedStore(store: ObjectStore, ended: (error: unknown) => void): ObjectStore {
  const watch = async <T>(call: Promise<T>): Promise<T> => {
    try {
      const value = await call;
      ended(undefined);
      return value;
    } catch (error) {
      ended(error);
      throw error;
    }
  };
  return {
    get: (key) => watch(store.get(key)),
    getRange: (key, offset, length) => watch(store.getRange(key, offset, length)),
    put: (key, bytes) => watch(store.put(key, bytes)),
    putIfAbsent: (key, bytes) => watch(store.putIfAbsent(key, bytes)),
    putIfMatch: (key, bytes, etag) => watch(store.putIfMatch(key, bytes, etag)),
    list: (prefix, options) => watch(store.list(prefix, options)),
    delete: (key) => watch(store.delete(key)),
  };
}
