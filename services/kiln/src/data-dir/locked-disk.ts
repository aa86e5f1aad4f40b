import type { Disk, DiskFile } from '@kiln/disk';
import type { DirectoryLock } from './directory-lock.ts';

/**
 * A disk that changes nothing any more once the lock is lost, whoever asks: no append, no object, no trim. Reading goes on; a sync is refused
 * too, because what it would vouch for may be another process's file by now.
 */
export function lockedDisk(disk: Disk, lock: DirectoryLock): Disk {
  const held = async <T>(change: () => Promise<T>): Promise<T> => {
    lock.assertHeld();
    return change();
  };
  return {
    open: async (path, mode) =>
      mode === 'r' ? disk.open(path, mode) : lockedFile(await held(() => disk.open(path, mode)), held),
    readFile: (path) => disk.readFile(path),
    mkdir: (path) => held(() => disk.mkdir(path)),
    readDir: (path) => disk.readDir(path),
    rename: (from, to) => held(() => disk.rename(from, to)),
    link: (from, to) => held(() => disk.link(from, to)),
    unlink: (path) => held(() => disk.unlink(path)),
    rmdir: (path) => held(() => disk.rmdir(path)),
    syncDir: (path, site) => held(() => disk.syncDir(path, site)),
  };
}

function lockedFile(file: DiskFile, held: <T>(change: () => Promise<T>) => Promise<T>): DiskFile {
  return {
    write: (bytes, position) => held(() => file.write(bytes, position)),
    read: (into, position) => file.read(into, position),
    sync: (site) => held(() => file.sync(site)),
    writeDurably: async (bytes, position, site) => {
      await held(() => file.writeDurably(bytes, position, site));
      // As before a sync: what was written may be in another process's file by now.
      await held(() => Promise.resolve());
    },
    truncate: (length) => held(() => file.truncate(length)),
    size: () => file.size(),
    close: () => file.close(),
  };
}
