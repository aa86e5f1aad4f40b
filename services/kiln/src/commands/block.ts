import { openPart, readDirectory, verifyObject, type Directory } from '@kiln/block';
import { ConfigError, helpText, loadConfig, parseFlags, setting, type SettingsFor } from '@kiln/config';
import { KilnError } from '@kiln/model';
import { nodeCodecs } from '@kiln/ingester';
import { counted } from '../counted.ts';
import { allKeys, dataSettings, readDataDirectory, readObject, type DataReader } from '../data-dir/data-reader.ts';
import { liveParts, namedObjects, readStored } from '../data-dir/stored.ts';
import { tableText, timeText } from '../table-text.ts';
import { Progress, type Command, type Terminal } from '../terminal.ts';

interface BlockFlags {
  readonly tenant: string;
}

const settings: SettingsFor<BlockFlags> = {
  tenant: setting({
    key: 'tenant',
    yaml: null,
    type: 'string',
    default: '',
    meaning: 'Show only what belongs to this tenant',
  }),
};
const schema = { block: settings, data: dataSettings };

/** `kiln block list|inspect|verify`: the objects of a data directory. */
export const blockCommand: Command = {
  name: 'block',
  synopsis: 'list | inspect OBJECT | verify [OBJECT…]   [--data-dir ./data] [--tenant T]',
  summary: 'list the objects, show what is in one, or check every byte of them',
  example: 'block list --data-dir ./data',
  help: () =>
    `OBJECT is a key as list prints it, or a file. verify checks all objects when none is named.\n\n${helpText(schema)}`,
  run: async (argv, terminal) => {
    const flags = parseFlags(schema, argv);
    const { block, data } = loadConfig(schema, flags);
    const [action, ...names] = flags.rest;
    if (action === 'list' && names.length === 0) return list(await readDataDirectory(data), block.tenant, terminal);
    // A file may be looked into without a data directory.
    const reader = await readDataDirectory(data).catch((error: unknown) => {
      if (names.length === 0) throw error;
      return undefined;
    });
    if (action === 'inspect' && names.length === 1) return inspect(reader, names[0]!, block.tenant, terminal);
    if (action === 'verify') return verify(reader, names, terminal);
    throw new ConfigError('block takes: list, inspect OBJECT, or verify [OBJECT…]');
  },
};

async function list(reader: DataReader, tenant: string, terminal: Terminal): Promise<number> {
  const rows = [['tenant', 'level', 'rows', 'bytes', 'from', 'to', 'object']];
  const stored = await readStored(reader);
  for (const owner of stored.indexes.keys()) {
    if (tenant !== '' && owner !== tenant) continue;
    const blocks = new Map(stored.indexes.get(owner)!.blocks.map((block) => [block.object, block]));
    for (const { object, rows: count, len, minMs, maxMs } of liveParts(stored, owner)) {
      const level = blocks.get(object)?.level ?? 0;
      rows.push([owner, String(level), String(count), String(len), timeText(minMs), timeText(maxMs), object]);
    }
  }
  terminal.out(tableText(rows));
  const committed = namedObjects(stored);
  const loose = (await objectKeys(reader)).filter((key) => !committed.has(key));
  if (loose.length > 0) {
    terminal.out(
      `named by nobody (compacted and deleted soon, being written, or left by a process that died): ${counted(loose.length, 'object')}\n`,
    );
    for (const key of loose) terminal.out(`  ${key}\n`);
  }
  return 0;
}

async function inspect(
  reader: DataReader | undefined,
  name: string,
  tenant: string,
  terminal: Terminal,
): Promise<number> {
  const bytes = await readObject(reader, name);
  const codecs = nodeCodecs;
  const directory = orNamed(`${name} is no object of Kiln, or is damaged`, () =>
    readDirectory(bytes, codecs, bytes.length),
  );
  terminal.out(describe(name, bytes.length, directory));
  const rows = [['tenant', 'service', 'name', 'types', 'series', 'rows', 'stacks', 'samples', 'bytes', 'from', 'to']];
  for (const entry of directory.entries) {
    if (tenant !== '' && entry.tenant !== tenant) continue;
    const { datasets } = orNamed(`${name}, tenant ${entry.tenant}, is damaged`, () =>
      openPart(bytes.subarray(entry.off, entry.off + entry.len), entry.tenant, codecs),
    );
    for (const { service, name: metric, types, minMs, maxMs, counts, sections } of datasets) {
      const size = sections.reduce((sum, { len }) => sum + len, 0);
      const kinds = types.map(({ type, unit }) => `${type}:${unit}`).join(' ');
      const numbers = [counts.series, counts.rows, counts.stacks, counts.samples, size].map(String);
      rows.push([entry.tenant, service, metric, kinds, ...numbers, timeText(minMs), timeText(maxMs)]);
    }
  }
  terminal.out(tableText(rows));
  return 0;
}

/** @throws KilnError that says of what it is. */
function orNamed<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code, message } = KilnError.from(error);
    throw new KilnError(code, `${what}: ${message}`, { cause: error });
  }
}

function describe(name: string, length: number, { level, blockId, logId, start, end, idsLen }: Directory): string {
  const from = logId === undefined ? '' : `\nlog     ${logId}, offsets ${start + 1} to ${end}`;
  return `object  ${name}\nlevel   ${level}, id ${Buffer.from(blockId).toString('hex')}, ${length} bytes, ids ${idsLen} bytes${from}\n\n`;
}

async function verify(reader: DataReader | undefined, names: readonly string[], terminal: Terminal): Promise<number> {
  const keys = names.length > 0 || reader === undefined ? names : await objectKeys(reader);
  const progress = new Progress(terminal);
  const codecs = nodeCodecs;
  let wrong = 0;
  let checked = 0;
  let length = 0;
  for (const key of keys) {
    progress.show(`checking ${checked + 1} of ${keys.length}: ${key}`);
    const bytes = await readObject(reader, key).catch((error: unknown) => goneMeanwhile(error, names));
    if (bytes === undefined) continue;
    checked++;
    length += bytes.length;
    for (const { where, found } of verifyObject(bytes, codecs)) {
      progress.end();
      terminal.out(`${key}: ${where}: ${found}\n`);
      wrong++;
    }
  }
  progress.end();
  terminal.out(
    `${counted(checked, 'object')} of ${counted(length, 'byte')} checked: ${wrong === 0 ? 'all is well' : counted(wrong, 'problem')}\n`,
  );
  return wrong === 0 ? 0 : 1;
}

/** Beside a running Kiln an object that was listed may be deleted before it is read. */
function goneMeanwhile(error: unknown, names: readonly string[]): undefined {
  if (names.length === 0 && error instanceof KilnError && error.code === 'not_found') return undefined;
  throw error;
}

/** Level-0 objects lie under `log/{id}/s/`, blocks under `tenants/{tenant}/b/`. */
async function objectKeys(reader: DataReader): Promise<string[]> {
  const keys = [...(await allKeys(reader, 'log/')), ...(await allKeys(reader, 'tenants/'))];
  return keys.filter((key) => /^log\/[^/]+\/s\/|^tenants\/[^/]+\/b\//.test(key));
}
