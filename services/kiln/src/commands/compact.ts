import { ConfigError, helpText, loadConfig, parseFlags, setting, type SettingsFor } from '@kiln/config';
import { counted } from '../counted.ts';
import { ask, errorOf, serverSettings, withHeadersOf } from '../remote.ts';
import { Progress, type Command } from '../terminal.ts';

interface CompactFlags {
  readonly now: boolean;
}

const settings: SettingsFor<CompactFlags> = {
  now: setting({
    key: 'now',
    yaml: null,
    type: 'bool',
    default: false,
    meaning: 'Confirms that whatever there is shall be compacted at once, due or not',
  }),
};
const schema = { compact: settings, server: serverSettings };

/** `kiln compact --now`: has the running server compact, merge and clean up at once. */
export const compactCommand: Command = {
  name: 'compact',
  synopsis: '--now  [--url …]',
  summary: 'have the running server compact what it has cut, merge blocks and delete what is past its time',
  example: 'compact --now',
  help: () => `Kiln does this by itself when it is due; this does not wait until then.\n\n${helpText(schema)}`,
  run: async (argv, terminal) => {
    const flags = parseFlags(schema, argv);
    const { compact, server } = loadConfig(schema, flags);
    if (!compact.now || flags.rest.length > 0) throw new ConfigError('compact takes: --now');
    const progress = new Progress(terminal);
    progress.show('compacting');
    const answer = await ask(withHeadersOf(terminal, server), 'POST', '/api/v1/operator/compact');
    progress.end();
    if (answer.status !== 200) throw errorOf(server, answer);
    const { jobs, blocks, deleted, troubles } = JSON.parse(new TextDecoder().decode(answer.body)) as {
      jobs: number;
      blocks: number;
      deleted: number;
      troubles: string[];
    };
    terminal.out(
      `${counted(jobs, 'job')} made ${counted(blocks, 'block')}; deleted, because nobody needs them any more: ${counted(deleted, 'object')}\n`,
    );
    if (jobs === 0)
      terminal.err(
        'note: what is younger than ingester.cut-max-age (5 minutes unless set) may be in no object yet, and is compacted once it is\n',
      );
    for (const trouble of troubles) terminal.err(`${trouble}\n`);
    return troubles.length === 0 ? 0 : 1;
  },
};
