export { ActiveSeries, type SeriesGate } from './active-series.ts';
export { distributorDefaults, type DistributorConfig } from './config.ts';
export { Distributor, type DistributorPorts } from './distributor.ts';
export { readPushRequest, readPushRequestJson, type PushedSeries } from './push-request.ts';
export { Placer, type PlacerPorts } from './placer.ts';
export { ProfileReader, type WriteCall } from './profile-reader.ts';
export type { Reading, WriteLimits } from './reading.ts';
export type { Reader } from './intake.ts';
export { writeLimits } from './write-limits.ts';
