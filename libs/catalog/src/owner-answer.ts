import type { LogId } from '@kiln/model';
import type { Gap } from './gap.ts';
import type { CommittedPart } from './parts.ts';

/** From where a reader wants a log of a partition: above max(W, T) as it knows them. */
export interface LogFrom {
  readonly partition: number;
  readonly logId: LogId;
  readonly from: number;
}

/** What the owner of a partition knows of one of its logs above `from`: ANSWER of design distributed.md §1.10. Refs and partial are disjoint by offset. */
export interface OwnerAnswer {
  readonly logId: LogId;
  /** The tenant's parts in the manifests of (from, E]; those without a row in the query's range may be left out. */
  readonly refs: readonly CommittedPart[];
  /** The head's rows in (max(from, E), H], run and merged (@kiln/query); no bytes for no rows. */
  readonly partial: Uint8Array;
  /** Offsets in (from, H] that were lost or could not be decoded. */
  readonly gaps: readonly Gap[];
  /** Marks: the end of the newest manifest, and the last offset consumed. */
  readonly E: number;
  readonly H: number;
}
