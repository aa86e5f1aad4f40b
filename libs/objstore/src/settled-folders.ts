import { errorCode, parentOf, type Disk } from '@kiln/disk';

/** What this process knows of one folder. */
interface FolderState {
  /** Changes under way: their entries may be seen, and are not durable. */
  busy: number;
  /** Changes ended, and how many of them are known to be durable. A folder starts unknown: a killed process may have changed it. */
  version: number;
  synced: number;
  current: Promise<void> | undefined;
  /** A sync that has not started yet: whoever comes now shares it. */
  next: Promise<void> | undefined;
}

/**
 * Which folders of a tree are durable as they are seen. Writers announce changes; whoever has seen an entry (or missed it) settles the folder before
 * it answers, so that nothing is built on what a power loss takes back. One fsync serves all that wait for it; a settled folder costs a look-up.
 */
export class SettledFolders {
  readonly #disk: Disk;
  readonly #root: string;
  readonly #states = new Map<string, FolderState>();

  constructor(disk: Disk, root: string) {
    this.#disk = disk;
    this.#root = root;
  }

  /** Runs a change of the folder's entries. */
  async change<T>(folder: string, work: () => Promise<T>): Promise<T> {
    const state = this.#state(folder);
    state.busy++;
    try {
      return await work();
    } finally {
      state.busy--;
      state.version++;
    }
  }

  /** Makes a folder and what is missing above it. */
  async make(folder: string): Promise<void> {
    if (folder === this.#root) return;
    const parent = parentOf(folder);
    await this.make(parent);
    await this.change(parent, () => this.#disk.mkdir(folder));
  }

  /** Resolves when every entry seen in the folder before the call is durable, and so are the folders up to the root. */
  async settle(folder: string, site: string): Promise<void> {
    if (folder !== this.#root) await this.settle(parentOf(folder), 'object-parents');
    const state = this.#state(folder);
    if (state.busy > 0 || state.synced < state.version) await this.#sync(folder, state, site);
  }

  #sync(folder: string, state: FolderState, site: string): Promise<void> {
    const run = async (): Promise<void> => {
      await state.current?.catch(() => {});
      state.current = state.next;
      state.next = undefined;
      const version = state.version;
      try {
        await this.#disk.syncDir(folder, site);
      } catch (error) {
        if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTDIR') throw error;
        return; // no such folder: its absence is its parent's entry
      }
      state.synced = Math.max(state.synced, version);
    };
    state.next ??= run();
    return state.next;
  }

  #state(folder: string): FolderState {
    let state = this.#states.get(folder);
    if (state === undefined) {
      state = { busy: 0, version: 1, synced: 0, current: undefined, next: undefined };
      this.#states.set(folder, state);
    }
    return state;
  }
}
