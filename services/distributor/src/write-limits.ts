import { acceptedAge, bodyLimitBytes, type Limits } from '@kiln/tenant';
import type { WriteLimits } from './reading.ts';

/** The limits of a tenant that concern a write. @param isBackfill old profiles on purpose: as far back as the tenant keeps any. */
export function writeLimits(limits: Limits, isBackfill: boolean): WriteLimits {
  const age = acceptedAge(isBackfill ? { ...limits, rejectOlderThanMs: 0 } : limits);
  return {
    maxLabelNameLength: limits.maxLabelNameLength,
    maxLabelValueLength: limits.maxLabelValueLength,
    maxLabelNamesPerSeries: limits.maxLabelNamesPerSeries,
    maxSessionsPerSeries: limits.maxSessionsPerSeries,
    disableLabelSanitization: limits.disableLabelSanitization,
    maxProfileSizeBytes: limits.maxProfileSizeBytes,
    maxStacktraceSamples: limits.maxProfileStacktraceSamples,
    maxStacktraceSampleLabels: limits.maxProfileStacktraceSampleLabels,
    maxStacktraceDepth: limits.maxProfileStacktraceDepth,
    maxSymbolValueLength: limits.maxProfileSymbolValueLength,
    rejectOlderThanMs: age.ms,
    rejectOlderThanName: age.by,
    rejectNewerThanMs: limits.rejectNewerThanMs,
    ingestionBodyLimitBytes: bodyLimitBytes(limits),
    relabelingRules: limits.ingestionRelabelingRules,
    relabelingDefaults: limits.ingestionRelabelingDefaultRulesPosition,
    sampleTypeRules: limits.sampleTypeRelabelingRules,
    usageGroups: limits.distributorUsageGroups,
    ingestionLimit: limits.ingestionLimit,
    sampling: limits.distributorSampling,
    maxSeries: maxSeries(limits),
    keepStripped: limits.keepStrippedProfiles,
    tenantShards: limits.ingestionTenantShardSize,
  };
}

/** There is one process, so what holds for it and what holds over all are one: the smaller that is on. */
function maxSeries({ maxLocalSeriesPerTenant: local, maxGlobalSeriesPerTenant: global }: Limits): number {
  return local === 0 || global === 0 ? Math.max(local, global) : Math.min(local, global);
}
