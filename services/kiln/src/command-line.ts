import { nearest } from '@kiln/config';
import { blockCommand } from './commands/block.ts';
import { logCommand } from './commands/log.ts';
import { pushCommand } from './commands/push.ts';
import { queryCommand } from './commands/query.ts';
import { readyCommand } from './commands/ready.ts';
import { startCommand } from './commands/start.ts';
import { versionCommand } from './commands/version.ts';
import { sentenceOf } from './sentence.ts';
import type { Command, Terminal } from './terminal.ts';

/** Every command, in the order of the help. */
export const commands: readonly Command[] = [
  startCommand,
  pushCommand,
  queryCommand,
  logCommand,
  blockCommand,
  readyCommand,
  versionCommand,
];

/**
 * Runs one command line.
 * @returns the exit code: 0 done, 1 it went wrong (the reason is one sentence on `err`), 2 the command line is wrong.
 */
export async function runCommandLine(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [name = 'help', ...rest] = argv;
  if (name === 'help' || name === '--help' || name === '-h') return help(rest[0], terminal);
  const command = commands.find((one) => one.name === (name === '--version' || name === '-v' ? 'version' : name));
  if (command === undefined) return unknown(name, terminal);
  const words = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
  if (words.includes('--help') || words.includes('-h')) return help(command.name, terminal);
  try {
    return await command.run(rest, terminal);
  } catch (thrown) {
    terminal.err(`kiln ${command.name}: ${sentenceOf(thrown)}\n`);
    return (thrown as Error).name === 'ConfigError' ? 2 : 1;
  }
}

function unknown(name: string, terminal: Terminal): number {
  const near = nearest(name, [...commands.map((one) => one.name), 'help', 'test', 'bench']);
  const hint = near === undefined ? `see ${terminal.command} help` : `did you mean ${terminal.command} ${near}?`;
  terminal.err(`kiln: unknown command ${JSON.stringify(name)}: ${hint}\n`);
  return 2;
}

function help(name: string | undefined, terminal: Terminal): number {
  const command = commands.find((one) => one.name === name);
  if (command !== undefined) {
    terminal.out(
      `${terminal.command} ${command.name} ${command.synopsis}\n    ${command.summary}\n\n${command.help()}`,
    );
    return 0;
  }
  if (name !== undefined && name !== 'test' && name !== 'bench') return unknown(name, terminal);
  terminal.out(`Kiln, a database for continuous profiles.\n\n`);
  for (const one of commands)
    terminal.out(`  ${terminal.command} ${`${one.name} ${one.synopsis}`.trim()}\n      ${one.summary}\n`);
  terminal.out(`  ${terminal.command} test [--long]\n      run every test that can run here\n`);
  terminal.out(`  ${terminal.command} bench [--json]\n      measure the hot paths\n`);
  terminal.out(`\n${terminal.command} help COMMAND tells more; --url and --tenant say where to and as whom.\n`);
  return 0;
}
