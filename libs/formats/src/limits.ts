/** Bounds on one profile, per tenant; 0 = off. YAML names and defaults: contract/pyroscope.md §6.1. */
export interface ProfileLimits {
  /** max_label_name_length, bytes. */
  readonly maxLabelNameLength: number;
  /** max_label_value_length, bytes. */
  readonly maxLabelValueLength: number;
  /** max_label_names_per_series, counted with sample labels and the server's own. */
  readonly maxLabelNamesPerSeries: number;
  /** max_sessions_per_series. */
  readonly maxSessionsPerSeries: number;
  /** disable_label_sanitization. */
  readonly disableLabelSanitization: boolean;
  /** max_profile_size_bytes, uncompressed. */
  readonly maxProfileSizeBytes: number;
  /** max_profile_stacktrace_samples. */
  readonly maxStacktraceSamples: number;
  /** max_profile_stacktrace_sample_labels. */
  readonly maxStacktraceSampleLabels: number;
  /** max_profile_stacktrace_depth: longer stacks are cut at the leaf side. */
  readonly maxStacktraceDepth: number;
  /** max_profile_symbol_value_length, bytes: of longer strings the tail is kept. */
  readonly maxSymbolValueLength: number;
  /** reject_older_than or retention_period, whichever is shorter, milliseconds. */
  readonly rejectOlderThanMs: number;
  /** Which of them it is, for sentences; reject_older_than unless said. */
  readonly rejectOlderThanName?: 'reject_older_than' | 'retention_period';
  /** reject_newer_than, milliseconds. */
  readonly rejectNewerThanMs: number;
}
