import { ConfigError, helpText, loadConfig, parseFlags } from '@kiln/config';
import { nodeCodecs } from '@kiln/ingester';
import { counted } from '../counted.ts';
import { dataSettings, readDataDirectory } from '../data-dir/data-reader.ts';
import { Progress, type Command } from '../terminal.ts';
import { verifyDirectory } from '../verify.ts';

const schema = { data: dataSettings };

/** `kiln verify`: every byte, checksum and rule of a data directory. */
export const verifyCommand: Command = {
  name: 'verify',
  synopsis: '[--data-dir ./data]',
  summary: 'check every byte of a data directory, or of a copy of one: says what is wrong and what to do',
  example: 'verify --data-dir ./data',
  help: () => helpText(schema),
  run: async (argv, terminal) => {
    const flags = parseFlags(schema, argv);
    if (flags.rest.length > 0) throw new ConfigError('verify takes no words: block verify OBJECT checks one object');
    const reader = await readDataDirectory(loadConfig(schema, flags).data);
    const progress = new Progress(terminal);
    const { findings, objects, bytes, records, loose, tornBytes } = await verifyDirectory(reader, nodeCodecs, (what) =>
      progress.show(what),
    );
    progress.end();
    for (const { where, found, advice } of findings) terminal.out(`${where}: ${found}\n  ${advice}\n`);
    terminal.out(
      `${counted(objects, 'object')} of ${counted(bytes, 'byte')} and ${counted(records, 'record')} of the logs checked: `,
    );
    terminal.out(findings.length === 0 ? 'all is well\n' : `${counted(findings.length, 'problem')}\n`);
    if (loose > 0)
      terminal.out(`named by nobody (being written, or left by a process that died): ${counted(loose, 'object')}\n`);
    if (tornBytes > 0)
      terminal.out(
        `behind the newest whole record of a log (being written, torn by a crash, or damaged; the next start cuts it off): ${counted(tornBytes, 'byte')}\n`,
      );
    return findings.length === 0 ? 0 : 1;
  },
};
