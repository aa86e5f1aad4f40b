/** The content of an object and the tag that `putIfMatch` compares. */
export interface StoredObject {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

/** Whether a conditional put took effect; `etag` is of what is now stored when it did. */
export type PutOutcome = { readonly written: true; readonly etag: string } | { readonly written: false };

/**
 * Objects by key (design: distributed.md §1.5). Keys are `/`-separated segments of 1 to 255 bytes of `a-z A-Z 0-9 ! - _ . * ' ( ) ~`;
 * a segment is never `.` or `..`, a key has at most 1024 bytes and is never both an object and a prefix of another. Every write is atomic and durable when it resolves.
 * A rejected write may have taken effect.
 */
export interface ObjectStore {
  /** The whole object, or undefined when there is none. */
  get(key: string): Promise<StoredObject | undefined>;
  /** Bytes [offset, offset + length); shorter at the object's end; undefined when there is no object. Negative offset: from the end. */
  getRange(key: string, offset: number, length: number): Promise<Uint8Array | undefined>;
  put(key: string, bytes: Uint8Array): Promise<void>;
  putIfAbsent(key: string, bytes: Uint8Array): Promise<PutOutcome>;
  putIfMatch(key: string, bytes: Uint8Array, etag: string): Promise<PutOutcome>;
  /** Keys that start with `prefix` and sort after `startAfter`, in byte order, at most `limit` (1000). */
  list(prefix: string, options?: { startAfter?: string; limit?: number }): Promise<string[]>;
  /** Succeeds also when there was no object. */
  delete(key: string): Promise<void>;
}
