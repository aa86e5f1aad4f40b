/** What an operator may set on a distributor. */
export interface DistributorConfig {
  /** Threads that read pushes; 0 = the main thread does it. */
  readonly threads: number;
  /** Bytes of bodies that all large pushes not answered yet may hold together; small ones may hold a quarter beside it. */
  readonly inFlightMaxBytes: number;
}

/**
 * A push is answered after one fsync, so this much in flight is gigabytes a second, and half a minute of fifty pushes a second while a full disk holds
 * them back. Twice the 64 MiB of design distributed.md §1.6, because it counts bodies as they come, compressed.
 */
export const distributorDefaults: DistributorConfig = {
  threads: 2,
  inFlightMaxBytes: 128 * 1024 * 1024,
};
