export { inspectDirectoryStore } from './directory-reader.ts';
export { openDirectoryStore, type DirectoryOptions } from './directory-store.ts';
export { faultyStore, type StoreCall } from './faulty-store.ts';
export { memoryStore } from './memory-store.ts';
export { checkKey } from './object-key.ts';
export type { ObjectStore, PutOutcome, StoredObject } from './object-store.ts';
