import type { Disk, DiskFile } from './disk.ts';
import { FileNode, FolderNode, type EntryChange, type Node } from './memory-nodes.ts';
import { afterPowerLoss, applyPart } from './power-loss.ts';

/** One call, as a fault hook sees it before it takes effect. */
export interface DiskOperation {
  readonly kind:
    | 'open'
    | 'create'
    | 'readFile'
    | 'mkdir'
    | 'readDir'
    | 'rename'
    | 'link'
    | 'unlink'
    | 'rmdir'
    | 'syncDir'
    | 'write'
    | 'read'
    | 'sync'
    | 'truncate'
    | 'size';
  readonly path: string;
  /** Count of calls before this one. */
  readonly index: number;
  readonly site: string | undefined;
}

export interface MemoryDiskOptions {
  /** Seeded: decides how long each call takes against the others, and what a failed call leaves. Without it calls take one turn. */
  readonly random?: () => number;
  /** Called for every call; a code (`ENOSPC`, `EIO`, `EROFS`, …) makes it fail. A failed write leaves a part, a failed sync loses a part for good. */
  readonly fault?: (operation: DiskOperation) => string | undefined;
  /** Syncs of these sites do nothing: the mutants that a power-loss test must notice. */
  readonly ignoreSites?: ReadonlySet<string>;
}

/**
 * The power-loss double of the Disk port: knows of every file and folder what is synced and what is not. Each object is one process's view;
 * `crash` and `restart` end it (its calls never return again, as those of a dead process) and give the next one.
 */
export class MemoryDisk implements Disk {
  /** Names of the sync calls seen, also in the lives before. */
  readonly sites: Set<string>;
  /** Resolves when the process is dead. */
  readonly stopped: Promise<void>;
  readonly #root: FolderNode;
  readonly #options: MemoryDiskOptions;
  readonly #random: () => number;
  #stop: () => void = () => {};
  #dead = false;
  #calls = 0;
  #stopAt = Infinity;
  #seq = 0;

  constructor(options: MemoryDiskOptions = {}, root: FolderNode = new FolderNode(), sites: Set<string> = new Set()) {
    this.#options = options;
    this.#random = options.random ?? (() => 0);
    this.#root = root;
    this.#seq = lastSeq(root);
    this.sites = sites;
    this.stopped = new Promise((resolve) => {
      this.#stop = resolve;
    });
  }

  /** Calls so far. */
  get calls(): number {
    return this.#calls;
  }

  /** The process dies before its call number `index`; a fault hook may say so of the very call it sees. */
  stopAt(index: number): void {
    this.#stopAt = index;
  }

  /** Power loss: the disk of the next process holds what was synced and a random part of the rest. */
  crash(random: () => number, options: MemoryDiskOptions = this.#options): MemoryDisk {
    this.#die();
    return new MemoryDisk(options, afterPowerLoss(this.#root, random), this.sites);
  }

  /** The process is killed, the machine goes on: all is visible, what was not synced still is not. */
  restart(options: MemoryDiskOptions = this.#options): MemoryDisk {
    this.#die();
    return new MemoryDisk(options, this.#root, this.sites);
  }

  async open(path: string, mode: 'r' | 'rw' | 'create'): Promise<DiskFile> {
    await this.#call(mode === 'create' ? 'create' : 'open', path);
    const { folder, name } = this.#place(path, 'open');
    const found = folder.now.get(name);
    if (mode === 'create') {
      if (found !== undefined) throw failure('EEXIST', 'open', path);
      const file = new FileNode();
      folder.change({ seq: ++this.#seq, name, node: file });
      return this.#file(file, path);
    }
    if (found === undefined) throw failure('ENOENT', 'open', path);
    if (found.kind === 'folder') throw failure('EISDIR', 'open', path);
    return this.#file(found, path);
  }

  async readFile(path: string): Promise<Uint8Array> {
    await this.#call('readFile', path);
    const found = this.#find(path, 'open');
    if (found.kind === 'folder') throw failure('EISDIR', 'read', path);
    return found.now.bytes.slice();
  }

  async mkdir(path: string): Promise<void> {
    await this.#call('mkdir', path);
    let folder = this.#root;
    for (const name of segments(path)) {
      const found = folder.now.get(name);
      if (found?.kind === 'file') throw failure('ENOTDIR', 'mkdir', path);
      const next = found ?? new FolderNode();
      if (found === undefined) folder.change({ seq: ++this.#seq, name, node: next });
      folder = next;
    }
  }

  async readDir(path: string): Promise<string[]> {
    await this.#call('readDir', path);
    const names: string[] = [];
    for (const [name, node] of this.#folder(path, 'scandir').now)
      names.push(node.kind === 'folder' ? `${name}/` : name);
    return names;
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#call('rename', from);
    const node = this.#find(from, 'rename');
    const target = this.#place(to, 'rename');
    const replaced = target.folder.now.get(target.name);
    if (replaced === node) return;
    if (replaced?.kind === 'folder') throw failure('EISDIR', 'rename', to);
    if (replaced !== undefined && node.kind === 'folder') throw failure('ENOTDIR', 'rename', to);
    const after = target.folder.change({ seq: ++this.#seq, name: target.name, node });
    const source = this.#place(from, 'rename');
    source.folder.change({ seq: ++this.#seq, name: source.name, node: undefined, after });
  }

  async link(from: string, to: string): Promise<void> {
    await this.#call('link', from);
    const node = this.#find(from, 'link');
    if (node.kind === 'folder') throw failure('EPERM', 'link', from);
    const { folder, name } = this.#place(to, 'link');
    if (folder.now.has(name)) throw failure('EEXIST', 'link', to);
    folder.change({ seq: ++this.#seq, name, node });
  }

  async unlink(path: string): Promise<void> {
    await this.#call('unlink', path);
    if (this.#find(path, 'unlink').kind === 'folder') throw failure('EISDIR', 'unlink', path);
    this.#remove(path);
  }

  async rmdir(path: string): Promise<void> {
    await this.#call('rmdir', path);
    if (this.#folder(path, 'rmdir').now.size > 0) throw failure('ENOTEMPTY', 'rmdir', path);
    this.#remove(path);
  }

  async syncDir(path: string, site?: string): Promise<void> {
    const seq = this.#seq; // what changes while it runs is not promised
    await this.#call('syncDir', path, site);
    const folder = this.#folder(path, 'open');
    if (!this.#ignores(site)) folder.sync(seq);
  }

  #file(node: FileNode, path: string): DiskFile {
    let closed = false;
    const call = async (kind: DiskOperation['kind'], site?: string): Promise<void> => {
      if (closed) throw failure('EBADF', kind, path);
      await this.#call(kind, path, site);
    };
    const change = (position: number, bytes: Uint8Array | undefined): void => {
      if (bytes === undefined) node.now.resize(position);
      else node.now.write(bytes, position);
      node.pending.push({ seq: ++this.#seq, position, bytes });
    };
    const file: DiskFile = {
      write: async (bytes, position) => {
        const copy = bytes.slice();
        try {
          await call('write');
        } catch (error) {
          change(position, copy.subarray(0, Math.floor(this.#random() * copy.length)));
          throw error;
        }
        change(position, copy);
      },
      read: async (into, position) => {
        await call('read');
        const bytes = node.now.bytes.subarray(position, position + into.length);
        into.set(bytes);
        return bytes.length;
      },
      sync: async (site) => {
        const seq = this.#seq;
        try {
          await call('sync', site);
        } catch (error) {
          // The pages count as clean from now on: a part of them has reached the platter, no later sync brings the rest.
          const keep = (): boolean => this.#random() < 0.5;
          for (const each of node.pending) if (each.seq <= seq) applyPart(node.synced, each, keep, this.#random);
          node.pending = node.pending.filter((each) => each.seq > seq);
          throw error;
        }
        if (!this.#ignores(site)) node.sync(seq);
      },
      writeDurably: async (bytes, position, site) => {
        await file.write(bytes, position);
        await file.sync(site);
      },
      truncate: async (length) => {
        await call('truncate');
        // As on Linux: nothing to do, also when the platter still has the length of before a failed sync.
        if (length !== node.now.length) change(length, undefined);
      },
      size: async () => {
        await call('size');
        return node.now.length;
      },
      close: async () => {
        closed = true;
      },
    };
    return file;
  }

  /** Takes its time, and ends here when the process is dead. */
  async #call(kind: DiskOperation['kind'], path: string, site?: string): Promise<void> {
    const index = this.#calls++;
    if (site !== undefined) this.sites.add(site);
    const code = this.#dead ? undefined : this.#options.fault?.({ kind, path, index, site });
    if (index >= this.#stopAt) this.#die();
    for (let turns = Math.floor(this.#random() * 8); turns >= 0; turns--) await Promise.resolve();
    if (this.#dead) await new Promise(() => {});
    if (code !== undefined) throw failure(code, kind, path);
  }

  #die(): void {
    this.#dead = true;
    this.#stop();
  }

  #ignores(site: string | undefined): boolean {
    return site !== undefined && this.#options.ignoreSites?.has(site) === true;
  }

  #remove(path: string): EntryChange {
    const { folder, name } = this.#place(path, 'unlink');
    return folder.change({ seq: ++this.#seq, name, node: undefined });
  }

  #find(path: string, call: string): Node {
    let node: Node = this.#root;
    for (const name of segments(path)) {
      if (node.kind === 'file') throw failure('ENOTDIR', call, path);
      const next = node.now.get(name);
      if (next === undefined) throw failure('ENOENT', call, path);
      node = next;
    }
    return node;
  }

  #folder(path: string, call: string): FolderNode {
    const node = this.#find(path, call);
    if (node.kind === 'file') throw failure('ENOTDIR', call, path);
    return node;
  }

  #place(path: string, call: string): { folder: FolderNode; name: string } {
    const names = segments(path);
    const name = names.pop();
    if (name === undefined) throw failure('EBUSY', call, path);
    return { folder: this.#folder(`/${names.join('/')}`, call), name };
  }
}

function segments(path: string): string[] {
  if (!path.startsWith('/')) throw new RangeError(`the path ${path} is not absolute`);
  return path.split('/').filter((name) => name !== '');
}

function failure(code: string, call: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${call} '${path}'`), { code, syscall: call, path });
}

/** The next number of a change: above those that a killed process left unsynced. */
function lastSeq(folder: FolderNode): number {
  let last = 0;
  const seen = new Set<Node>();
  const visit = (node: Node): void => {
    if (seen.has(node)) return;
    seen.add(node);
    for (const change of node.pending) last = Math.max(last, change.seq);
    if (node.kind === 'folder') for (const child of node.now.values()) visit(child);
  };
  visit(folder);
  return last;
}
