import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { requireService } from '../support/services.ts';

/** The folder of programs with an SDK, `KILN_CLIENTS` or ../shared/clients; each installs itself into the cache when it first runs. */
export const clients = process.env['KILN_CLIENTS'] ?? resolve(import.meta.dirname, '../../../shared/clients');
export const cache = process.env['KILN_CLIENTS_CACHE'] ?? join(homedir(), '.cache/kiln-clients');

/** A program with an SDK, unchanged: four fifths of its work in one loop and one fifth in another. Each is a tenant and an application of its own. */
export interface Program {
  readonly name: string;
  readonly folder: string;
  readonly variant: string;
  /** What installs and runs it. */
  readonly tool: Tool;
  readonly env?: Readonly<Record<string, string>>;
  /** In the names of the two loops. */
  readonly hot: string;
  readonly cold: string;
  /** The profile types in which the hot share must show, and the others that it sends. */
  readonly kinds: readonly string[];
  readonly others: readonly string[];
  /** Counts samples: a profile type, and the most that one sample adds to it. */
  readonly counted: { readonly kind: string; readonly each: bigint };
  /** Matches the second half of a run, or for spans the first. */
  readonly half: string;
  /** In what this program sends of functions and files, and no other of its generation. */
  readonly marker: string;
}

export type Tool = 'python3' | 'go' | 'cargo' | 'npm';

const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const TEN_MS = 10_000_000n;
const byCpuTime = { kinds: [CPU], others: [], counted: { kind: CPU, each: TEN_MS } };
const allocated = ['alloc_objects:count', 'alloc_space:bytes'].map((value) => `memory:${value}:space:bytes`);
const inUse = (period: string): string[] =>
  ['inuse_objects:count', 'inuse_space:bytes'].map((value) => `memory:${value}:${period}:bytes`);
const half = 'controller="tagged"';
const python = { folder: 'python', tool: 'python3', ...byCpuTime, half, marker: 'hot.py' } as const;
const goSamples = 'process_cpu:samples:count:cpu:nanoseconds';
const go = {
  tool: 'go',
  hot: 'main.hotLoop',
  cold: 'main.coldLoop',
  kinds: [CPU, goSamples],
  counted: { kind: goSamples, each: 1n },
} as const;
const allOfGo = {
  folder: 'go',
  ...go,
  half,
  others: [
    ...allocated,
    ...inUse('space'),
    'goroutines:goroutine:count:goroutine:count',
    ...['mutex', 'block'].flatMap((lock) =>
      ['contentions:count', 'delay:nanoseconds'].map((value) => `${lock}:${value}:contentions:count`),
    ),
  ],
} as const;
/**
 * V8 brings a loop to its fast code when a thread in the background gets the time. On a busy machine one of the two then stays slow for half a run and
 * really takes nineteen parts of twenty, or is inlined and has no frame. Compiled where they run, they are equally fast from the first second.
 */
const steadyLoops = ['--no-concurrent-recompilation', '--no-concurrent-osr', '--no-maglev', '--no-turbo-inlining'];
const setFlags = `import v8 from 'node:v8'; v8.setFlagsFromString('${steadyLoops.join(' ')}');`;
const node = {
  folder: 'node',
  tool: 'npm',
  env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(setFlags)}` },
  hot: 'hot.mjs:hotLoop:',
  cold: 'hot.mjs:coldLoop:',
  kinds: ['cpu:nanoseconds', 'samples:count', 'wall:nanoseconds'].map((value) => `wall:${value}:wall:nanoseconds`),
  others: inUse('inuse_space'),
  counted: { kind: 'wall:samples:count:wall:nanoseconds', each: 1n },
  half,
  marker: 'hot.mjs',
} as const;
const rust = { folder: 'rust', tool: 'cargo', ...byCpuTime, half, marker: 'hot_rust::hot_loop' } as const;
const loops = { hot: 'hot_loop', cold: 'cold_loop' };

/** SDKs as they are now. */
export const currentPrograms: readonly Program[] = [
  // With memory one push holds two series.
  {
    name: 'python',
    variant: 'current',
    ...python,
    ...loops,
    env: { HOT_MEM: '1' },
    others: [...allocated, ...inUse('space')],
  },
  { name: 'go', variant: 'push', ...allOfGo, marker: '/go-push/src/main.go' },
  {
    name: 'go-spans',
    variant: '',
    folder: 'go-spans',
    ...go,
    others: [],
    half: 'span_name="hot-span"',
    marker: '/go-spans/main.go',
  },
  { name: 'node', variant: 'current', ...node },
  { name: 'rust', variant: 'current', ...rust, ...loops },
];

/** SDKs of a generation ago that are still in use. */
export const legacyPrograms: readonly Program[] = [
  { name: 'python-legacy', variant: 'legacy', ...python, ...loops },
  { name: 'go-legacy', variant: 'legacy', ...allOfGo, marker: '/go-legacy/src/main.go' },
  { name: 'node-legacy', variant: 'legacy', ...node },
  { name: 'rust-legacy', variant: 'legacy', ...rust, ...loops },
];

export const tenantOf = ({ name }: Program): string => `${name}-tenant`;
export const appOf = ({ name }: Program): string => `${name}-app`;

/** Whether there are programs at all, and this tool for those of its language. */
export function hasTool(tool: Tool): boolean {
  return (
    requireService(
      'SDK programs',
      existsSync(join(clients, 'README.md')),
      `${clients} is missing (KILN_CLIENTS names another folder)`,
    ) &&
    requireService(
      `SDK programs by ${tool}`,
      spawnSync(tool, [tool === 'go' ? 'version' : '--version']).status === 0,
      `${tool} is not installed`,
    )
  );
}

/** Installs, or builds, unless it is in the cache, and runs for some seconds against a server. @returns what it printed @throws Error with its output when it fails */
export function runProgram(program: Program, url: string, seconds: number): Promise<string> {
  const { folder, variant, env } = program;
  return run(join(clients, folder, 'run.sh'), [url, String(seconds), ...(variant === '' ? [] : [variant])], {
    env: { ...env, PYROSCOPE_TENANT_ID: tenantOf(program), PYROSCOPE_APPLICATION_NAME: appOf(program) },
  });
}

/** Runs a command to its end. @returns what it printed @throws Error with the end of its output when its code is not 0 */
export function run(
  command: string,
  args: readonly string[],
  { cwd, env = {} }: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', fail);
    child.on('exit', (code) =>
      code === 0 ? done(output) : fail(new Error(`${command} ended with ${code}:\n${output.slice(-4_000)}`)),
    );
  });
}
