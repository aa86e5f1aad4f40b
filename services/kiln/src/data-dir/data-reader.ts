import { readFile, stat } from 'node:fs/promises';
import { setting, type SettingsFor } from '@kiln/config';
import type { CatalogReader } from '@kiln/catalog';
import { realDisk } from '@kiln/disk';
import { KilnError } from '@kiln/model';
import { inspectDirectoryStore } from '@kiln/objstore';
import { nodeCodecs } from '@kiln/ingester';
import { dataDirectory, readVersion, type DataDirectory } from './layout.ts';

/** Which directory a command looks into. */
export interface DataFlags {
  readonly dataDir: string;
}

export const dataSettings: SettingsFor<DataFlags> = {
  dataDir: setting({
    key: 'data-dir',
    yaml: null,
    type: 'string',
    default: './data',
    meaning: 'Data directory to look into; it is not changed, and Kiln may run on it meanwhile',
  }),
};

/** A data directory for looking only: no lock is taken and nothing is written. */
export interface DataReader extends CatalogReader {
  readonly directory: DataDirectory;
}

/** @throws KilnError `not_found` when there is no data directory of Kiln, `failed_precondition` for a newer layout. */
export async function readDataDirectory({ dataDir }: DataFlags): Promise<DataReader> {
  const directory = dataDirectory(dataDir);
  if ((await readVersion(directory)) === undefined) {
    throw new KilnError(
      'not_found',
      `${directory.root} is no data directory of Kiln, it has no file "version": name one with --data-dir`,
    );
  }
  const codecs = nodeCodecs;
  return {
    directory,
    objects: inspectDirectoryStore({ disk: realDisk(), root: directory.objects }),
    crc32: (bytes, seed) => codecs.crc32(bytes, seed),
  };
}

/** Every key under `prefix`, in byte order. */
export async function allKeys({ objects }: CatalogReader, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for (let startAfter = ''; ; startAfter = keys.at(-1)!) {
    const page = await objects.list(prefix, { startAfter });
    if (page.length === 0) return keys;
    keys.push(...page);
  }
}

/**
 * The bytes of an object, named by its key in the data directory or by a path of the file system.
 * @throws KilnError `not_found`.
 */
export async function readObject(reader: DataReader | undefined, name: string): Promise<Uint8Array> {
  if ((await stat(name).catch(() => undefined))?.isFile() === true) return readFile(name);
  const stored = reader === undefined ? undefined : await reader.objects.get(name);
  if (stored === undefined)
    throw new KilnError('not_found', `there is no object and no file ${name}: kiln block list names the objects`);
  return stored.bytes;
}
