export type { Disk, DiskFile } from './disk.ts';
