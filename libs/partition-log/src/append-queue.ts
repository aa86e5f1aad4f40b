import type { Appended } from './partition-log.ts';

/** An append that waits for its batch. */
export interface PendingAppend {
  readonly record: Uint8Array;
  resolve(appended: Appended): void;
  reject(error: Error): void;
}

const MAX_BATCH_BYTES = 8 << 20;

/** Takes from the front of the queue what goes to the disk together: at least one, at most 8 MiB. */
export function takeBatch(queue: PendingAppend[]): PendingAppend[] {
  let count = 0;
  let bytes = 0;
  while (count < queue.length && (count === 0 || bytes + queue[count]!.record.length <= MAX_BATCH_BYTES))
    bytes += queue[count++]!.record.length;
  return queue.splice(0, count);
}
