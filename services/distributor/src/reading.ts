import type { ProfileLimits } from '@kiln/formats';
import type { ErrorAsData } from '@kiln/threads';
import type { PlacedRecord } from './placer.ts';
import type { RuleLimits } from './rules.ts';

/** The limits of a tenant that concern writes: those of a profile, and of a request. */
export interface WriteLimits extends ProfileLimits, RuleLimits {
  /** Bytes of a request's body, also decompressed; 0 = off. */
  readonly ingestionBodyLimitBytes: number;
  /** Active series at most; 0 = any number. */
  readonly maxSeries: number;
  /** Of a profile that sampling leaves out its sum is stored. */
  readonly keepStripped: boolean;
  /** Partitions that the tenant's services are spread over; 0 = all. */
  readonly tenantShards: number;
  /** The request may store what a reached quota of a usage group would refuse. */
  readonly hasPass?: boolean;
}

/** What a request holds, as plain data: records to append, and what was refused. */
export interface Reading {
  readonly records: readonly PlacedRecord[];
  /** In the records, and their uncompressed bytes as pushed. */
  readonly profiles: number;
  readonly bytes: number;
  /** Uncompressed bytes that count for the rate: also those of profiles that rules dropped. */
  readonly ratedBytes: number;
  /** Uncompressed bytes by usage group, of profiles that were taken in. */
  readonly groups: ReadonlyMap<string, number>;
  readonly usedPass: boolean;
  readonly discarded: readonly Discarded[];
  /** Of the first profile that is no error and of which nothing is stored, or not what was said: why. */
  readonly remark: ErrorAsData | undefined;
  readonly truncated: { readonly stacks: number; readonly strings: number };
  /** The first thing that was wrong; what the records hold is to be stored nevertheless. */
  readonly problem: ErrorAsData | undefined;
}

/** A profile that is not stored, or not all of it. */
export interface Discarded {
  readonly reason: string;
  /** As received; 0 of a profile that is stored in part. */
  readonly bytes: number;
  readonly groups: readonly string[];
}
