export { ingesterDefaults, type IngesterConfig } from './config.ts';
export { Ingester, type IngesterPorts } from './ingester.ts';
export { nodeCodecs } from './worker/node-codecs.ts';
export type { PartitionCounts, PartitionStatus } from './partition-status.ts';
