import { constants, write as writeTo } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, rmdir, unlink, type FileHandle } from 'node:fs/promises';
import type { Disk, DiskFile } from './disk.ts';

const FLAGS = { r: 'r', rw: 'r+', create: 'wx+' } as const;

/** The disk of this machine. */
export function realDisk(): Disk {
  return {
    open: async (path, mode) => realFile(await open(path, FLAGS[mode]), path),
    readFile: (path) => readFile(path),
    mkdir: async (path) => void (await mkdir(path, { recursive: true })),
    readDir: async (path) => {
      const entries = await readdir(path, { withFileTypes: true });
      return entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
    },
    rename,
    link,
    unlink,
    rmdir: (path) => rmdir(path),
    syncDir: async (path) => {
      const folder = await open(path, 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    },
  };
}

function realFile(handle: FileHandle, path: string): DiskFile {
  /** The same file, opened so that the system itself syncs every write. */
  let durable: Promise<FileHandle> | undefined;
  const openOnce = (): Promise<FileHandle> => {
    durable ??= openDurable(handle, path).catch((error: unknown) => {
      durable = undefined;
      throw error;
    });
    return durable;
  };
  const file: DiskFile = {
    write: async (bytes, position) => {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
        done += bytesWritten;
      }
    },
    read: async (into, position) => {
      let done = 0;
      while (done < into.length) {
        const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    },
    sync: () => handle.datasync(),
    writeDurably: async (bytes, position) => {
      if (!SYNCS_WRITES) {
        await file.write(bytes, position);
        await file.sync();
        return;
      }
      const { fd } = await openOnce();
      for (let done = 0; done < bytes.length;) done += await writeSome(fd, bytes, done, position + done);
    },
    truncate: (length) => handle.truncate(length),
    size: async () => (await handle.stat()).size,
    close: async () => {
      const opened = durable;
      durable = undefined;
      await (await opened?.catch(() => undefined))?.close();
      await handle.close();
    },
  };
  return file;
}

/** O_DSYNC of other systems is less than fdatasync there, or missing: macOS does not make the drive write it down. */
const SYNCS_WRITES = process.platform === 'linux';

/** @throws Error when the path leads to another file by now. */
async function openDurable(handle: FileHandle, path: string): Promise<FileHandle> {
  const mine = await handle.stat({ bigint: true });
  const durable = await open(path, constants.O_WRONLY | constants.O_DSYNC);
  const other = await durable.stat({ bigint: true });
  if (mine.ino === other.ino && mine.dev === other.dev) return durable;
  await durable.close();
  throw Object.assign(new Error(`ESTALE: another file lies at '${path}'`), { code: 'ESTALE', syscall: 'open', path });
}

/** By callback: a FileHandle's own `write` takes as long as the system call. @returns how many bytes were written. */
function writeSome(fd: number, bytes: Uint8Array, from: number, position: number): Promise<number> {
  return new Promise((resolve, reject) =>
    writeTo(fd, bytes, from, bytes.length - from, position, (error, written) =>
      error === null ? resolve(written) : reject(error),
    ),
  );
}
