import {
  applyChange,
  applyEntry,
  type Content,
  FileNode,
  FolderNode,
  type EntryChange,
  type FileChange,
  type Node,
} from './memory-nodes.ts';

const SECTOR = 512;

/**
 * The tree below `root` as a power loss leaves it: what was synced, and of the rest whatever chance keeps, each part for itself and in any order:
 * sectors of a write (some of them cut short), growth without the data, truncations, entries of folders. What POSIX and every journal promise holds:
 * a name that was replaced leads to the old file or to the new one, and a renamed file has one of its names.
 */
export function afterPowerLoss(root: FolderNode, random: () => number): FolderNode {
  // Chance is drawn once per loss, so that "all of it" and "nothing of it" come up as often as mixtures do.
  const keepRate = [0, 1, 0.5, random()][Math.floor(random() * 4)]!;
  const keep = (): boolean => random() < keepRate;
  const survivors = new Map<Node, Node>();
  return folderAfter(root);

  function survivor(node: Node): Node {
    let found = survivors.get(node); // hard links stay one file
    if (found === undefined) {
      found = node.kind === 'file' ? fileAfter(node) : folderAfter(node);
      survivors.set(node, found);
    }
    return found;
  }

  function fileAfter(node: FileNode): FileNode {
    const content = node.synced.copy();
    for (const change of node.pending) applyPart(content, change, keep, random);
    return new FileNode(content, content.copy());
  }

  function folderAfter(node: FolderNode): FolderNode {
    const entries = new Map(node.synced);
    for (const change of node.pending) if (isKept(change, keep)) applyEntry(entries, change);
    const now = new Map<string, Node>();
    for (const [name, child] of entries) now.set(name, survivor(child));
    return new FolderNode(now, new Map(now));
  }
}

function isKept(change: EntryChange, keep: () => boolean): boolean {
  change.kept ??= (change.after === undefined || isKept(change.after, keep)) && keep();
  return change.kept;
}

/** A change of a file, as far as chance lets it through. */
export function applyPart(content: Content, change: FileChange, keep: () => boolean, random: () => number): void {
  const { bytes, position } = change;
  if (bytes === undefined) {
    if (keep()) applyChange(content, change);
    return;
  }
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + SECTOR - ((position + at) % SECTOR));
    if (keep()) {
      const cut = random() < 0.1 ? at + Math.floor(random() * (end - at)) : end;
      content.write(bytes.subarray(at, cut), position + at);
    }
    if (keep() && content.length < position + end) content.resize(position + end);
    at = end;
  }
}
