/** A piece that an answer may lack: offsets (after, upTo] of a log, and why. */
export interface AnswerGap {
  readonly log: string;
  readonly after: number;
  readonly upTo: number;
  readonly reason: string;
}

/** The merged partial of a query, not yet truncated, and what may be missing from it. */
export interface Answer {
  readonly partial: Uint8Array;
  /** Empty when the answer is whole. */
  readonly gaps: readonly AnswerGap[];
}
