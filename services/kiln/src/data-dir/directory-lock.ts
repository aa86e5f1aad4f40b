import { randomUUID } from 'node:crypto';
import { link, open, readdir, readFile, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@kiln/async';
import { KilnError } from '@kiln/model';
import { isRunning, ownIdentity, type ProcessIdentity } from './process-identity.ts';

/** Held while the process owns the directory. */
export interface DirectoryLock extends AsyncDisposable {
  readonly path: string;
}

/** How often the holder touches its file, and for how long an untouched one of another host counts. */
const TOUCH_MS = 5_000;
const SILENCE_MS = 60_000;
const ATTEMPTS = 10;

export interface LockOptions {
  readonly clock: Clock;
  /** Called when another process took the directory although this one lives: it slept too long on another host's disk. */
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
    await writeDraft(draft, identity);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const highest = await highestLock(directory);
      if (highest > 0) await refuseIfHeld(directory, highest, identity, options.clock);
      if (!(await linked(draft, lockPath(directory, highest + 1)))) continue;
      // Somebody may have seen the same dead holder and made a higher one meanwhile.
      if ((await highestLock(directory)) !== highest + 1) continue;
      await removeBelow(directory, highest + 1);
      return new HeldLock(directory, highest + 1, options);
    }
  } finally {
    await unlink(draft).catch(() => undefined);
  }
  throw new KilnError('failed_precondition', `${directory} is being taken by other processes all the time: stop them`);
}

class HeldLock implements DirectoryLock {
  readonly path: string;
  readonly #stop = new AbortController();
  readonly #touching: Promise<void>;

  constructor(directory: string, number: number, { clock, onLost }: LockOptions) {
    this.path = lockPath(directory, number);
    this.#touching = this.#touch(directory, number, clock, onLost);
  }

  async #touch(directory: string, number: number, clock: Clock, onLost: (reason: string) => void): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const slept = await clock.sleep(TOUCH_MS, signal).then(
        () => true,
        () => false,
      );
      if (!slept) return;
      try {
        const now = new Date(clock.nowMs());
        await utimes(this.path, now, now);
        if ((await highestLock(directory)) === number) continue;
        onLost(`another process took ${directory}`);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        // A full or sick disk is somebody else's trouble; only a lock that is gone is this one's.
        if (code !== 'ENOENT') continue;
        onLost(`${this.path} is gone: somebody removed it`);
      }
      return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#touching;
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
    await file.writeFile(`${JSON.stringify(identity)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
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
