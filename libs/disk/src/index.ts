export type { Disk, DiskFile } from './disk.ts';
export { FaultGate, randomFaults, type Fault, type FaultPlan, type FaultRates } from './fault-gate.ts';
export { MemoryDisk, type DiskOperation, type MemoryDiskOptions } from './memory-disk.ts';
export { diskTrouble, errorCode, joinPath, mkdirDurably, parentOf, removeIfThere, writeWholeFile } from './paths.ts';
export { realDisk } from './real-disk.ts';
