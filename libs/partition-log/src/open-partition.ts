import { FilePartition, createSegment, type OpenedPartition, type PartitionOptions } from './file-partition.ts';
import { FrameReader } from './frame.ts';
import { listSegments, scanTail, segmentAt } from './segment.ts';

/**
 * Opens a partition as the last process left it: cuts the torn tail of the newest segment, then makes durable what is there, because a killed process
 * may have written it without syncing and from now on it is read.
 */
export async function openPartition(options: PartitionOptions): Promise<FilePartition> {
  return new FilePartition(options, await recover(options));
}

async function recover(options: PartitionOptions): Promise<OpenedPartition> {
  const { disk, folder, crc32 } = options;
  const segments = await listSegments(disk, folder);
  const last = segments.at(-1);
  if (last === undefined) {
    const segment = segmentAt(folder, 0);
    const created = await createSegment(disk, folder, segment);
    return { segments: [segment], file: created, end: { offset: 0, position: 0 }, appendMs: -1 };
  }
  const file = await disk.open(last.path, 'rw');
  try {
    const size = await file.size();
    const tail = await scanTail(new FrameReader(file, crc32), last, size);
    if (tail.end.position < size) await file.truncate(tail.end.position);
    await file.sync('log-open-data');
    await disk.syncDir(folder, 'log-open-folder');
    const appendMs = tail.appendMs >= 0 ? tail.appendMs : await lastStamp(options, segments.at(-2)?.path);
    return { segments, file, end: tail.end, appendMs };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The newest stamp of a segment before an empty one: stamps never go back. */
async function lastStamp(options: PartitionOptions, path: string | undefined): Promise<number> {
  if (path === undefined) return -1;
  const file = await options.disk.open(path, 'r');
  try {
    const tail = await scanTail(new FrameReader(file, options.crc32), segmentAt(options.folder, 0), await file.size());
    return tail.appendMs;
  } finally {
    await file.close();
  }
}
