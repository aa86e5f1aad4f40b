import type { Clock } from '@kiln/async';
import { RecordBuilder, type Codecs, type Compression } from '@kiln/block';
import { DEFAULT_SHARDS, placePartition } from '@kiln/catalog';
import {
  KilnError,
  fingerprint,
  labelSet,
  plainName,
  type Label,
  type LabelSet,
  type Profile,
  type TenantId,
} from '@kiln/model';
import { profileId } from './profile-id.ts';

/** A profile that passed every check, ready to be placed. */
export interface Accepted {
  readonly profile: Profile;
  /** Rules moved it away from the rest of its payload, to another service or name. */
  readonly isMoved?: boolean;
  /** As pushed, sorted, before relabelling: what a retry sends again. */
  readonly labels: LabelSet;
  /** Start as the payload carries it; 0 when it carries none. */
  readonly ownTimeNanos: bigint;
  readonly payload: Uint8Array;
  readonly clientId: string;
}

/** A record and the partition that it belongs to. */
export interface PlacedRecord {
  readonly partition: number;
  readonly record: Uint8Array;
}

export interface PlacerPorts {
  readonly partitions: number;
  readonly codecs: Codecs;
  /** Of the records. */
  readonly compression: Compression;
  readonly clock: Clock;
}

/** Largest record, bytes before compression: a push is split between profiles (design: distributed.md §1.6 Record). */
const MAX_RECORD_BYTES = 8 * 1024 * 1024;

/** Identifies profiles, places them by tenant and series, and makes one record per partition. Knows no protocol and no format. */
export class Placer {
  readonly #ports: PlacerPorts;

  constructor(ports: PlacerPorts) {
    this.#ports = ports;
  }

  /**
   * The records of some profiles of one tenant.
   * @param windowMs the tenant's duplicate window, written into the records. @param tenantShards partitions that it is spread over; 0 = all.
   * @returns also the first problem: `invalid_argument` for a profile that no record can hold. The others are in the records.
   */
  place(
    tenant: TenantId,
    profiles: readonly Accepted[],
    windowMs: number,
    tenantShards = 0,
  ): { records: PlacedRecord[]; problem: KilnError | undefined } {
    const { codecs, compression } = this.#ports;
    const records: PlacedRecord[] = [];
    let problem: KilnError | undefined;
    for (const { partition, builder } of this.#draft(tenant, profiles, windowMs, tenantShards)) {
      try {
        records.push({ partition, record: builder.finish(codecs, compression) });
      } catch (error) {
        problem ??= KilnError.from(error);
        if (problem.code === 'internal') throw problem;
      }
    }
    return { records, problem };
  }

  #draft(tenant: TenantId, profiles: readonly Accepted[], windowMs: number, tenantShards: number): Draft[] {
    const { partitions, clock } = this.#ports;
    const open = new Map<number, RecordBuilder>();
    const drafts: Draft[] = [];
    const receivedMs = clock.nowMs();
    for (const accepted of profiles) {
      const { profile, labels, payload } = accepted;
      const partition = placePartition({
        partitions,
        tenant,
        service: profile.service,
        fingerprint: fingerprint(labels),
        shards: { ...DEFAULT_SHARDS, tenant: tenantShards },
      });
      // A profile that may be too large for a record gets one of its own, so that only it is refused.
      const alone = payload.length >= MAX_RECORD_BYTES;
      const builder = (alone ? undefined : open.get(partition)) ?? new RecordBuilder({ tenant, receivedMs, windowMs });
      builder.add(profile, idOf(tenant, accepted));
      const isFull = alone || builder.byteLength >= MAX_RECORD_BYTES;
      if (isFull) drafts.push({ partition, builder });
      if (isFull && !alone) open.delete(partition);
      if (!isFull) open.set(partition, builder);
    }
    for (const [partition, builder] of open) drafts.push({ partition, builder });
    return drafts;
  }
}

interface Draft {
  readonly partition: number;
  readonly builder: RecordBuilder;
}

function idOf(tenant: TenantId, { profile, isMoved, labels, ownTimeNanos, payload, clientId }: Accepted): Uint8Array {
  const { service, name, types, durationNanos } = profile;
  const movedTo = isMoved === true ? { service, name: plainName(name) } : undefined;
  return profileId({ tenant, labels, types, timeNanos: ownTimeNanos, durationNanos, payload, clientId, movedTo });
}

/** Labels as pushed, sorted; copies stay, because a retry sends them again. */
export function pushedLabels(labels: readonly Label[]): LabelSet {
  return labelSet(labels);
}
