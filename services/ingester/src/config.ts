/** What an operator may set on an ingester. */
export interface IngesterConfig {
  /** Milliseconds after which a generation with anything in it is cut. */
  readonly cutMaxAgeMs: number;
  /** Estimated bytes of the level-0 object at which a generation is cut. */
  readonly cutMaxBytes: number;
  /** Bytes of log records at which a generation is cut: the bound of a replay. */
  readonly cutMaxLogBytes: number;
  /** Bytes that all heads, ids and segments in flight of this process may take together. */
  readonly headMaxBytes: number;
  /** Worker threads that share the partitions; 0 runs them in the calling thread. Each takes some 20 MB and, on a busy machine, half a second to start. */
  readonly workers: number;
  /** Whether a clean stop cuts what the heads hold, so that the next start replays nothing. */
  readonly cutOnStop: boolean;
}

/** The defaults of design distributed.md §1.6; `headMaxBytes` is cut by the caller to half of what `memory.ceiling` leaves. */
export const ingesterDefaults: IngesterConfig = {
  cutMaxAgeMs: 300_000,
  cutMaxBytes: 64 * 1024 * 1024,
  cutMaxLogBytes: 1024 * 1024 * 1024,
  headMaxBytes: 1024 * 1024 * 1024,
  workers: 2,
  cutOnStop: true,
};
