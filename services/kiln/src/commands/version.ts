import { buildInfo } from '../build-info.ts';
import type { Command } from '../terminal.ts';

/** `kiln version`, also `--version`. */
export const versionCommand: Command = {
  name: 'version',
  synopsis: '',
  summary: 'print the version',
  example: 'version',
  help: () => '',
  run: async (_argv, terminal) => {
    const { version, revision, runtime } = buildInfo();
    terminal.out(`kiln ${version}${revision === '' ? '' : ` (${revision.slice(0, 12)})`} ${runtime}\n`);
    return 0;
  },
};
