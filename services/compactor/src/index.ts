export { buildBlocks, type BuildJob, type Builder, type Built } from './build-blocks.ts';
export { compactorModule } from './compactor.module.ts';
export { Compactor, type CompactorPorts, type Round } from './compactor.ts';
export { compactorDefaults, type CompactorConfig } from './config.ts';
