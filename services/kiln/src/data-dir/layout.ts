import { mkdir, readdir, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { diskTrouble, errorCode, realDisk, writeWholeFile } from '@kiln/disk';
import { KilnError } from '@kiln/model';

/** The folders of a data directory; all paths absolute. */
export interface DataDirectory {
  readonly root: string;
  /** The file log. */
  readonly log: string;
  /** The object store. */
  readonly objects: string;
  /** A file that takes room only to be removed when the disk is full. */
  readonly reserve: string;
}

/** What this build writes. A directory with a higher number is refused. */
export const LAYOUT_VERSION = 1;

const VERSION_FILE = 'version';
const ours = /^(version(\.tmp)?|reserve(\.tmp)?|log|objects|lock\..*|lost\+found|\..*)$/;

/** The paths below `path`; touches nothing. */
export function dataDirectory(path: string): DataDirectory {
  const root = resolve(path);
  return { root, log: join(root, 'log'), objects: join(root, 'objects'), reserve: join(root, 'reserve') };
}

/**
 * Makes the directory when there is none.
 * @throws KilnError `failed_precondition` when it cannot be made, or is a file.
 */
export async function makeDirectory({ root }: DataDirectory): Promise<void> {
  const found = await stat(root).catch(() => undefined);
  if (found !== undefined && !found.isDirectory()) {
    throw new KilnError('failed_precondition', `the data directory ${root} is a file: start with another --data-dir`);
  }
  try {
    await makeFolder(root);
  } catch (error) {
    throw new KilnError('failed_precondition', `the data directory cannot be made: ${diskTrouble(error, root)}`, {
      cause: error,
    });
  }
}

/** Step by step: where a file system takes no folders at all (/proc), Node's own recursion never ends. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'EEXIST') return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path || (await stat(parent).catch(() => undefined)) !== undefined) throw error;
    await makeFolder(parent);
    await mkdir(path);
  }
}

/**
 * Marks a new directory with the layout's version, or checks the mark. Call it with the lock held.
 * @throws KilnError `failed_precondition` for a newer layout, a broken mark, or a directory of something else.
 */
export async function claimLayout(directory: DataDirectory): Promise<void> {
  const found = await readVersion(directory);
  if (found === undefined) {
    const foreign = (await readdir(directory.root)).filter((name) => !ours.test(name));
    if (foreign.length > 0) {
      throw new KilnError(
        'failed_precondition',
        `${directory.root} is no data directory of Kiln: it holds ${foreign.slice(0, 3).join(', ')}; start with an empty or a new --data-dir`,
      );
    }
    const text = `kiln ${LAYOUT_VERSION}\n`;
    const disk = realDisk();
    await writeWholeFile(disk, join(directory.root, VERSION_FILE), new TextEncoder().encode(text));
    await disk.syncDir(directory.root);
  }
}

/**
 * The version that a directory is marked with; undefined when it is not marked.
 * @throws KilnError as `claimLayout`.
 */
export async function readVersion({ root }: DataDirectory): Promise<number | undefined> {
  const text = await readFile(join(root, VERSION_FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const version = /^kiln (\d{1,9})\n$/.exec(text)?.[1];
  if (version === undefined) {
    throw new KilnError(
      'failed_precondition',
      `${join(root, VERSION_FILE)} holds ${JSON.stringify(text.slice(0, 40))}, not a version of Kiln's layout`,
    );
  }
  if (Number(version) > LAYOUT_VERSION) {
    throw new KilnError(
      'failed_precondition',
      `the data directory ${root} has layout ${version}, this Kiln knows up to ${LAYOUT_VERSION}: start the newer Kiln that wrote it`,
    );
  }
  return Number(version);
}

/** Bytes and files below a folder; nothing when there is none. What vanishes meanwhile is not counted. */
export async function folderSize(path: string): Promise<{ bytes: number; files: number }> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  let bytes = 0;
  let files = 0;
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => undefined);
    bytes += found?.size ?? 0;
    files += found === undefined ? 0 : 1;
  }
  return { bytes, files };
}

/** How full the file system of a path is, as its users see it: what is kept for root counts as used. */
export async function diskUsage(path: string): Promise<{ readonly usedBytes: number; readonly totalBytes: number }> {
  const { bsize, blocks, bavail } = await statfs(path);
  return { usedBytes: (blocks - bavail) * bsize, totalBytes: blocks * bsize };
}
