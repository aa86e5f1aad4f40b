import { readChain } from '@kiln/catalog';
import { ConfigError, helpText, loadConfig, parseFlags } from '@kiln/config';
import { realDisk } from '@kiln/disk';
import { inspectFileLog } from '@kiln/partition-log';
import { dataSettings, readDataDirectory } from '../data-dir/data-reader.ts';
import { tableText } from '../table-text.ts';
import { Progress, type Command, type Terminal } from '../terminal.ts';

const schema = { data: dataSettings };

/** `kiln log inspect`: what the log holds, and how much of it is in objects. */
export const logCommand: Command = {
  name: 'log',
  synopsis: 'inspect [--data-dir ./data]',
  summary: 'read every record frame of the log: offsets, bytes, damage, what is cut',
  help: () => helpText(schema),
  run: async (argv, terminal) => {
    const flags = parseFlags(schema, argv);
    if (flags.rest.join(' ') !== 'inspect') throw new ConfigError('log takes: inspect');
    return inspect(loadConfig(schema, flags).data.dataDir, terminal);
  },
};

async function inspect(dataDir: string, terminal: Terminal): Promise<number> {
  const reader = await readDataDirectory({ dataDir });
  const progress = new Progress(terminal);
  const rows = [['partition', 'log', 'first', 'last', 'cut to', 'to replay', 'segments', 'bytes', 'torn', 'damaged']];
  const damage: string[] = [];
  progress.show('reading partition 0');
  for await (const found of inspectFileLog({ disk: realDisk(), root: reader.directory.log, crc32: reader.crc32 })) {
    const committed = (await readChain(reader, found.logId))?.E ?? -1;
    const damagedCount = found.damaged.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    const counts = [
      found.startOffset,
      found.endOffset,
      committed,
      Math.max(0, found.endOffset - committed),
      found.segments,
      found.bytes,
      found.tornBytes,
      damagedCount,
    ];
    rows.push([String(found.partition), found.logId, ...counts.map(String)]);
    for (const { from, to } of found.damaged)
      damage.push(`partition ${found.partition}: offsets ${from} to ${to} cannot be read\n`);
    progress.show(`reading partition ${found.partition + 1}`);
  }
  progress.end();
  terminal.out(tableText(rows) + damage.join(''));
  return damage.length === 0 ? 0 : 1;
}
