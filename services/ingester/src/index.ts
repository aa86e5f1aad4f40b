export { ingesterDefaults, type IngesterConfig } from './config.ts';
export { ingesterModule } from './ingester.module.ts';
export { Ingester, type IngesterPorts, type LogFrom } from './ingester.ts';
export { nodeCodecs } from './worker/node-codecs.ts';
export type { PartitionAnswer } from './partition-answer.ts';
export type { PartitionCounts, PartitionStatus } from './partition-status.ts';
