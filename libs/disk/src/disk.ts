/** An open file. Reads and writes are positional; nothing is durable before `sync`, but what `writeDurably` wrote. */
export interface DiskFile {
  /** Writes all of `bytes`; after an error any part of them may be there. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Fills `into` from `position`; returns how many bytes there were. */
  read(into: Uint8Array, position: number): Promise<number>;
  /**
   * fdatasync: the data and the size are durable when it resolves. After an error what was not yet durable may be lost for good, and a later
   * sync that succeeds says nothing of it. `site` names the call, so that a test can take it away.
   */
  sync(site?: string): Promise<void>;
  /**
   * `write`, then `sync` for what it wrote, in one step: each step of a file costs two wake-ups of a thread. After an error it is as after an error
   * of either.
   */
  writeDurably(bytes: Uint8Array, position: number, site?: string): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/**
 * The few file operations that the file log and the object directory stand on, so that a double can lose whatever was not synced.
 * Paths are absolute. Errors are Node's (`ENOENT`, `EEXIST`, `ENOSPC`, …) with `code` set.
 */
export interface Disk {
  /** 'r' existing, read only; 'rw' existing; 'create' new, fails with EEXIST. */
  open(path: string, mode: 'r' | 'rw' | 'create'): Promise<DiskFile>;
  readFile(path: string): Promise<Uint8Array>;
  /** Makes the folder and its parents; the entries are durable after `syncDir` of each parent. */
  mkdir(path: string): Promise<void>;
  /** Names in a folder, unsorted, folders with a trailing `/`; ENOENT when there is none. */
  readDir(path: string): Promise<string[]>;
  /** Replaces `to` in one step. */
  rename(from: string, to: string): Promise<void>;
  /** Hard link: fails with EEXIST when `to` exists. */
  link(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Fails with ENOTEMPTY when there is something in it. */
  rmdir(path: string): Promise<void>;
  /** fsync of a folder: its entries (creations, renames, links, removals) are durable when it resolves. */
  syncDir(path: string, site?: string): Promise<void>;
}
