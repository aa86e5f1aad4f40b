export { faultyLog, type LogCall } from './faulty-log.ts';
export { openFileLog, type FileLogOptions } from './file-log.ts';
export { MAX_RECORD_BYTES, type Crc32 } from './frame.ts';
export { inspectFileLog, type PartitionSummary } from './inspect.ts';
export { memoryLog, type MemoryLogOptions } from './memory-log.ts';
export type { Appended, LogEntry, OpenLog, PartitionLog } from './partition-log.ts';
