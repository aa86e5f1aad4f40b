import { FaultGate, type FaultPlan } from '@kiln/disk';
import type { ObjectStore, PutOutcome, StoredObject } from './object-store.ts';

/** A call of a store, as a fault plan sees it. */
export interface StoreCall {
  readonly operation: 'get' | 'getRange' | 'put' | 'putIfAbsent' | 'putIfMatch' | 'list' | 'delete';
  /** The key, or the prefix of a list. */
  readonly key: string;
}

/** A store in trouble as planned: errors before and after the effect, delay, calls that overtake each other. */
export function faultyStore(
  store: ObjectStore,
  plan: FaultPlan<StoreCall>,
  sleep?: (ms: number) => Promise<void>,
): ObjectStore {
  const gate = new FaultGate(plan, sleep);
  return {
    get: (key): Promise<StoredObject | undefined> => gate.run({ operation: 'get', key }, () => store.get(key)),
    getRange: (key, offset, length): Promise<Uint8Array | undefined> =>
      gate.run({ operation: 'getRange', key }, () => store.getRange(key, offset, length)),
    put: (key, bytes): Promise<void> => gate.run({ operation: 'put', key }, () => store.put(key, bytes)),
    putIfAbsent: (key, bytes): Promise<PutOutcome> =>
      gate.run({ operation: 'putIfAbsent', key }, () => store.putIfAbsent(key, bytes)),
    putIfMatch: (key, bytes, etag): Promise<PutOutcome> =>
      gate.run({ operation: 'putIfMatch', key }, () => store.putIfMatch(key, bytes, etag)),
    list: (prefix, options): Promise<string[]> =>
      gate.run({ operation: 'list', key: prefix }, () => store.list(prefix, options)),
    delete: (key): Promise<void> => gate.run({ operation: 'delete', key }, () => store.delete(key)),
  };
}
