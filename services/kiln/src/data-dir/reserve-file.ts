import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { ReserveFile } from '@kiln/compactor';
import { diskTrouble, removeIfThere, type Disk } from '@kiln/disk';
import { KilnError } from '@kiln/model';
import { diskUsage, type DataDirectory } from './layout.ts';

/** The largest index, written beside itself, and `log/trim`, several times over. A small disk has small indexes. */
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_SHARE = 1 / 64;
const PIECE_BYTES = 64 * 1024;

/** The reserve of a directory, as it lies there; a disk in trouble has none. Call it with the lock held. */
export async function openReserveFile(
  disk: Disk,
  { root, reserve: path }: Pick<DataDirectory, 'root' | 'reserve'>,
): Promise<ReserveFile> {
  const unfinished = `${path}.tmp`;
  await removeIfThere(disk, unfinished).catch(() => undefined);
  let found = await sizeOf(disk, path);
  const { totalBytes } = await diskUsage(root).catch(() => ({ totalBytes: Infinity }));
  const wanted = Math.min(MAX_BYTES, Math.floor(totalBytes * MAX_SHARE));
  return {
    get bytes() {
      return found === 0 ? wanted : found;
    },
    isThere: () => found > 0,
    make: async () => {
      try {
        await write(disk, unfinished, wanted);
        await disk.rename(unfinished, path);
        found = wanted;
      } catch (error) {
        await removeIfThere(disk, unfinished).catch(() => undefined);
        throw new KilnError('unavailable', diskTrouble(error, path), { cause: error });
      }
    },
    remove: async () => {
      const bytes = found;
      found = 0; // before there is room: who asks from now on knows whose it is
      try {
        await removeIfThere(disk, path);
      } catch (error) {
        found = bytes;
        throw new KilnError('unavailable', diskTrouble(error, path), { cause: error });
      }
    },
  };
}

/** Random bytes, of which no file system makes less; piece by piece, so that memory is none of what they take. */
async function write(disk: Disk, path: string, bytes: number): Promise<void> {
  const file = await disk.open(path, 'create');
  try {
    for (let at = 0; at < bytes; at += PIECE_BYTES)
      await file.write(await promisify(randomBytes)(Math.min(PIECE_BYTES, bytes - at)), at);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function sizeOf(disk: Disk, path: string): Promise<number> {
  const file = await disk.open(path, 'r').catch(() => undefined);
  if (file === undefined) return 0;
  try {
    return await file.size();
  } catch {
    return 0;
  } finally {
    await file.close();
  }
}
