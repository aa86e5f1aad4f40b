/** What a compactor is told. */
export interface CompactorConfig {
  /** Whether segments are compacted and blocks merged; retention, trimming and sweeping go on without. */
  readonly enabled: boolean;
  readonly intervalMs: number;
  /** Length of the windows of level 1. */
  readonly hourMs: number;
  /** Length of the windows of level 2; a multiple of `hourMs`. */
  readonly dayMs: number;
  /** Stored bytes that one job reads at most. */
  readonly maxJobBytes: number;
  /** Threads that build blocks; 0 = none, the main thread does it. */
  readonly threads: number;
}

export const compactorDefaults: CompactorConfig = {
  enabled: true,
  intervalMs: 60_000,
  hourMs: 3_600_000,
  dayMs: 86_400_000,
  maxJobBytes: 128 * 1024 * 1024,
  threads: 1,
};
