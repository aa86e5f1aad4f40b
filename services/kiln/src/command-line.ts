import { nearest } from '@kiln/config';
import { sentenceOf } from './sentence.ts';
import type { Words } from './commands/completion.ts';
import { CLEAR_LINE, Stopped, unlessStopped, type Command, type Terminal } from './terminal.ts';

/** Every command, in the order of the help. Loaded when it is wanted: `push` need not wait for the framework of `start`. */
const commands: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['start', async () => (await import('./commands/start.ts')).startCommand],
  ['push', async () => (await import('./commands/push.ts')).pushCommand],
  ['import', async () => (await import('./commands/import.ts')).importCommand],
  ['query', async () => (await import('./commands/query.ts')).queryCommand],
  ['diff', async () => (await import('./commands/diff.ts')).diffCommand],
  ['tenants', async () => (await import('./commands/tenants.ts')).tenantsCommand],
  ['compact', async () => (await import('./commands/compact.ts')).compactCommand],
  ['verify', async () => (await import('./commands/verify.ts')).verifyCommand],
  ['log', async () => (await import('./commands/log.ts')).logCommand],
  ['block', async () => (await import('./commands/block.ts')).blockCommand],
  ['convert', async () => (await import('./commands/convert.ts')).convertCommand],
  ['ready', async () => (await import('./commands/ready.ts')).readyCommand],
  ['completion', async () => (await import('./commands/completion.ts')).completionCommand(completionWords)],
  ['version', async () => (await import('./commands/version.ts')).versionCommand],
]);

/**
 * Runs one command line.
 * @returns the exit code: 0 done, 1 it went wrong (the reason is one sentence on `err`), 2 the command line is wrong, 130 or 143 it was stopped by a signal.
 */
export async function runCommandLine(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [word = 'help', ...rest] = argv;
  if (word === 'help' || word === '--help' || word === '-h') return help(rest, terminal);
  const name = word === '--version' || word === '-v' ? 'version' : word;
  const load = commands.get(name);
  if (load === undefined) return unknown(name, terminal);
  const words = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
  if (words.includes('--help') || words.includes('-h')) return help([name, ...words], terminal);
  const command = await load();
  try {
    const running = command.run(rest, terminal);
    return await (command.stopsItself === true ? running : unlessStopped(running, terminal));
  } catch (thrown) {
    if (thrown instanceof Stopped) {
      if (terminal.showsProgress) terminal.err(CLEAR_LINE);
      return thrown.exitCode;
    }
    terminal.err(`kiln ${name}: ${sentenceOf(thrown)}\n`);
    return (thrown as Error).name === 'ConfigError' ? 2 : 1;
  }
}

/** What a shell can complete: of every command its actions and the flags in its help. */
async function completionWords(): Promise<Words> {
  const words = [...commands].map(async ([name, load]) => {
    const one = name === 'completion' ? undefined : await load();
    const parts = one === undefined ? [] : (one.actions ?? [one]);
    const flags = parts.flatMap((part) =>
      [...part.help().matchAll(/(?<=^ {2}|^ {2}\S+, )--?[a-z][\w.-]*(?=[=,]| …)/gm)].map(([flag]) => flag),
    );
    return [name, { actions: one?.actions?.map((action) => action.name) ?? [], flags: [...new Set(flags)] }] as const;
  });
  return new Map(await Promise.all(words));
}

/** Commands of a clone, which the wrapper runs. */
const development: readonly string[] = ['test', 'bench', 'sim'];

function unknown(name: string, terminal: Terminal): number {
  const near = nearest(name, [...commands.keys(), 'help', ...development]);
  const hint = near === undefined ? `see ${terminal.command} help` : `did you mean ${terminal.command} ${near}?`;
  terminal.err(`kiln: unknown command ${JSON.stringify(name)}: ${hint}\n`);
  return 2;
}

/** @param words the command and perhaps its action, and what else was written. */
async function help([name, ...words]: readonly string[], terminal: Terminal): Promise<number> {
  const load = commands.get(name ?? '');
  if (load !== undefined) {
    const one = await load();
    const action = one.actions?.find((each) => words.includes(each.name));
    if (action !== undefined)
      terminal.out(
        `${titleOf(one, action, terminal)}\n    ${action.summary}\n\n${exampleOf(action, terminal)}${action.help()}`,
      );
    else if (one.actions !== undefined) {
      terminal.out(`${listed(one, terminal)}\n${terminal.command} help ${one.name} ${one.synopsis} tells more.\n`);
    } else
      terminal.out(
        `${titleOf(one, undefined, terminal)}\n    ${one.summary}\n\n${exampleOf(one, terminal)}${one.help()}`,
      );
    return 0;
  }
  if (name !== undefined && !development.includes(name)) return unknown(name, terminal);
  terminal.out(`Kiln, a database for continuous profiles.\n\n`);
  for (const loadOne of commands.values()) terminal.out(listed(await loadOne(), terminal));
  terminal.out(`  ${terminal.command} test [--long]\n      run every test that can run here\n`);
  terminal.out(`  ${terminal.command} bench [--json | --readme | --ranges]\n      measure the hot paths\n`);
  terminal.out(`  ${terminal.command} sim [--seeds N] [--from K]\n      simulate all roles under trouble, by seed\n`);
  terminal.out(
    `\n${terminal.command} help COMMAND tells more; where a server is asked, --url and --tenant say which and as whom.\n`,
  );
  return 0;
}

/** Two lines for a command, or for each of its actions. */
function listed(one: Command, terminal: Terminal): string {
  const each = one.actions ?? [undefined];
  return each.map((action) => `  ${titleOf(one, action, terminal)}\n      ${(action ?? one).summary}\n`).join('');
}

function titleOf(one: Command, action: Command | undefined, terminal: Terminal): string {
  const words = action === undefined ? [one.name, one.synopsis] : [one.name, action.name, action.synopsis];
  return `${terminal.command} ${words.join(' ')}`.trim();
}

function exampleOf({ example }: Command, terminal: Terminal): string {
  return example === undefined ? '' : `For example:\n  ${terminal.command} ${example}\n\n`;
}
