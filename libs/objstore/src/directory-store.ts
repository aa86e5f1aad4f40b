import { KeyedMutex } from '@kiln/async';
import {
  diskTrouble,
  errorCode,
  joinPath,
  mkdirDurably,
  parentOf,
  removeIfThere,
  type Disk,
  type DiskFile,
} from '@kiln/disk';
import { KilnError } from '@kiln/model';
import { contentTag } from './content.ts';
import { DirectoryReader } from './directory-reader.ts';
import { checkKey, keyConflict } from './object-key.ts';
import type { ObjectStore, PutOutcome, StoredObject } from './object-store.ts';
import { SettledFolders } from './settled-folders.ts';

/** Temporary files; a name that no key can have. */
const TEMPORARY = '+tmp';

export interface DirectoryOptions {
  readonly disk: Disk;
  /** Absolute path. One process at a time: the caller holds the lock. */
  readonly root: string;
}

/**
 * Objects as files below `root`: written beside, fsynced, then renamed (put) or linked (put if absent), and the folder fsynced. Also what is read
 * is durable: a folder that this process has not synced since its last change is synced first.
 * @throws KilnError `failed_precondition` when the file system has no hard links, `unavailable` when the disk is in trouble.
 */
export async function openDirectoryStore(options: DirectoryOptions): Promise<ObjectStore> {
  const { disk, root } = options;
  const temporary = joinPath(root, TEMPORARY);
  try {
    await mkdirDurably(disk, root, 'object-root');
    await disk.mkdir(temporary);
    for (const name of await disk.readDir(temporary)) await disk.unlink(joinPath(temporary, name));
    await probeLinks(disk, temporary, root);
  } catch (error) {
    throw trouble(error, root);
  }
  return new DirectoryStore(disk, root);
}

class DirectoryStore implements ObjectStore {
  readonly #disk: Disk;
  readonly #root: string;
  readonly #folders: SettledFolders;
  readonly #reader: DirectoryReader;
  readonly #keys = new KeyedMutex<string>();
  #temporaries = 0;

  constructor(disk: Disk, root: string) {
    this.#disk = disk;
    this.#root = root;
    this.#folders = new SettledFolders(disk, root);
    this.#reader = new DirectoryReader(disk, root);
  }

  async get(key: string): Promise<StoredObject | undefined> {
    return this.#settled(key, () => this.#reader.get(key));
  }

  async getRange(key: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    return this.#settled(key, () => this.#reader.getRange(key, offset, length));
  }

  async list(prefix: string, options: { startAfter?: string; limit?: number } = {}): Promise<string[]> {
    const visited: string[] = [];
    const keys = await this.#reader.list(prefix, options, visited);
    for (const folder of visited) await this.#settle(folder, 'object-read');
    return keys;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.#write(key, () => this.#replace(key, bytes));
  }

  putIfAbsent(key: string, bytes: Uint8Array): Promise<PutOutcome> {
    return this.#write(key, async () => {
      if (await this.#reader.has(key)) return this.#notWritten(key);
      const path = joinPath(this.#root, key);
      const made = await this.#viaTemporary(key, bytes, async (temporary) => {
        const linked = await isNew(this.#disk.link(temporary, path));
        await this.#disk.unlink(temporary);
        return linked;
      });
      if (!made) throw keyConflict(key); // under this key's lock no object came in between: it is a folder
      await this.#settle(parentOf(path), 'object-folder');
      return { written: true, etag: contentTag(bytes) };
    });
  }

  putIfMatch(key: string, bytes: Uint8Array, etag: string): Promise<PutOutcome> {
    return this.#write(key, async () => {
      const found = await this.#reader.get(key);
      if (found?.etag !== etag) return this.#notWritten(key);
      await this.#replace(key, bytes);
      return { written: true, etag: contentTag(bytes) };
    });
  }

  async delete(key: string): Promise<void> {
    await this.#write(key, async () => {
      const path = joinPath(this.#root, key);
      const folder = parentOf(path);
      if (await this.#reader.has(key)) await this.#folders.change(folder, () => removeIfThere(this.#disk, path));
      await this.#settle(folder, 'object-delete');
      await this.#removeEmpty(folder);
    });
  }

  /** Reads, then makes sure that what was seen is durable. */
  async #settled<T>(key: string, read: () => Promise<T>): Promise<T> {
    checkKey(key);
    const result = await read();
    await this.#settle(parentOf(joinPath(this.#root, key)), 'object-read');
    return result;
  }

  async #settle(folder: string, site: string): Promise<void> {
    try {
      await this.#folders.settle(folder, site);
    } catch (error) {
      throw trouble(error, folder);
    }
  }

  async #notWritten(key: string): Promise<PutOutcome> {
    await this.#settle(parentOf(joinPath(this.#root, key)), 'object-read');
    return { written: false };
  }

  /** Checks, one write per key at a time, and speaks of trouble in sentences. */
  async #write<T>(key: string, work: () => Promise<T>): Promise<T> {
    checkKey(key);
    return this.#keys.run(key, async () => {
      try {
        return await work();
      } catch (error) {
        throw trouble(error, joinPath(this.#root, key), key);
      }
    });
  }

  async #replace(key: string, bytes: Uint8Array): Promise<void> {
    const path = joinPath(this.#root, key);
    await this.#viaTemporary(key, bytes, (temporary) => this.#disk.rename(temporary, path));
    await this.#settle(parentOf(path), 'object-folder');
  }

  /** Writes a durable temporary file and gives it its name; makes the folder when it is missing (or was removed meanwhile because it was empty). */
  async #viaTemporary<T>(key: string, bytes: Uint8Array, name: (temporary: string) => Promise<T>): Promise<T> {
    const folder = parentOf(joinPath(this.#root, key));
    const temporary = await this.#temporary(bytes);
    try {
      for (let tries = 0; ; tries++) {
        try {
          if (tries > 0) await this.#folders.make(folder);
          return await this.#folders.change(folder, () => name(temporary));
        } catch (error) {
          if (errorCode(error) !== 'ENOENT' || tries >= 100) throw error;
        }
      }
    } catch (error) {
      await removeIfThere(this.#disk, temporary).catch(() => {});
      throw error;
    }
  }

  async #temporary(bytes: Uint8Array): Promise<string> {
    const path = joinPath(joinPath(this.#root, TEMPORARY), String(this.#temporaries++));
    let file: DiskFile | undefined;
    try {
      file = await this.#disk.open(path, 'create');
      await file.write(bytes, 0);
      await file.sync('object-data');
      return path;
    } catch (error) {
      if (file !== undefined) await removeIfThere(this.#disk, path).catch(() => {});
      throw error;
    } finally {
      await file?.close();
    }
  }

  /** Folders without objects go, so that their names are free; one that fills up again in this moment stays. */
  async #removeEmpty(from: string): Promise<void> {
    for (let folder = from; folder !== this.#root; folder = parentOf(folder)) {
      const path = folder;
      try {
        await this.#folders.change(parentOf(path), () => this.#disk.rmdir(path));
      } catch {
        return; // not empty, or gone: the object is deleted either way
      }
    }
  }
}

async function probeLinks(disk: Disk, temporary: string, root: string): Promise<void> {
  const [one, two] = [joinPath(temporary, 'probe-1'), joinPath(temporary, 'probe-2')];
  await (await disk.open(one, 'create')).close();
  try {
    await disk.link(one, two);
    if (await isNew(disk.link(one, two))) throw new Error('a second link took the same name');
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOSPC' || code === 'EIO' || code === 'EROFS') throw error;
    throw new KilnError(
      'failed_precondition',
      `the file system of ${root} has no hard links (${error instanceof Error ? error.message : String(error)}), which objects need to be created only once: choose a folder on another file system`,
      { cause: error },
    );
  } finally {
    await disk.unlink(one);
    await removeIfThere(disk, two);
  }
}

/** False when the name was taken. */
async function isNew(link: Promise<void>): Promise<boolean> {
  try {
    await link;
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function trouble(error: unknown, path: string, key?: string): KilnError {
  if (error instanceof KilnError) return error;
  const code = errorCode(error);
  const conflict = code === 'EISDIR' || code === 'ENOTDIR' || code === 'ENOTEMPTY' || code === 'EEXIST';
  if (conflict && key !== undefined) return keyConflict(key);
  return new KilnError('unavailable', diskTrouble(error, path), { cause: error });
}
