/** A file or a folder of MemoryDisk, twice: as programs see it, and as the platter holds it. */
export type Node = FileNode | FolderNode;

/** One unsynced change of a file: bytes at a position, or (without bytes) a new length. */
export interface FileChange {
  readonly seq: number;
  readonly position: number;
  readonly bytes: Uint8Array | undefined;
}

/** One unsynced change of a folder: `name` now leads to `node`, or to nothing. */
export interface EntryChange {
  readonly seq: number;
  readonly name: string;
  readonly node: Node | undefined;
  /** Of a rename: the old name goes only if the new one is there. */
  readonly after?: EntryChange;
  /** Decided in a crash, or true once synced. */
  kept?: boolean;
}

export class FileNode {
  readonly kind = 'file';
  readonly now: Content;
  readonly synced: Content;
  pending: FileChange[] = [];

  constructor(now: Content = new Content(), synced: Content = new Content()) {
    this.now = now;
    this.synced = synced;
  }

  /** What was changed up to `seq` reaches the platter. */
  sync(seq: number): void {
    for (const change of this.pending) if (change.seq <= seq) applyChange(this.synced, change);
    this.pending = this.pending.filter((change) => change.seq > seq);
  }
}

export class FolderNode {
  readonly kind = 'folder';
  readonly now: Map<string, Node>;
  readonly synced: Map<string, Node>;
  pending: EntryChange[] = [];

  constructor(now: Map<string, Node> = new Map(), synced: Map<string, Node> = new Map()) {
    this.now = now;
    this.synced = synced;
  }

  change(change: EntryChange): EntryChange {
    applyEntry(this.now, change);
    this.pending.push(change);
    return change;
  }

  sync(seq: number): void {
    for (const change of this.pending) {
      if (change.seq > seq) continue;
      change.kept = true;
      if (change.after !== undefined) change.after.kept ??= true;
      applyEntry(this.synced, change);
    }
    this.pending = this.pending.filter((change) => change.seq > seq);
  }
}

/** Bytes that grow. */
export class Content {
  length = 0;
  #bytes = new Uint8Array(0);

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  write(bytes: Uint8Array, position: number): void {
    if (position + bytes.length > this.length) this.resize(position + bytes.length);
    this.#bytes.set(bytes, position);
  }

  /** New bytes are zero. */
  resize(length: number): void {
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#bytes.length));
      larger.set(this.bytes);
      this.#bytes = larger;
    } else if (length < this.length) this.#bytes.fill(0, length, this.length);
    this.length = length;
  }

  copy(): Content {
    const copy = new Content();
    copy.write(this.bytes, 0);
    return copy;
  }
}

export function applyChange(content: Content, change: FileChange): void {
  if (change.bytes === undefined) content.resize(change.position);
  else content.write(change.bytes, change.position);
}

export function applyEntry(entries: Map<string, Node>, change: EntryChange): void {
  if (change.node === undefined) entries.delete(change.name);
  else entries.set(change.name, change.node);
}
