import { spawn } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { resolve } from 'node:path';

/** A server of its own process, on a free port. */
export interface RunningKiln {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly pid: number;
  readonly isAlive: () => boolean;
  /** Its exit code, once it has ended by itself or was told to. */
  readonly ended: Promise<number | null>;
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** All it wrote so far, both streams. */
  output(): string;
}

export interface StartKilnOptions {
  readonly dataDir: string;
  readonly flags?: readonly string[];
  /** Beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** How long to wait for its address; 30 s unless told. */
  readonly timeoutMs?: number;
}

const repository = resolve(import.meta.dirname, '../..');

/** The built command line; `KILN_MAIN` names another. */
export const kilnMain: string = process.env['KILN_MAIN'] ?? resolve(repository, 'services/kiln/bundle/main.js');

/** How `./kiln` starts it. */
export const kilnNode = { flags: ['--max-semi-space-size=16'], env: { MALLOC_ARENA_MAX: '2' } } as const;

/** Whether the command line was built. @throws Error when something was compiled after it: what is tested would be what was */
export function kilnIsBuilt(): boolean {
  if (!existsSync(kilnMain)) return false;
  const newest = Math.max(...globSync('{libs,services}/*/dist/.tsbuildinfo', { cwd: repository }).map(timeOf));
  if (timeOf(kilnMain) < newest) throw new Error(`${kilnMain} is older than what was compiled: run ./kiln --version`);
  return true;
}

function timeOf(path: string): number {
  return statSync(resolve(repository, path)).mtimeMs;
}

/** Starts `kiln start` and waits until it says that it is ready. @throws Error with its output when it does not */
export async function startKiln({
  dataDir,
  flags = [],
  env = {},
  timeoutMs = 30_000,
}: StartKilnOptions): Promise<RunningKiln> {
  // Tests count what they push, and nothing else.
  const self = flags.some((flag) => flag.startsWith('--self-profiling.')) ? [] : ['--self-profiling.enabled=false'];
  const args = [...kilnNode.flags, kilnMain, 'start', '--port', '0', '--data-dir', dataDir, ...self, ...flags];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: repository,
    env: { ...process.env, ...kilnNode.env, ...env },
  });
  let output = '';
  const exited = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
  const url = await new Promise<string>((ready, fail) => {
    const timer = setTimeout(() => fail(new Error(`kiln was not ready after ${timeoutMs} ms:\n${output}`)), timeoutMs);
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const found = /ready on (https?:\/\/\S+)/.exec(output);
      if (found === null) return;
      clearTimeout(timer);
      ready(found[1]!);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    void exited.then((code) => {
      clearTimeout(timer);
      fail(new Error(`kiln ended with code ${code}:\n${output}`));
    });
  }).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw error;
  });
  return {
    url,
    pid: child.pid!,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    ended: exited,
    stop: () => {
      child.kill('SIGTERM');
      return exited;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
    output: () => output,
  };
}
