import { errorCode, joinPath, type Disk } from '@kiln/disk';
import { KilnError } from '@kiln/model';
import { HEADER_BYTES, type FrameReader } from './frame.ts';

/** One file of a partition: the records from `first` up to the next segment's first, exclusive. */
export interface Segment {
  readonly first: number;
  readonly path: string;
  /** Some frame borders, in order, so that a reader need not start at the front. */
  readonly marks: LogEnd[];
  /** Of a segment that is not the last: where its frames end. Found out by who needs it. */
  size?: number;
}

/** A frame border: the offset and the file position of the next frame. */
export interface LogEnd {
  readonly offset: number;
  readonly position: number;
}

const NAME = /^([0-9]{16})\.log$/;
const MARK_BYTES = 1 << 20;

export function segmentAt(folder: string, first: number): Segment {
  return { first, path: joinPath(folder, `${String(first).padStart(16, '0')}.log`), marks: [] };
}

/**
 * The segments of a partition in order; none when the folder does not exist.
 * @throws KilnError `failed_precondition` for a name that is no segment.
 */
export async function listSegments(disk: Disk, folder: string): Promise<Segment[]> {
  const names = await disk.readDir(folder).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const segments = names.map((name) => {
    const first = Number(NAME.exec(name)?.[1] ?? NaN);
    if (Number.isSafeInteger(first)) return segmentAt(folder, first);
    throw new KilnError(
      'failed_precondition',
      `${joinPath(folder, name)} does not belong in a log: allowed are segments named by 16 digits and .log; move it elsewhere`,
    );
  });
  return segments.toSorted((a, b) => a.first - b.first);
}

/** Remembers a frame border when the last one is far behind. */
export function mark(segment: Segment, at: LogEnd): void {
  const last = segment.marks.at(-1)?.position ?? 0;
  if (at.position - last >= MARK_BYTES) segment.marks.push(at);
}

/** The last known frame border at or before an offset. */
export function markBefore(segment: Segment, offset: number): LogEnd {
  return segment.marks.findLast((each) => each.offset <= offset) ?? { offset: segment.first, position: 0 };
}

/** What the newest segment holds, when it is not known where it ends. */
export interface Tail {
  /** The end of what may have been acknowledged; what follows is torn. */
  readonly end: LogEnd;
  /** Of the newest whole record, -1 without one. */
  readonly appendMs: number;
}

/**
 * Walks the newest segment. A frame that is short or wrong ends it, unless a later frame says that it was written when all before it was durable: then
 * what is wrong was acknowledged and has been damaged since, and what follows is not cut. Where no frame border leads over the damage, it is not known
 * how many records were there; the end is then at the highest offset that they can have had, so that no offset is ever given twice.
 */
export async function scanTail(frames: FrameReader, segment: Segment, size: number): Promise<Tail> {
  let tail = await walkTail(frames, { offset: segment.first, position: 0 }, size, -1, (at) => mark(segment, at));
  for (;;) {
    const { offset, position } = tail.end;
    const start = position === size ? undefined : await frames.findBatchStart(position + 1, size, tail.appendMs);
    if (start === undefined) return tail;
    const most = Math.floor((start - position) / HEADER_BYTES);
    tail = await walkTail(frames, { offset: offset + most, position: start }, size, tail.appendMs, () => {});
  }
}

async function walkTail(
  frames: FrameReader,
  from: LogEnd,
  size: number,
  appendMs: number,
  onFrame: (at: LogEnd) => void,
): Promise<Tail> {
  let at = from;
  let newestMs = appendMs;
  let torn: Tail | undefined;
  for (;;) {
    const frame = await frames.frameAt(at.position, size);
    if (frame === undefined) return torn ?? { end: at, appendMs: newestMs };
    if (frame.record === undefined) torn ??= { end: at, appendMs: newestMs };
    else {
      if (frame.startsBatch) torn = undefined;
      newestMs = Math.max(newestMs, frame.appendMs);
      if (torn === undefined) onFrame(at);
    }
    at = { offset: at.offset + 1, position: frame.next };
  }
}
