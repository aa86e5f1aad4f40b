import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { promisify } from 'node:util';

/** A process that cannot be mistaken for another one with its number: the number comes back, the start time does not. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** When the process started, as the system tells it; compared, never read. */
  readonly started: string;
}

/** This process. */
export async function ownIdentity(): Promise<ProcessIdentity> {
  return { host: hostname(), pid: process.pid, started: (await startOf(process.pid)) ?? 'unknown' };
}

/** Whether a process of this host still runs: its number is taken, by a process that started then. */
export async function isRunning({ pid, started }: ProcessIdentity): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: there is one, of another user.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const now = await startOf(pid);
  return now === undefined || now === started;
}

/** Linux: boot and ticks since boot. Elsewhere what ps says. Undefined when neither knows. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const [boot, stat] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    // The command's name, in parentheses, may hold anything; field 22 is counted from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return `${boot.trim()}/${fields[19]}`;
  } catch {
    try {
      const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]);
      return stdout.trim() === '' ? undefined : stdout.trim();
    } catch {
      return undefined;
    }
  }
}
