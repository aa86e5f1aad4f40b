import type { Disk } from './disk.ts';

/** Both with one `/` between. */
export function joinPath(folder: string, name: string): string {
  return folder.endsWith('/') ? folder + name : `${folder}/${name}`;
}

/** The folder that holds the entry of `path`; `/` for `/` itself. */
export function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at <= 0 ? '/' : path.slice(0, at);
}

/**
 * Makes a folder so that it is there after a power loss: every folder above it is synced, not only those above what was missing, because a process
 * that was killed may have made them a moment ago without syncing. A folder above that may not be opened or synced was not made by us.
 */
export async function mkdirDurably(disk: Disk, path: string, site?: string): Promise<void> {
  await disk.mkdir(path);
  for (let folder = path; folder !== '/';) {
    folder = parentOf(folder);
    try {
      await disk.syncDir(folder, site);
    } catch (error) {
      if (!NOT_OURS.has(errorCode(error) ?? '')) throw error;
    }
  }
}

const NOT_OURS = new Set(['EACCES', 'EPERM', 'EROFS', 'EINVAL']);

/** A file that is there whole or not at all: written and synced under a temporary name, then renamed. Its entry is durable after `syncDir` of the folder. */
export async function writeWholeFile(disk: Disk, path: string, bytes: Uint8Array, site?: string): Promise<void> {
  const temporary = `${path}.tmp`;
  await removeIfThere(disk, temporary);
  const file = await disk.open(temporary, 'create');
  try {
    await file.write(bytes, 0);
    await file.sync(site);
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
}

/** Unlinks, and is content when there was nothing. */
export async function removeIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/** Node's code of a thrown value (`ENOENT`, …), undefined when it has none. */
export function errorCode(thrown: unknown): string | undefined {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** One sentence for a person: what is wrong with the disk under `path` and what helps. */
export function diskTrouble(thrown: unknown, path: string): string {
  const code = errorCode(thrown);
  switch (code) {
    case 'ENOSPC':
      return `the disk under ${path} is full: free some space, then try again`;
    case 'EDQUOT':
      return `the disk quota under ${path} is used up: free some space or raise it, then try again`;
    case 'EROFS':
      return `the file system under ${path} is read-only: mount it writable`;
    case 'EACCES':
    case 'EPERM':
      return `${path} may not be accessed by this user: change its owner or mode`;
    case 'EMFILE':
    case 'ENFILE':
      return `too many open files while opening ${path}: raise the limit (ulimit -n)`;
    case 'EIO':
      return `the disk under ${path} reports an input/output error: check the disk and the kernel log`;
    case undefined:
    default:
      return `${path}: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  }
}
