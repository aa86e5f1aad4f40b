import type { Gap, Segment } from '@kiln/catalog';
import type { HeadParts } from './head/head-dataset.ts';
import { Head } from './head/head.ts';

/** What arrived between two cuts: rows, gaps and the stretch of the log they came from. */
export class Generation {
  readonly head: Head;
  /** By the owner's clock, when its first record came. */
  readonly sinceMs: number;
  /** Everything here lies above this offset. */
  readonly after: number;
  /** The last offset consumed, rows or not. */
  end: number;
  /** Append time at `end`, as a running maximum. */
  appendMs = 0;
  /** Bytes of records consumed: what a replay would read. */
  logBytes = 0;
  /** Offsets without rows, and those whose copies could not be told. */
  readonly gaps: Gap[] = [];
  /** Marks of the ids kept for its rows (see Ids). */
  readonly fromMark: number;
  toMark: number;
  /** Encoded for the manifest after `segmentStart`; held so that a failed upload is not encoded anew. Undefined when no rows and no ids are kept. */
  segment: Segment | undefined;
  segmentStart: number | undefined;

  constructor(after: number, nowMs: number, mark: number, parts: HeadParts) {
    this.head = new Head(parts);
    this.sinceMs = nowMs;
    this.after = after;
    this.end = after;
    this.fromMark = mark;
    this.toMark = mark;
  }

  get byteLength(): number {
    return this.head.byteLength + this.gaps.length * 128 + (this.segment?.bytes.byteLength ?? 0);
  }
}
