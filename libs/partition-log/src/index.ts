export type { Appended, LogEntry, OpenLog, PartitionLog } from './partition-log.ts';
