import { link, mkdir, open, readdir, readFile, rename, rmdir, unlink, type FileHandle } from 'node:fs/promises';
import type { Disk, DiskFile } from './disk.ts';

const FLAGS = { r: 'r', rw: 'r+', create: 'wx+' } as const;

/** The disk of this machine. */
export function realDisk(): Disk {
  return {
    open: async (path, mode) => realFile(await open(path, FLAGS[mode])),
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

function realFile(handle: FileHandle): DiskFile {
  return {
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
    truncate: (length) => handle.truncate(length),
    size: async () => (await handle.stat()).size,
    close: () => handle.close(),
  };
}
