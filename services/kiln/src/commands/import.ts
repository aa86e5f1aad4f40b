import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ConfigError, helpText, loadConfig, parseFlags, setting, type SettingsFor } from '@kiln/config';
import { KilnError, labelSetKey, type Label } from '@kiln/model';
import { counted } from '../counted.ts';
import { digestOf, ImportJournal } from '../import-journal.ts';
import { labelsFor, labelsSetting, outlineOf, parseLabel, readSource } from '../pprof-source.ts';
import { pushMessage } from '../push-message.ts';
import { addressOf, callConnect, remoteSettings, withHeadersOf, type Remote } from '../remote.ts';
import { Progress, type Command, type Terminal } from '../terminal.ts';

interface ImportFlags {
  readonly labels: readonly string[];
  readonly journal: string;
}

const settings: SettingsFor<ImportFlags> = {
  labels: labelsSetting,
  journal: setting({
    key: 'journal',
    yaml: null,
    type: 'string',
    default: './kiln-import.journal',
    meaning: 'File that remembers what was imported; an import that is repeated with it adds nothing twice',
  }),
};
const schema = { import: settings, remote: remoteSettings };

/** `kiln import`: old pprof files at their own times, as far back as the tenant's retention goes. */
export const importCommand: Command = {
  name: 'import',
  synopsis: 'DIR | FILE… [--label name=value] [--journal ./kiln-import.journal]',
  summary: 'backfill: send old pprof files at their own times, each once',
  example: 'import ./profiles --label service_name=my-app',
  help: () =>
    `Reaches back as far as retention_period of the tenant. A file is sent again only when the journal does not know it, and the\n` +
    `server drops a copy of what it has.\n\n${helpText(schema)}`,
  run: importFiles,
};

async function importFiles(argv: readonly string[], terminal: Terminal): Promise<number> {
  const flags = parseFlags(schema, argv);
  const config = loadConfig(schema, flags);
  if (flags.rest.length === 0) throw new ConfigError('import needs files or directories: kiln import old-profiles/');
  const labels = config.import.labels.map(parseLabel);
  const files = (await Promise.all(flags.rest.map(filesOf))).flat();
  await using journal = await ImportJournal.open(config.import.journal);
  const remote = withHeadersOf(terminal, config.remote);
  const progress = new Progress(terminal);
  const counts = { imported: 0, known: 0 };
  let failed = 0;
  for (const [i, file] of files.entries()) {
    progress.show(`${i + 1} of ${files.length}: ${file}`);
    try {
      counts[await importOne(file, labels, journal, remote)]++;
    } catch (error) {
      progress.end();
      const { code, message } = KilnError.from(error);
      // The next file would fare no better.
      if (code === 'unavailable' || code === 'unauthenticated') throw error;
      failed++;
      terminal.err(`${file}: ${message}\n`);
    }
  }
  progress.end();
  terminal.out(`${counted(counts.imported, 'file')} imported, ${counts.known} known already, ${failed} refused\n`);
  return failed === 0 ? 0 : 1;
}

async function importOne(
  file: string,
  given: readonly Label[],
  journal: ImportJournal,
  remote: Remote,
): Promise<'imported' | 'known'> {
  const source = await readSource(file);
  const { sampleTypes, timeNanos } = outlineOf(source);
  if (timeNanos <= 0n)
    throw new KilnError('invalid_argument', 'has no time of its own: kiln push sends it with the time of now');
  const labels = labelsFor(source, given, sampleTypes);
  const digest = digestOf(source.bytes);
  const entry = { url: addressOf(remote), tenant: remote.tenant, labels: labelSetKey(labels), digest };
  if (journal.has(entry)) return 'known';
  await callConnect(remote, 'push.v1.PusherService/Push', {
    type: 'application/proto',
    bytes: pushMessage(labels, gzipSync(source.bytes, { level: 1 }), digest),
    headers: { 'X-Kiln-Backfill': 'true' },
  });
  await journal.add(entry);
  return 'imported';
}

/** The files below a directory, in order, or the file itself. */
async function filesOf(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map(({ parentPath, name }) => join(parentPath, name))
    .toSorted((a, b) => (a < b ? -1 : 1));
}
