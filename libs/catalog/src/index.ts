export { decodeAdHocObject, encodeAdHocObject } from './ad-hoc-object.ts';
export { BRIEFLY, type Patience } from './attempts.ts';
export type { Catalog, CatalogReader, KillPoint } from './catalog.ts';
export { readChain, type Chain } from './chain.ts';
export { newestEnd, readManifests, type ManifestsFound } from './read-manifests.ts';
export { closeLog, type Closing } from './close-log.ts';
export { lostCluster, openCluster, readCluster, type Cluster } from './cluster.ts';
export { commitBlocks, type Commit, type Compacted, type Taken } from './commit-blocks.ts';
export type { CommitOutcome } from './commit-manifest.ts';
export { commitCut, type Cut, type Segment } from './cut.ts';
export { duplicateWindowMs, MAX_DUPLICATE_WINDOW_MS } from './duplicate-window.ts';
export type { Gap } from './gap.ts';
export {
  adHocPrefix,
  blockKey,
  clusterKey,
  indexedPrefix,
  damagedPartKey,
  manifestKey,
  keptPrefixes,
  quarantineKey,
  segmentKey,
  tenantIndexKey,
  trimKey,
} from './keys.ts';
export { readTrim, registeredLog, type LogTrim, type RegisteredLog, type TrimmedGap } from './log-trim.ts';
export type { Manifest, TenantPart } from './manifest.ts';
export type { LogFrom, OwnerAnswer } from './owner-answer.ts';
export { partOf, partsAbove, type CommittedPart } from './parts.ts';
export { DEFAULT_SHARDS, placePartition, tenantPartitions, type Placed, type Shards } from './placement.ts';
export { quarantineRecord } from './quarantine.ts';
export { mergeBlocks, noteDamage, type Merged } from './merge-blocks.ts';
export { checkIndexedMark } from './mark-indexed.ts';
export { anyStored, lostRegister, registerLog } from './register-log.ts';
export { retainBlocks } from './retain-blocks.ts';
export { deleteTombstones, sweepBlocks } from './sweep-tenant.ts';
export {
  containedUpTo,
  olderThanBlocks,
  readTenantIndex,
  type LiveBlock,
  type QuarantinedPart,
  type TenantIndex,
  type Tombstone,
} from './tenant-index.ts';
export { listTenants } from './list-tenants.ts';
export { forgetGaps } from './forget-gaps.ts';
export { sweepLogs } from './sweep-logs.ts';
export { deleteTrimmed, raiseTrim } from './trim-log.ts';
export { deleteSetting, putSetting, readSettings, type TenantSetting } from './tenant-settings.ts';
