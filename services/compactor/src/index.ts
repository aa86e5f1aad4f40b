export { buildBlocks, type BuildJob, type Builder, type Built } from './build-blocks.ts';
export { Compactor, type CompactorPorts, type Round } from './compactor.ts';
export { compactorDefaults, type CompactorConfig } from './config.ts';
export { Reserve, type ReserveFile } from './reserve.ts';
export { Room, type DiskUsage, type RoomConfig, type WhenFull } from './room.ts';
