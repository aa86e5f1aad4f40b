import type { LogEntry } from '@kiln/partition-log';
import { Moved } from '@kiln/threads';

/** Log entries as they cross threads: columns, and all records in one buffer. */
export interface RecordBatch {
  readonly offset: Float64Array<ArrayBuffer>;
  readonly appendMs: Float64Array<ArrayBuffer>;
  /** Bytes of each record, -1 for a damaged frame. */
  readonly length: Int32Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Entries in buffers of their own, ready to be moved: one copy, because a log does not promise that the bytes it hands out are nobody else's.
 */
export function packEntries(entries: readonly LogEntry[]): Moved<RecordBatch> {
  let total = 0;
  for (const { record } of entries) total += record?.byteLength ?? 0;
  const batch: RecordBatch = {
    offset: new Float64Array(entries.length),
    appendMs: new Float64Array(entries.length),
    length: new Int32Array(entries.length),
    bytes: new Uint8Array(total),
  };
  let at = 0;
  for (const [i, { offset, appendMs, record }] of entries.entries()) {
    batch.offset[i] = offset;
    batch.appendMs[i] = appendMs;
    batch.length[i] = record?.byteLength ?? -1;
    if (record !== undefined) batch.bytes.set(record, at);
    at += record?.byteLength ?? 0;
  }
  return new Moved(batch, [batch.offset.buffer, batch.appendMs.buffer, batch.length.buffer, batch.bytes.buffer]);
}

/** The entries of a batch; records are views of its buffer. */
export function unpackEntries({ offset, appendMs, length, bytes }: RecordBatch): LogEntry[] {
  const entries: LogEntry[] = [];
  let at = 0;
  for (let i = 0; i < offset.length; i++) {
    const size = length[i]!;
    const record = size < 0 ? undefined : bytes.subarray(at, at + size);
    entries.push({ offset: offset[i]!, appendMs: appendMs[i]!, record });
    at += Math.max(0, size);
  }
  return entries;
}
