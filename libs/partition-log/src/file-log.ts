import type { Clock, Random } from '@kiln/async';
import { diskTrouble, joinPath, type Disk } from '@kiln/disk';
import { KilnError, makeLogId } from '@kiln/model';
import type { FilePartition } from './file-partition.ts';
import type { Crc32 } from './frame.ts';
import { prepareFolder } from './log-folder.ts';
import { openPartition } from './open-partition.ts';
import type { OpenLog, PartitionLog } from './partition-log.ts';

export interface FileLogOptions {
  readonly disk: Disk;
  /** Absolute path. One process at a time: the caller holds the lock. */
  readonly root: string;
  /** May grow from one start to the next, never shrink. */
  readonly partitions: number;
  readonly clock: Clock;
  /** `zlib.crc32`. */
  readonly crc32: Crc32;
  /** Waited before each batch so that more appends go with it; 0 by default, an fsync groups those that come while it runs. */
  readonly lingerMs?: number;
  /** A segment that has reached it is followed by a new one; 64 MiB by default. */
  readonly segmentBytes?: number;
  /** Of the newest records of a partition, kept so that a reader which follows closely needs no file; 256 KiB by default. */
  readonly recentBytes?: number;
  /** Makes the id of a new log: give good randomness. */
  readonly random: Random;
}

/**
 * A log in files below `root`: append resolves after fdatasync, in groups. All partitions are recovered before it resolves.
 * @throws KilnError `failed_precondition` for a newer layout or fewer partitions than there are, `data_loss` for a damaged id, `unavailable` when the
 * disk is in trouble.
 */
export async function openFileLog(options: FileLogOptions): Promise<PartitionLog> {
  const {
    disk,
    root,
    partitions,
    clock,
    crc32,
    lingerMs = 0,
    segmentBytes = 64 << 20,
    recentBytes = 256 << 10,
  } = options;
  const opened: FilePartition[] = [];
  try {
    const writer = await prepareFolder(disk, root, partitions, options.random);
    for (let partition = 0; partition < partitions; partition++) {
      const folder = joinPath(root, String(partition));
      const id = makeLogId(writer, partition);
      opened.push(
        await openPartition({ disk, id, partition, folder, clock, crc32, lingerMs, segmentBytes, recentBytes }),
      );
    }
  } catch (error) {
    for (const partition of opened) await partition.close();
    if (error instanceof KilnError) throw error;
    throw new KilnError('unavailable', `opening the log: ${diskTrouble(error, root)}`, { cause: error });
  }
  return {
    partitions,
    open: async (partition: number): Promise<OpenLog> => opened[partition] ?? noPartition(partition, partitions),
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await Promise.all(opened.map((partition) => partition.close()));
    },
  };
}

/** @throws KilnError that names the partitions there are. */
export function noPartition(partition: number, partitions: number): never {
  throw new KilnError('invalid_argument', `no partition ${partition}: there are ${partitions}, 0 to ${partitions - 1}`);
}
