import { randomUUID } from 'node:crypto';
import { link, open, readdir, readFile, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@kiln/async';
import { KilnError } from '@kiln/model';
import { isRunning, ownIdentity, type ProcessIdentity } from './process-identity.ts';

/** Held while the process owns the directory. */
export interface DirectoryLock extends AsyncDisposable {
  readonly path: string;
  /** @throws KilnError `unavailable` when the directory is, or may be, another process's: then nothing may be written to it. */
  assertHeld(): void;
}

/** How often the holder touches its file, and for how long an untouched one of another host counts. */
const TOUCH_MS = 5_000;
const SILENCE_MS = 60_000;
/** A holder that has not seen its own lock for this long may have slept so long that another host took it. */
const SURE_MS = 30_000;
const ATTEMPTS = 10;

export interface LockOptions {
  readonly clock: Clock;
  /**
   * Called once when the lock is lost although this process lives: it slept too long on a disk that another host shares, or somebody removed the
   * file. `assertHeld` refuses from then on.
   */
  readonly onLost: (reason: string) => void;
}

/**
 * Takes the directory for this process: the holder is the highest `lock.{n}`, made by link(), which only one can do (design: distributed.md §1.5).
 * @throws KilnError `failed_precondition` naming the holder when there is one that lives.
 */
export async function lockDirectory(directory: string, options: LockOptions): Promise<DirectoryLock> {
  const identity = await ownIdentity();
  const draft = join(directory, `lock.draft.${randomUUID()}`);
  try {
    // Who holds it is told also where the disk has no room for a draft.
    const held = await highestLock(directory);
    if (held > 0) await refuseIfHeld(directory, held, identity, options.clock);
    await writeDraft(draft, identity);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const highest = await highestLock(directory);
      if (highest > 0) await refuseIfHeld(directory, highest, identity, options.clock);
      if (!(await linked(draft, lockPath(directory, highest + 1)))) continue;
      // Somebody may have seen the same dead holder and made a higher one meanwhile.
      if ((await highestLock(directory)) !== highest + 1) continue;
      await removeBelow(directory, highest + 1);
      return new HeldLock(directory, highest + 1, identity, options);
    }
  } finally {
    await unlink(draft).catch(() => undefined);
  }
  throw new KilnError('failed_precondition', `${directory} is being taken by other processes all the time: stop them`);
}

class HeldLock implements DirectoryLock {
  readonly path: string;
  readonly #directory: string;
  readonly #number: number;
  readonly #line: string;
  readonly #options: LockOptions;
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>;
  /** When the lock was last seen to be this process's. */
  #seenMs: number;
  #lost: string | undefined;

  constructor(directory: string, number: number, identity: ProcessIdentity, options: LockOptions) {
    this.path = lockPath(directory, number);
    this.#directory = directory;
    this.#number = number;
    this.#line = lineOf(identity);
    this.#options = options;
    this.#seenMs = options.clock.nowMs();
    this.#watching = this.#watch();
  }

  assertHeld(): void {
    if (this.#lost !== undefined) throw new KilnError('unavailable', `nothing is written any more: ${this.#lost}`);
    const unseenMs = this.#options.clock.nowMs() - this.#seenMs;
    if (unseenMs <= SURE_MS) return;
    throw new KilnError(
      'unavailable',
      `nothing is written until ${this.path} is seen again: the last look was ${Math.round(unseenMs / 1000)} s ago, another process may have it`,
      { retryAfterSeconds: 1 },
    );
  }

  async #watch(): Promise<void> {
    const { clock, onLost } = this.#options;
    const { signal } = this.#stop;
    while (this.#lost === undefined) {
      await clock.sleep(TOUCH_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      const lookedMs = clock.nowMs();
      try {
        this.#lost = await this.#look(new Date(lookedMs));
        this.#seenMs = lookedMs;
      } catch {
        // A full or sick disk is somebody else's trouble: the lock is where it was. But it has not been seen.
      }
    }
    onLost(this.#lost);
  }

  /** Touches the lock. @returns why it is lost, undefined while it is this process's. */
  async #look(now: Date): Promise<string | undefined> {
    try {
      const taken = `another process took ${this.#directory}`;
      if ((await highestLock(this.#directory)) > this.#number) return taken;
      if ((await readFile(this.path, 'utf8')) !== this.#line) return taken;
      await utimes(this.path, now, now);
      return undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return `${this.path} is gone: somebody removed it`;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
    if (this.#lost !== undefined) return; // what lies there is not ours
    await unlink(this.path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
}

async function refuseIfHeld(directory: string, number: number, own: ProcessIdentity, clock: Clock): Promise<void> {
  const path = lockPath(directory, number);
  const holder = await readHolder(path);
  const touched = await stat(path).catch(() => undefined);
  // Let go of between two looks.
  if (touched === undefined) return;
  const silentMs = clock.nowMs() - touched.mtimeMs;
  const here = holder?.host === own.host;
  const alive = here ? await isRunning(holder) : silentMs < SILENCE_MS;
  if (!alive) return;
  const who =
    holder === undefined ? 'an unknown process' : `process ${holder.pid}${here ? '' : ` on host ${holder.host}`}`;
  const wait = here
    ? ''
    : `, which touched it ${Math.max(0, Math.round(silentMs / 1000))} s ago (it counts as gone after 60 s)`;
  throw new KilnError(
    'failed_precondition',
    `the data directory ${directory} is in use by ${who}${wait}: stop it first, or start with another --data-dir`,
  );
}

async function readHolder(path: string): Promise<ProcessIdentity | undefined> {
  try {
    const { host, pid, started } = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    if (typeof host !== 'string' || typeof pid !== 'number' || typeof started !== 'string') return undefined;
    return { host, pid, started };
  } catch {
    return undefined;
  }
}

/** Synced before it is linked, so that a lock is never an empty file. */
async function writeDraft(path: string, identity: ProcessIdentity): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(lineOf(identity));
    await file.sync();
  } finally {
    await file.close();
  }
}

function lineOf(identity: ProcessIdentity): string {
  return `${JSON.stringify(identity)}\n`;
}

async function linked(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function lockNumbers(directory: string): Promise<number[]> {
  const names = await readdir(directory);
  return names.flatMap((name) => (/^lock\.\d+$/.test(name) ? [Number(name.slice(5))] : []));
}

async function highestLock(directory: string): Promise<number> {
  return Math.max(0, ...(await lockNumbers(directory)));
}

async function removeBelow(directory: string, number: number): Promise<void> {
  for (const other of await lockNumbers(directory)) {
    if (other < number) await unlink(lockPath(directory, other)).catch(() => undefined);
  }
}

function lockPath(directory: string, number: number): string {
  return join(directory, `lock.${number}`);
}
