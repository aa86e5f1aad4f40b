import type { ObjectStore, PutOutcome, StoredObject } from '@kiln/objstore';
import type { Handlers, PortRpc } from '@kiln/threads';

/** The object store of the main thread as a worker uses it. What is put is copied across: a put that fails is repeated with the same bytes. */
export function remoteStore(rpc: PortRpc): ObjectStore {
  return {
    get: (key) => rpc.call('objects.get', key) as Promise<StoredObject | undefined>,
    getRange: (key, offset, length) =>
      rpc.call('objects.getRange', key, offset, length) as Promise<Uint8Array | undefined>,
    put: async (key, bytes) => void (await rpc.call('objects.put', key, bytes)),
    putIfAbsent: (key, bytes) => rpc.call('objects.putIfAbsent', key, bytes) as Promise<PutOutcome>,
    putIfMatch: (key, bytes, etag) => rpc.call('objects.putIfMatch', key, bytes, etag) as Promise<PutOutcome>,
    list: (prefix, options) => rpc.call('objects.list', prefix, options) as Promise<string[]>,
    delete: async (key) => void (await rpc.call('objects.delete', key)),
  };
}

/** The main thread's side of `remoteStore`. */
export function storeHandlers(store: ObjectStore): Handlers {
  return {
    'objects.get': (key: string) => store.get(key),
    'objects.getRange': (key: string, offset: number, length: number) => store.getRange(key, offset, length),
    'objects.put': (key: string, bytes: Uint8Array) => store.put(key, bytes),
    'objects.putIfAbsent': (key: string, bytes: Uint8Array) => store.putIfAbsent(key, bytes),
    'objects.putIfMatch': (key: string, bytes: Uint8Array, etag: string) => store.putIfMatch(key, bytes, etag),
    'objects.list': (prefix: string, options?: { startAfter?: string; limit?: number }) => store.list(prefix, options),
    'objects.delete': (key: string) => store.delete(key),
  };
}
