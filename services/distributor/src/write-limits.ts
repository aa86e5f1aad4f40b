import { acceptedAge, bodyLimitBytes, type Limits } from '@kiln/tenant';
import type { WriteLimits } from './profile-reader.ts';

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
  };
}
