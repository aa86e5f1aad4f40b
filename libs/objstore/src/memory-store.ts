import { byteRange, contentTag } from './content.ts';
import { checkKey, checkLimit, keyConflict } from './object-key.ts';
import type { ObjectStore, PutOutcome, StoredObject } from './object-store.ts';

/** Objects in memory, by the rules of every store: for tests and simulation. */
export function memoryStore(): ObjectStore {
  return new MemoryStore();
}

class MemoryStore implements ObjectStore {
  readonly #objects = new Map<string, StoredObject>();
  /** How many keys are below each folder. */
  readonly #folders = new Map<string, number>();
  #sorted: string[] | undefined = [];

  async get(key: string): Promise<StoredObject | undefined> {
    checkKey(key);
    const found = this.#objects.get(key);
    return found && { bytes: found.bytes.slice(), etag: found.etag };
  }

  async getRange(key: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    checkKey(key);
    const found = this.#objects.get(key);
    const { start, end } = byteRange(found?.bytes.length ?? 0, offset, length);
    return found?.bytes.slice(start, end);
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    checkKey(key);
    this.#set(key, bytes);
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<PutOutcome> {
    checkKey(key);
    if (this.#objects.has(key)) return { written: false };
    return { written: true, etag: this.#set(key, bytes) };
  }

  async putIfMatch(key: string, bytes: Uint8Array, etag: string): Promise<PutOutcome> {
    checkKey(key);
    if (this.#objects.get(key)?.etag !== etag) return { written: false };
    return { written: true, etag: this.#set(key, bytes) };
  }

  async list(prefix: string, options: { startAfter?: string; limit?: number } = {}): Promise<string[]> {
    const limit = checkLimit(options.limit);
    this.#sorted ??= [...this.#objects.keys()].toSorted((a, b) => (a < b ? -1 : 1));
    const found: string[] = [];
    for (const key of this.#sorted) {
      if (found.length === limit) break;
      if (key.startsWith(prefix) && key > (options.startAfter ?? '')) found.push(key);
    }
    return found;
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    if (!this.#objects.delete(key)) return;
    this.#sorted = undefined;
    for (const folder of foldersAbove(key)) {
      const left = this.#folders.get(folder)! - 1;
      if (left === 0) this.#folders.delete(folder);
      else this.#folders.set(folder, left);
    }
  }

  #set(key: string, bytes: Uint8Array): string {
    const above = foldersAbove(key);
    if (this.#folders.has(key) || above.some((folder) => this.#objects.has(folder))) throw keyConflict(key);
    if (!this.#objects.has(key)) {
      this.#sorted = undefined;
      for (const folder of above) this.#folders.set(folder, (this.#folders.get(folder) ?? 0) + 1);
    }
    const etag = contentTag(bytes);
    this.#objects.set(key, { bytes: bytes.slice(), etag });
    return etag;
  }
}

/** `a`, `a/b` for `a/b/c`. */
function foldersAbove(key: string): string[] {
  const folders: string[] = [];
  for (let at = key.indexOf('/'); at >= 0; at = key.indexOf('/', at + 1)) folders.push(key.slice(0, at));
  return folders;
}
