import type { LogEntry, OpenLog } from '@kiln/partition-log';

/** A log whose entries come out changed, undefined leaves one out; or that waits or breaks before one. */
export function damaged(
  log: OpenLog,
  change: (entry: LogEntry) => LogEntry | undefined,
  before: (entry: LogEntry) => Promise<void> = () => Promise.resolve(),
): OpenLog {
  return {
    id: log.id,
    partition: log.partition,
    append: (record) => log.append(record),
    startOffset: () => log.startOffset(),
    endOffset: () => log.endOffset(),
    trim: (to) => log.trim(to),
    async *read(from, signal) {
      for await (const entries of log.read(from, signal)) {
        for (const entry of entries) {
          await before(entry);
          yield [change(entry) ?? []].flat();
        }
      }
    },
  };
}
