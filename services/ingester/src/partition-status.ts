import type { LogId } from '@kiln/model';

/** How a partition is doing; plain data that crosses threads. */
export interface PartitionStatus {
  readonly partition: number;
  readonly logId: LogId;
  readonly state: 'opening' | 'following' | 'failed' | 'stopped';
  /** E: end of the newest manifest. */
  readonly committed: number;
  /** H: the last offset consumed. */
  readonly consumed: number;
  /** Records behind the log's end, when it was asked. */
  readonly lag: number | undefined;
  /** Whether everything that was in the log at the start has been consumed. */
  readonly caughtUp: boolean;
  /** The last trouble that is not over yet. */
  readonly error: string | undefined;
  /** Why reading stands still, when it does. */
  readonly paused: string | undefined;
  /** Which objects have lost their ids, in words: copies of their profiles may count twice. Nothing that waiting changes, so no trouble. */
  readonly lostIds: readonly string[];
  readonly headBytes: number;
  readonly idsBytes: number;
  readonly generations: number;
  /** Since this process began to follow. */
  readonly counts: PartitionCounts;
}

/** What a partition has done; only ever grows. */
export interface PartitionCounts {
  records: number;
  rows: number;
  copiesDropped: number;
  cuts: number;
  cutFailures: number;
  gaps: number;
  quarantined: number;
}

/** A partition that does not run here, or not yet. */
export function absentStatus(
  partition: number,
  logId: LogId,
  state: 'opening' | 'stopped',
  error?: string,
): PartitionStatus {
  return {
    partition,
    logId,
    state,
    committed: -1,
    consumed: -1,
    lag: undefined,
    caughtUp: false,
    error,
    paused: undefined,
    lostIds: [],
    headBytes: 0,
    idsBytes: 0,
    generations: 0,
    counts: { records: 0, rows: 0, copiesDropped: 0, cuts: 0, cutFailures: 0, gaps: 0, quarantined: 0 },
  };
}
