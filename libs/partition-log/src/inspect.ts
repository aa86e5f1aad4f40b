import { diskTrouble, errorCode, joinPath, type Disk, type DiskFile } from '@kiln/disk';
import { KilnError, makeLogId, type LogId } from '@kiln/model';
import { FrameReader, type Crc32 } from './frame.ts';
import { partitionsOf, readVersion, readWriter } from './log-folder.ts';
import { SegmentCursor } from './segment-cursor.ts';
import { listSegments, scanTail, type LogEnd, type Segment } from './segment.ts';

/** What the files of one partition hold. */
export interface PartitionSummary {
  readonly partition: number;
  readonly logId: LogId;
  /** The first offset held. */
  readonly startOffset: number;
  /** The newest whole record's offset, -1 without one. */
  readonly endOffset: number;
  readonly bytes: number;
  readonly segments: number;
  /** At the end of the newest segment, behind the last whole record: torn by a crash, or being written now. */
  readonly tornBytes: number;
  /** Inclusive ranges of offsets whose record cannot be read. */
  readonly damaged: readonly { readonly from: number; readonly to: number }[];
}

/**
 * Reads every frame of a log, partition by partition. Changes nothing and needs no lock: beside a running process, segments that are trimmed meanwhile
 * count as empty and the newest record may be missing.
 * @throws KilnError `not_found` when there is no log in `root`, `failed_precondition` for a newer layout.
 */
export async function* inspectFileLog(options: {
  readonly disk: Disk;
  readonly root: string;
  readonly crc32: Crc32;
}): AsyncGenerator<PartitionSummary, void, undefined> {
  const { disk, root, crc32 } = options;
  try {
    await readVersion(disk, root);
    const writer = await readWriter(disk, root);
    if (writer === undefined) throw new KilnError('not_found', `there is no log in ${root}: it has no file "id"`);
    for (const partition of await partitionsOf(disk, root)) {
      const segments = await listSegments(disk, joinPath(root, String(partition)));
      const found = await inspectSegments(disk, segments, crc32);
      yield { partition, logId: makeLogId(writer, partition), segments: segments.length, ...found };
    }
  } catch (error) {
    throw error instanceof KilnError ? error : new KilnError('unavailable', diskTrouble(error, root), { cause: error });
  }
}

type Found = Omit<PartitionSummary, 'partition' | 'logId' | 'segments'>;

async function inspectSegments(disk: Disk, segments: readonly Segment[], crc32: Crc32): Promise<Found> {
  const damaged: { from: number; to: number }[] = [];
  const add = (offset: number): void => {
    const last = damaged.at(-1);
    if (last !== undefined && last.to + 1 === offset) last.to = offset;
    else damaged.push({ from: offset, to: offset });
  };
  let bytes = 0;
  let end: LogEnd = { offset: 0, position: 0 };
  let tornBytes = 0;
  for (const [index, segment] of segments.entries()) {
    const file = await openIfThere(disk, segment.path);
    if (file === undefined) continue;
    try {
      const size = await file.size();
      bytes += size;
      const next = segments[index + 1];
      const frames = new FrameReader(file, crc32);
      const tail = next === undefined ? await scanTail(frames, segment, size) : undefined;
      if (tail !== undefined) tornBytes = size - tail.end.position;
      end = tail?.end ?? { offset: next!.first, position: size };
      const cursor = new SegmentCursor(frames, { offset: segment.first, position: 0 }, 0);
      while (cursor.offset < end.offset)
        for (const entry of await cursor.next(0, end)) if (entry.record === undefined) add(entry.offset);
    } finally {
      await file.close();
    }
  }
  return { startOffset: segments[0]?.first ?? 0, endOffset: end.offset - 1, bytes, tornBytes, damaged };
}

async function openIfThere(disk: Disk, path: string): Promise<DiskFile | undefined> {
  try {
    return await disk.open(path, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
