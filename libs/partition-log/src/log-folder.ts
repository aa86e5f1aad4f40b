import type { Random } from '@kiln/async';
import { errorCode, joinPath, mkdirDurably, writeWholeFile, type Disk } from '@kiln/disk';
import { KilnError } from '@kiln/model';
import { listSegments } from './segment.ts';

// root/version            layout number
// root/id                 the writer: 32 hex digits; with the partition it is the LogId
// root/{p}/{first}.log    segments of partition p, named by their first offset, 16 digits

const LAYOUT = 1;
const WRITER = /^[0-9a-f]{32}$/;

/** Makes the folder when it is new, and returns the writer's id. Everything is durable when it resolves. */
export async function prepareFolder(disk: Disk, root: string, partitions: number, random: Random): Promise<string> {
  await mkdirDurably(disk, root, 'log-root');
  const version = await readVersion(disk, root);
  let writer = await readWriter(disk, root);
  const found = await partitionsOf(disk, root);
  const extra = found.find((partition) => partition >= partitions);
  if (extra !== undefined)
    throw new KilnError(
      'failed_precondition',
      `the log in ${root} has a partition ${extra}, but ${partitions} partitions (0 to ${partitions - 1}) were asked for: the number never goes down`,
    );
  if (writer === undefined) {
    for (const partition of found) {
      if ((await listSegments(disk, joinPath(root, String(partition)))).length === 0) continue;
      throw new KilnError(
        'data_loss',
        `the log in ${root} has records but its file "id" is missing: put it back, or move the folder away to start a new log`,
      );
    }
    writer = randomHex(random, 32);
    await writeWholeFile(disk, joinPath(root, 'id'), new TextEncoder().encode(`${writer}\n`), 'log-id');
  }
  if (version === undefined)
    await writeWholeFile(disk, joinPath(root, 'version'), new TextEncoder().encode(`${LAYOUT}\n`), 'log-version');
  for (let partition = 0; partition < partitions; partition++) await disk.mkdir(joinPath(root, String(partition)));
  await disk.syncDir(root, 'log-partitions');
  return writer;
}

/**
 * The layout number, undefined when the file does not exist.
 * @throws KilnError `failed_precondition` when it is newer than this version, `data_loss` when it is no number.
 */
export async function readVersion(disk: Disk, root: string): Promise<number | undefined> {
  const text = await readText(disk, joinPath(root, 'version'));
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,9}$/.test(text))
    throw new KilnError(
      'data_loss',
      `${joinPath(root, 'version')} holds ${JSON.stringify(text.slice(0, 40))}, not a number`,
    );
  const version = Number(text);
  if (version <= LAYOUT) return version;
  throw new KilnError(
    'failed_precondition',
    `the log in ${root} has layout ${version}, this version reads up to ${LAYOUT}: start the newer version that wrote it`,
  );
}

/** The writer's id, undefined when the file does not exist. */
export async function readWriter(disk: Disk, root: string): Promise<string | undefined> {
  const text = await readText(disk, joinPath(root, 'id'));
  if (text === undefined || WRITER.test(text)) return text;
  throw new KilnError(
    'data_loss',
    `${joinPath(root, 'id')} holds ${JSON.stringify(text.slice(0, 40))}, not 32 hex digits`,
  );
}

/** The partitions that have a folder, in order. */
export async function partitionsOf(disk: Disk, root: string): Promise<number[]> {
  const names = await disk.readDir(root);
  const found = names.flatMap((name) => (/^(0|[1-9][0-9]{0,5})\/$/.test(name) ? [Number.parseInt(name, 10)] : []));
  return found.toSorted((a, b) => a - b);
}

async function readText(disk: Disk, path: string): Promise<string | undefined> {
  try {
    return new TextDecoder().decode(await disk.readFile(path)).trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function randomHex(random: Random, digits: number): string {
  let text = '';
  while (text.length < digits) text += Math.floor(random() * 16).toString(16);
  return text;
}
