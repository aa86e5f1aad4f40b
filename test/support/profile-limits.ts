/** The limits of a profile as they come (contract/pyroscope.md §6.1), but any time is accepted. */
export const profileLimits = {
  maxLabelNameLength: 1024,
  maxLabelValueLength: 2048,
  maxLabelNamesPerSeries: 30,
  maxSessionsPerSeries: 0,
  disableLabelSanitization: true,
  maxProfileSizeBytes: 4 * 1024 * 1024,
  maxStacktraceSamples: 16_000,
  maxStacktraceSampleLabels: 100,
  maxStacktraceDepth: 1000,
  maxSymbolValueLength: 65_535,
  rejectOlderThanMs: 0,
  rejectNewerThanMs: 0,
} as const;
