import type { LogEntry } from '@kiln/partition-log';
import { Moved } from '@kiln/threads';

/** Log entries as they cross threads: columns and all records in one buffer, because each buffer that moves costs more than its bytes. */
export interface RecordBatch {
  readonly count: number;
  /** Offset f64, append ms f64, bytes of the record i32 (-1 for a damaged frame), `count` of each, then the records. */
  readonly buffer: ArrayBuffer;
}

/**
 * Entries in a buffer of their own, ready to be moved: one copy, because a log does not promise that the bytes it hands out are nobody else's.
 */
export function packEntries(entries: readonly LogEntry[]): Moved<RecordBatch> {
  const count = entries.length;
  let total = 0;
  for (const { record } of entries) total += record?.byteLength ?? 0;
  // Every byte is written below: zeros first would be written for nothing.
  const { buffer } = Buffer.allocUnsafeSlow(count * ENTRY_BYTES + total);
  const { offset, appendMs, length, bytes } = columns({ count, buffer });
  let at = 0;
  for (let i = 0; i < count; i++) {
    const entry = entries[i]!;
    offset[i] = entry.offset;
    appendMs[i] = entry.appendMs;
    length[i] = entry.record?.byteLength ?? -1;
    if (entry.record !== undefined) bytes.set(entry.record, at);
    at += entry.record?.byteLength ?? 0;
  }
  return new Moved({ count, buffer }, [buffer]);
}

/** The entries of a batch; records are views of its buffer. */
export function unpackEntries(batch: RecordBatch): LogEntry[] {
  const { offset, appendMs, length, bytes } = columns(batch);
  const entries: LogEntry[] = [];
  let at = 0;
  for (let i = 0; i < batch.count; i++) {
    const size = length[i]!;
    const record = size < 0 ? undefined : bytes.subarray(at, at + size);
    entries.push({ offset: offset[i]!, appendMs: appendMs[i]!, record });
    at += Math.max(0, size);
  }
  return entries;
}

const ENTRY_BYTES = 8 + 8 + 4;

interface Columns {
  readonly offset: Float64Array;
  readonly appendMs: Float64Array;
  readonly length: Int32Array;
  readonly bytes: Uint8Array;
}

function columns({ count, buffer }: RecordBatch): Columns {
  return {
    offset: new Float64Array(buffer, 0, count),
    appendMs: new Float64Array(buffer, count * 8, count),
    length: new Int32Array(buffer, count * 16, count),
    bytes: new Uint8Array(buffer, count * ENTRY_BYTES),
  };
}
