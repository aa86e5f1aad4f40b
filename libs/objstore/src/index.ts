export type { ObjectStore, PutOutcome, StoredObject } from './object-store.ts';
