import { diskTrouble, errorCode, joinPath, type Disk, type DiskFile } from '@kiln/disk';
import { KilnError } from '@kiln/model';
import { byteRange, contentTag } from './content.ts';
import { checkKey, checkLimit, foldersOf, isSegment } from './object-key.ts';
import type { ObjectStore, PutOutcome, StoredObject } from './object-store.ts';

/**
 * The objects below `root`, for looking only: changes nothing, needs no lock, works beside the process that owns the folder and on a read-only mount.
 * Writes are refused with `failed_precondition`.
 */
export function inspectDirectoryStore(options: { readonly disk: Disk; readonly root: string }): ObjectStore {
  return new DirectoryReader(options.disk, options.root);
}

/** The reading half of the directory store, as the files are seen. */
export class DirectoryReader implements ObjectStore {
  readonly #disk: Disk;
  readonly #root: string;

  constructor(disk: Disk, root: string) {
    this.#disk = disk;
    this.#root = root;
  }

  async get(key: string): Promise<StoredObject | undefined> {
    checkKey(key);
    const path = joinPath(this.#root, key);
    const bytes = await ifThere(path, () => this.#disk.readFile(path));
    return bytes && { bytes, etag: contentTag(bytes) };
  }

  async getRange(key: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    checkKey(key);
    byteRange(0, offset, length);
    return this.#open(key, async (file) => {
      const { start, end } = byteRange(await file.size(), offset, length);
      const into = new Uint8Array(end - start);
      const found = await file.read(into, start);
      return into.subarray(0, found);
    });
  }

  /** Whether there is an object; a folder is none. */
  async has(key: string): Promise<boolean> {
    return (await this.#open(key, async (file) => file.read(new Uint8Array(1), 0))) !== undefined;
  }

  /** @param visited filled with the folders that were read. */
  async list(
    prefix: string,
    options: { startAfter?: string; limit?: number } = {},
    visited: string[] = [],
  ): Promise<string[]> {
    const limit = checkLimit(options.limit);
    const found: string[] = [];
    const folders = foldersOf(prefix);
    if (folders === undefined) return found;
    const startAfter = options.startAfter ?? '';
    const walk = async (folder: string): Promise<void> => {
      const path = joinPath(this.#root, folder).replace(/\/$/, '');
      visited.push(path);
      const names = (await ifThere(path, () => this.#disk.readDir(path))) ?? [];
      // A folder's name ends with its `/`, so that names sort as the keys below them do.
      for (const name of names.toSorted((a, b) => (a < b ? -1 : 1))) {
        if (found.length === limit) return;
        const key = folder + name;
        const isFolder = name.endsWith('/');
        if (!isSegment(isFolder ? name.slice(0, -1) : name) || !key.startsWith(prefix.slice(0, key.length))) continue;
        if (isFolder) {
          if (key > startAfter || startAfter.startsWith(key)) await walk(key);
        } else if (key > startAfter && key.startsWith(prefix)) found.push(key);
      }
    };
    await walk(folders.map((name) => `${name}/`).join(''));
    return found;
  }

  async put(): Promise<void> {
    throw readOnly(this.#root);
  }

  async putIfAbsent(): Promise<PutOutcome> {
    throw readOnly(this.#root);
  }

  async putIfMatch(): Promise<PutOutcome> {
    throw readOnly(this.#root);
  }

  async delete(): Promise<void> {
    throw readOnly(this.#root);
  }

  async #open<T>(key: string, read: (file: DiskFile) => Promise<T>): Promise<T | undefined> {
    const path = joinPath(this.#root, key);
    return ifThere(path, async () => {
      const file = await this.#disk.open(path, 'r');
      try {
        return await read(file);
      } finally {
        await file.close();
      }
    });
  }
}

/** undefined where there is no such file: also where the path leads through a file, or to a folder. */
async function ifThere<T>(path: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined;
    throw error instanceof KilnError ? error : new KilnError('unavailable', diskTrouble(error, path), { cause: error });
  }
}

function readOnly(root: string): KilnError {
  return new KilnError('failed_precondition', `the objects in ${root} were opened for looking only`);
}
