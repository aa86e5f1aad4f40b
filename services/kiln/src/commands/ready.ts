import { helpText, loadConfig, parseFlags } from '@kiln/config';
import { ask, serverSettings, withHeadersOf } from '../remote.ts';
import type { Command } from '../terminal.ts';

const schema = { server: serverSettings };

/** `kiln ready`: 0 when the process takes traffic, else 1 and why. */
export const readyCommand: Command = {
  name: 'ready',
  synopsis: '[--url …]',
  summary: 'ask whether Kiln is ready; says why not',
  example: 'ready --url http://127.0.0.1:4040',
  help: () => helpText(schema),
  run: async (argv, terminal) => {
    const { server } = loadConfig(schema, parseFlags(schema, argv));
    const { status, body } = await ask(withHeadersOf(terminal, server), 'GET', '/ready?verbose');
    terminal.out(body);
    if (body.at(-1) !== 10) terminal.out('\n');
    return status === 200 ? 0 : 1;
  },
};
