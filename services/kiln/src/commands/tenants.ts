import { openPart } from '@kiln/block';
import { CorruptDataError } from '@kiln/bytes';
import type { CommittedPart } from '@kiln/catalog';
import { ConfigError, helpText, loadConfig, parseFlags } from '@kiln/config';
import { nodeCodecs } from '@kiln/ingester';
import { labelSetKey, plainName, type TenantId } from '@kiln/model';
import { dataSettings, readDataDirectory, type DataReader } from '../data-dir/data-reader.ts';
import { liveParts, readStored } from '../data-dir/stored.ts';
import { tableText, timeText } from '../table-text.ts';
import { Progress, type Command, type Terminal } from '../terminal.ts';

const schema = { data: dataSettings };

/** `kiln tenants`: who has data, how much, from when to when. */
export const tenantsCommand: Command = {
  name: 'tenants',
  synopsis: '[--data-dir ./data]',
  summary: 'list the tenants: bytes, rows, series, oldest and newest profile',
  example: 'tenants --data-dir ./data',
  help: () =>
    `Counts what is in objects; what was pushed in the last minutes is still in the log.\n\n${helpText(schema)}`,
  run: async (argv, terminal) => {
    const flags = parseFlags(schema, argv);
    if (flags.rest.length > 0) throw new ConfigError('tenants takes no words');
    return tenants(await readDataDirectory(loadConfig(schema, flags).data), terminal);
  },
};

async function tenants(reader: DataReader, terminal: Terminal): Promise<number> {
  const progress = new Progress(terminal);
  const damaged: string[] = [];
  const rows = [['tenant', 'bytes', 'objects', 'rows', 'series', 'oldest', 'newest']];
  const stored = await readStored(reader);
  for (const tenant of stored.indexes.keys()) {
    const parts = liveParts(stored, tenant);
    if (parts.length === 0) continue;
    const series = new Set<string>();
    for (const [i, part] of parts.entries()) {
      progress.show(`${tenant}: object ${i + 1} of ${parts.length}`);
      try {
        await addSeries(reader, tenant, part, series);
      } catch (error) {
        if (!(error instanceof CorruptDataError)) throw error;
        damaged.push(`series of ${tenant} in ${part.object} are not counted: ${error.message}\n`);
      }
    }
    const sum = (of: (part: CommittedPart) => number): number => parts.reduce((total, part) => total + of(part), 0);
    rows.push([
      tenant,
      String(sum(({ len }) => len)),
      String(parts.length),
      String(sum((part) => part.rows)),
      String(series.size),
      timeText(parts.reduce((least, { minMs }) => Math.min(least, minMs), Infinity)),
      timeText(parts.reduce((most, { maxMs }) => Math.max(most, maxMs), -Infinity)),
    ]);
  }
  progress.end();
  terminal.out(rows.length === 1 ? 'no tenant has data in objects yet\n' : tableText(rows));
  if (damaged.length === 0) return 0;
  terminal.err(`${damaged.join('')}kiln verify says what to do\n`);
  return 1;
}

async function addSeries(
  reader: DataReader,
  tenant: TenantId,
  { object, off, len }: CommittedPart,
  into: Set<string>,
): Promise<void> {
  const bytes = await reader.objects.getRange(object, off, len);
  if (bytes === undefined) return; // deleted meanwhile: what replaces it has the same series
  for (const dataset of openPart(bytes, tenant, nodeCodecs).datasets)
    for (const labels of dataset.tables().series) into.add(`${plainName(dataset.name)} ${labelSetKey(labels)}`);
}
