/** What running queries took, added up by `runQuery`. */
export interface RunStats {
  /** Pages of samples that were merged. */
  pages: number;
  /** Buckets of roll-ups that were merged, in place of the rows that they sum. */
  buckets: number;
  /** Length of the longest of those buckets, ms; 0 when rows alone were read. */
  resolutionMs: number;
}
